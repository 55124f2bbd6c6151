package systemd

// messageID returns the ID of an important event in the message catalogue, by its
// message; "" for all others. With it, `journalctl -x` explains the entry, and
// `journalctl MESSAGE_ID=…` finds all of its kind. The texts are in
// denofn.catalog; a test keeps both, and the messages in the source, equal.
func messageID(message string) string {
	for _, m := range messages() {
		if m.text == message {
			return m.id
		}
	}
	return ""
}

// A catalogued message is a constant message of the log and its ID for ever.
type catalogued struct{ text, id string }

func messages() []catalogued {
	return []catalogued{
		{"serving", "d575d3db1d5048adbdf03eda894b9d4e"},
		{"deployed", "bf748d2aae794098991a508eaf949c32"},
		{"process failed", "a5a167e2171a4312a6c2b77561baea37"},
		{"process did not end in time, killed", "780a7e472e374e489d3087e18f9566f0"},
		{"repository not deployed", "11988510c10f4a0cba496d61ed6199c1"},
		{"configuration not reread, the old one stays in force", "aaf4da5dcdbb4143982dd38a0ebb13e5"},
		{"sandbox layer is missing", "689369a8d5f642a2a3077b6aed249550"},
		{"ended with an error", "58536b19577546c1beb44f4e0c303ca1"},
		{"health check failed", "3b0941463cf047b9a6c270776bde6eb6"},
	}
}
