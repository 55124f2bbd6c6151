# From a key to an answer, and what can be seen of it.
installed ./old.deb

push_goes_live() {
	make_repository
	fails push
	cat key.pub >> /etc/denofn/authorized_keys
	git -C code push denofn main 2>&1 | tee said
	grep -F "http://box:8000/hello" said
	[ "$(fetch $http/hello)" = 'Hello, world' ]
}
check "a key is added, a push goes live and answers" push_goes_live

status_line() {
	fetch $http/hello
	until_true 25 eval 'status | tee said | grep -E "Status: \"3 functions, [1-3] warm; last deploy code@[0-9a-f]{7} "'
	grep -E '(├|└)─fn-hello' said
	grep -E '(├|└)─supervisor' said
	systemd-cgtop --batch --iterations=1 --depth=4 | grep -E 'denofn.service/fn-hello'
}
check "systemctl status says how it is, and shows each function by its name" status_line

fields() {
	fetch $http/noisy
	until_true 10 eval '[ "$(journal DENOFN_FUNCTION=noisy DENOFN_STREAM=stdout)" = "one line" ]'
	[ "$(journal DENOFN_FUNCTION=noisy DENOFN_STREAM=stderr)" = 'one mistake' ]
	[ "$(journal DENOFN_FUNCTION=noisy PRIORITY=3)" = 'one mistake' ]
	[ -z "$(journal DENOFN_FUNCTION=hello DENOFN_STREAM=stdout)" ]
	journalctl --unit denofn --output short DENOFN_STREAM=stdout | grep -F 'denofn/noisy['
	id=$(fetch --dump-header - --output /dev/null $http/noisy | tr -d '\r' | sed -n 's/^x-request-id: //Ip')
	until_true 10 eval 'journal DENOFN_REQUEST_ID="$id" | grep -Fx "one line"'
}
check "the journal has what functions write, with fields" fields

catalogue() {
	journalctl --catalog --unit denofn --output short | grep -F -A3 'A push went live' | grep -F 'Defined-By: denofn'
	journalctl --unit denofn MESSAGE_ID=bf748d2aae794098991a508eaf949c32 --output cat | grep -F 'deployed repository=code'
}
check "journalctl -x explains what is important" catalogue

sandboxed() {
	pid=$(pgrep -u denofn -f 'deno run' | head -n 1)
	grep -E '^Seccomp:\s+2$' "/proc/$pid/status"
	grep -E '^NoNewPrivs:\s+1$' "/proc/$pid/status"
	grep -E '^CapEff:\s+0000000000000000$' "/proc/$pid/status"
	fails eval 'journal | grep -F "sandbox layer is missing layer=landlock"'
	fails eval 'journal | grep -F "sandbox layer is missing layer=seccomp"'
}
check "functions are contained inside the hardened unit" sandboxed

host_key() {
	before=$(ssh-keyscan -p 2222 127.0.0.1 2> /dev/null)
	ssh-keygen -q -t ed25519 -N '' -C '' -f other
	drop_in denofn.service '[Service]' 'LoadCredential=denofn.ssh-host-key:/root/t/other'
	systemctl restart denofn
	ssh-keyscan -p 2222 127.0.0.1 2> /dev/null | grep -F "$(cut -d ' ' -f 2 other.pub)"
	no_drop_ins
	systemd-creds setup
	mkdir -p /etc/credstore.encrypted
	systemd-creds encrypt --name=denofn.ssh-host-key other /etc/credstore.encrypted/denofn.ssh-host-key
	systemctl restart denofn
	ssh-keyscan -p 2222 127.0.0.1 2> /dev/null | grep -F "$(cut -d ' ' -f 2 other.pub)"
	rm -r /etc/credstore.encrypted/denofn.ssh-host-key other other.pub
	systemctl restart denofn
	[ "$(ssh-keyscan -p 2222 127.0.0.1 2> /dev/null)" = "$before" ]
}
check "a credential, plain or encrypted, takes the place of the host key" host_key

admin_only() {
	fails runuser -u denofn -- curl --silent --max-time 5 --unix-socket /run/denofn-admin.sock http://denofn/v1/functions
	useradd --groups denofn-admin ops
	runuser -u ops -- curl --silent --fail --max-time 5 --unix-socket /run/denofn-admin.sock http://denofn/v1/functions | grep hello
	userdel ops
}
check "the admin socket is for root and its group, not for the daemon's user" admin_only
