package procman_test

import (
	"testing"

	"github.com/denofn/denofn/procman"
)

func FuzzParseControl(f *testing.F) {
	for _, s := range []string{"\x1edenofn/1 ready", "\x1edenofn/1 failed {}", "\x1edenofn/2 ready", "plain", "", "\x1edenofn/1 "} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		verb, rest, ok := procman.ParseControl(line)
		again := "\x1edenofn/1 " + verb
		if rest != "" {
			again += " " + rest
		}
		if ok && again != string(line) && again+" " != string(line) {
			t.Errorf("%q became %q", line, again)
		}
		if !ok && (verb != "" || rest != "") {
			t.Errorf("%q is output and has %q %q", line, verb, rest)
		}
	})
}
