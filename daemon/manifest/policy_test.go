package manifest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/denofn/denofn/daemon/manifest"
)

func TestPolicy(t *testing.T) {
	list := func(s string) []string { return strings.Fields(s) }
	for _, c := range []struct {
		allow, deny, asks string
		refused           string // the flags that are refused
	}{
		// With no word from the owner.
		{"", "", "--allow-net --allow-env --allow-sys read write", ""},
		{"", "run ffi", "--allow-net=a.example:80 --allow-env=A", ""},
		{"", "", "--allow-read=./data --allow-read=./data/x --allow-write=./tmp/x", ""},
		{"", "", "--allow-read=./database", "--allow-read=./database"},
		{"", "", "--allow-read --allow-write", "--allow-read --allow-write"},
		{"", "", "--allow-read=/", "--allow-read=/"},
		{"", "", "--allow-read=./", "--allow-read=./"},
		{"", "", "--allow-read=/etc/passwd --deny-read", ""},

		// Wider.
		{"--allow-read=/srv/media", "", "--allow-read=/srv/media --allow-read=/srv/media/x", ""},
		{"--allow-read=/srv/media", "", "--allow-read=/srv/mediathek --allow-write=/srv/media", "--allow-read=/srv/mediathek --allow-write=/srv/media"},
		{"--allow-read=/srv/media", "", "--allow-read=/srv/media/../../etc", "--allow-read=/etc"},
		{"--allow-read=/srv/media", "", "--allow-read", "--allow-read"},
		{"--allow-read", "", "--allow-read --allow-read=/etc", ""},
		{"--allow-read=/", "", "--allow-read=/etc", ""},

		// Narrower.
		{"", "net", "--allow-net=a.example --allow-net --allow-env", "--allow-net=a.example --allow-net"},
		{"", "--allow-sys", "--allow-sys=cpus", "--allow-sys=cpus"},
		{"", "--deny-env", "--allow-env=A", "--allow-env=A"},
		{"", "read", "--allow-read=./data", "--allow-read=./data"},
		{"", "--allow-net=evil.example", "--allow-net=evil.example --allow-net=evil.example:80 --allow-net=a.example", "--allow-net=evil.example --allow-net=evil.example:80"},
		{"", "--allow-net=evil.example", "--allow-net", "--allow-net"},
		{"", "--allow-net=x.evil.example", "--allow-net=*.evil.example", "--allow-net=*.evil.example"},
		{"", "--allow-net=10.0.0.0/8", "--allow-net=10.1.2.3:80 --allow-net=11.0.0.1 --allow-net=10.0.0.0/16 --allow-net=0.0.0.0/0", "--allow-net=10.1.2.3:80 --allow-net=10.0.0.0/16 --allow-net=0.0.0.0/0"},
		{"", "--allow-env=AWS_*", "--allow-env=AWS_KEY --allow-env=A*", "--allow-env=AWS_KEY --allow-env=A*"},
		{"", "--allow-read=./data/secret", "--allow-read=./data", "--allow-read=./data"},

		// Both: the more particular word counts.
		{"--allow-net=api.github.com", "net", "--allow-net=api.github.com:443 --allow-net=a.example", "--allow-net=a.example"},
		{"--allow-net=*.github.com", "net", "--allow-net=api.github.com --allow-net=github.com --allow-net=notgithub.com", "--allow-net=github.com --allow-net=notgithub.com"},
		{"--allow-net=a.example:443", "net", "--allow-net=a.example --allow-net=a.example:443", "--allow-net=a.example"},
		{"--allow-read=/srv", "--allow-read=/srv/secret", "--allow-read=/srv/media --allow-read=/srv/secret/x --allow-read=/srv", "--allow-read=/srv/secret/x --allow-read=/srv"},
	} {
		policy, err := manifest.NewPolicy(list(c.allow), list(c.deny))
		if err != nil {
			t.Errorf("allow %q deny %q: %v", c.allow, c.deny, err)
			continue
		}
		text, err := json.Marshal(map[string]any{"permissions": list(c.asks)})
		if err != nil {
			t.Fatal(err)
		}
		function := find(t, text)
		var refused []string
		for _, d := range policy.Check(function) {
			flag, _, _ := strings.Cut(d.Message, " ")
			refused = append(refused, flag)
			if d.Line != 1 || d.Column == 0 || !strings.Contains(d.Hint, "denofn.toml") {
				t.Errorf("the finding does not say where: %+v", d)
			}
		}
		if got := strings.Join(refused, " "); got != c.refused {
			t.Errorf("allow %q deny %q asked %q:\nrefused %q\nnot     %q", c.allow, c.deny, c.asks, got, c.refused)
		}
		// The set that it comes to is denied just when a part of it is refused.
		if denied := policy.Denied(function.Permissions); (len(denied) > 0) != (c.refused != "") {
			t.Errorf("allow %q deny %q: of %q %q is denied", c.allow, c.deny, function.Permissions.Flags(), denied)
		}
	}
}

func TestPolicyOfNothing(t *testing.T) {
	policy, err := manifest.NewPolicy(nil, []string{"net"})
	if err != nil {
		t.Fatal(err)
	}
	found, err := manifest.Find(tree(map[string]string{"index.ts": ""}), "app")
	if err != nil {
		t.Fatal(err)
	}
	if refused := policy.Check(found[0]); refused != nil {
		t.Errorf("refused %v", refused)
	}
}

func TestNewPolicyRefuses(t *testing.T) {
	for _, c := range []struct{ allow, deny, want string }{
		{"run", "", "allow: "},
		{"--allow-ffi=./x.so", "", "never"},
		{"all", "", "never"},
		{"--alow-net", "", "did you mean"},
		{"--deny-net", "", "put it into deny"},
		{"", "--allow-net=https://x", "deny: "},
		{"", "files", "deny: "},
	} {
		_, err := manifest.NewPolicy(strings.Fields(c.allow), strings.Fields(c.deny))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("allow %q deny %q: %v", c.allow, c.deny, err)
		}
	}
}
