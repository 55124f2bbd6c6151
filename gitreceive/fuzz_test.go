package gitreceive_test

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/denofn/denofn/gitreceive"
)

func FuzzPackets(f *testing.F) {
	for _, seed := range []string{"", "0000", "0001", "0002", "0003", "0004", "0005a", "0006a\n0000PACK", "000a1234", "FFFFx", "fff0x", "+001", "000g"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, rest, err := gitreceive.Packets(text)
		if err != nil {
			return
		}
		if len(rest) > 0 {
			t.Fatalf("%q is left of %q", rest, text)
		}
		// What was read is written the same, but for line ends, which are optional.
		for _, line := range lines {
			if len(line) == 0 {
				continue
			}
			again, err := gitreceive.PacketLine(line)
			if err != nil {
				t.Fatal(err)
			}
			back, _, err := gitreceive.Packets(again)
			if err != nil || len(back) != 1 || !bytes.Equal(back[0], bytes.TrimSuffix(line, []byte("\n"))) {
				t.Fatalf("%q became %q, %v", line, back, err)
			}
		}
	})
}

const (
	none = "0000000000000000000000000000000000000000"
	some = "1111111111111111111111111111111111111111"
)

func request(t testing.TB, lines ...string) []byte {
	t.Helper()
	var out []byte
	for _, line := range lines {
		if line == "" {
			out = append(out, "0000"...)
			continue
		}
		packet, err := gitreceive.PacketLine([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, packet...)
	}
	return out
}

func FuzzUpdateRequest(f *testing.F) {
	f.Add(request(f, none+" "+some+" refs/heads/main\x00report-status side-band-64k agent=git/2.39", ""))
	f.Add(request(f, "shallow "+some, some+" "+none+" refs/heads/main\x00 push-options atomic", none+" "+some+" refs/tags/v1", "", "key=value", "flag", ""))
	f.Add(request(f, ""))
	f.Add(request(f, none+some[:24]+" "+none+some[:24]+" refs/heads/main\x00object-format=sha256", ""))
	f.Add(request(f, "push-cert\x00push-cert", ""))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, sendsPack, err := gitreceive.ReadUpdateRequest(text)
		if err != nil {
			return
		}
		creates := false
		for _, line := range lines {
			if strings.HasPrefix(line, "option ") {
				continue
			}
			old, rest, _ := strings.Cut(line, " ")
			new, name, _ := strings.Cut(rest, " ")
			if len(old) != 40 || len(new) != 40 || name == "" {
				t.Fatalf("an update %q", line)
			}
			creates = creates || new != none
		}
		if creates != sendsPack {
			t.Fatalf("sendsPack is %v for %q", sendsPack, lines)
		}
	})
}

func FuzzPushOptions(f *testing.F) {
	for _, seed := range []string{"", "key=value", "flag", "=", "a=b=c", "\x00", "ключ=значение"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, option string) {
		if strings.HasSuffix(option, "\n") || len(option) > 60000 || option == "" {
			return
		}
		lines, _, err := gitreceive.ReadUpdateRequest(request(t, none+" "+some+" refs/heads/main\x00push-options", "", option, ""))
		if err != nil || len(lines) != 2 {
			t.Fatalf("%q: %q, %v", option, lines, err)
		}
		o := gitreceive.ParseOptions([]string{option})[0]
		if strings.Contains(o.Key, "=") || o.Key+"="+o.Value != option && (o.Key != option || o.Value != "") {
			t.Fatalf("%q became %+v", option, o)
		}
	})
}

const testKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsrlT8FyOeZxSDa3rrAMMYeVPzjGFtuLpu3nH0FJQbP"

func FuzzParseKeys(f *testing.F) {
	for _, seed := range []string{
		testKey, testKey + " ada@laptop\n", "# comment\n\n" + testKey, `denofn-role="read" ` + testKey, `denofn-role="admin",denofn-repositories="app,web-*,!web-x" ` + testKey,
		`from="10.0.0.0/8,!10.1.1.1",expiry-time="20300101Z" ` + testKey, `command="ls" ` + testKey, "restrict " + testKey + " a\nno-pty " + testKey, `denofn-role="x\"y" ` + testKey, "ssh-rsa AAAA",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, errs := gitreceive.ParseKeys(text)
		if lines := bytes.Count(text, []byte("\n")) + 1; len(keys)+len(errs) > lines {
			t.Fatalf("%d keys and %d errors from %d lines", len(keys), len(errs), lines)
		}
		for _, k := range keys {
			if k.Role != gitreceive.RoleRead && k.Role != gitreceive.RoleDeploy && k.Role != gitreceive.RoleAdmin {
				t.Fatalf("role %q", k.Role)
			}
			if !strings.HasPrefix(k.Fingerprint, "SHA256:") || strings.ContainsAny(k.Name, "\r\n\x1b") {
				t.Fatalf("key %+v", k)
			}
		}
		// Every key is one that the SSH library reads too.
		if _, _, _, _, err := ssh.ParseAuthorizedKey(text); err != nil && len(keys) > 0 {
			t.Fatalf("keys %+v of a file that has none: %v", keys, err)
		}
	})
}

func FuzzSplitWords(f *testing.F) {
	for _, seed := range []string{"", "git-receive-pack '/app.git'", `git-upload-pack "a b"`, `a\ b`, `'it'\''s'`, `'`, `\`, `""`, "a\tb\nc"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := gitreceive.SplitWords(line)
		if err != nil {
			return
		}
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		again, err := gitreceive.SplitWords(strings.Join(quoted, " "))
		if err != nil || strings.Join(again, "\x00") != strings.Join(words, "\x00") {
			t.Fatalf("%q became %q, then %q, %v", line, words, again, err)
		}
	})
}

// What we accept as the name of a ref, git accepts too.
func TestRefNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"refs/heads/main", "refs/heads/a/b", "refs/tags/v1.0", "refs/heads/ümlaut", "refs/heads/a@b", "refs/heads/@", "refs/heads/-x",
		"HEAD", "main", "refs/heads", "refs//x", "refs/heads/", "refs/heads/.x", "refs/heads/x.lock", "refs/heads/x.lock/y", "refs/heads/a..b", "refs/heads/a b",
		"refs/heads/a~b", "refs/heads/a^b", "refs/heads/a:b", "refs/heads/a?b", "refs/heads/a*b", "refs/heads/a[b", `refs/heads/a\b`, "refs/heads/a@{b", "refs/heads/a.",
		"refs/heads/a\x7fb", "refs/heads/a\nb", "../refs/heads/x", "refs/heads/../../x", "refs/heads/x/.", "refs/heads/" + strings.Repeat("x", 256),
	} {
		ours := gitreceive.CheckRefName(name) == nil
		theirs := exec.Command("git", "check-ref-format", name).Run() == nil
		if ours && !theirs || theirs && !ours && name != "refs/heads" && len(name) < 256 {
			t.Errorf("%q: we say %v, git says %v", name, ours, theirs)
		}
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                  "plain",
		"first\nsecond":          "first",
		"\n a\x1b[31mb\tc\r":     "a [31mb c",
		strings.Repeat("x", 600): strings.Repeat("x", 500) + "…",
	} {
		if got := gitreceive.OneLine(errors.New(in)); got != want {
			t.Errorf("%.20q became %.20q, not %.20q", in, got, want)
		}
	}
}
