package daemon_test

import (
	"testing"

	"github.com/denofn/denofn/daemon"
)

func TestFirstFrame(t *testing.T) {
	for _, c := range []struct {
		name   string
		output []string
		want   string // file:line:column; empty: none
	}{
		{"nothing", nil, ""},
		{"no trace", []string{"error: it says at file:///a/index.ts:1:1 somewhere"}, ""},
		{"a frame", []string{"error: Uncaught Error: no", "    at file:///hello/index.ts:2:7"}, "hello/index.ts:2:7: "},
		{"a frame with a name", []string{"    at Object.greet (file:///hello/lib/a.ts:10:3)"}, "hello/lib/a.ts:10:3: "},
		{"an async frame", []string{"    at async file:///index.ts:1:1"}, "index.ts:1:1: "},
		{"beside the bundle", []string{"    at file:///var/lib/denofn/registry/releases/hello/0123456789abcdef/hello/index.ts:2:7"}, "hello/index.ts:2:7: "},
		{"escaped", []string{"    at file:///my%20code/%C3%BC.ts:1:2"}, "my code/ü.ts:1:2: "},
		{"the first of the author", []string{
			"    at ext:core/01_core.js:1:1",
			"    at answer (file:///denofn/micro/serve.ts:40:12)",
			"    at file:///var/lib/denofn/registry/releases/hello/0123456789abcdef/main.js:1:2000",
			"    at fail (file:///throws/index.ts:4:9)",
			"    at file:///throws/index.ts:7:22",
		}, "throws/index.ts:4:9: "},
		{"remote code", []string{"    at https://deno.land/std/x.ts:1:1", "    at npm:left-pad:1:1"}, ""},
		{"numbers too large", []string{"    at file:///a.ts:99999999999999999999:1"}, ""},
	} {
		place, ok := daemon.FirstFrame(c.output)
		if got := place.Place(); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v", c.name, got, ok)
		}
	}
}

func TestNeedRestart(t *testing.T) {
	before, after := daemon.DefaultConfig(), daemon.DefaultConfig()
	if keys := daemon.NeedRestart(&before, &after); len(keys) > 0 {
		t.Errorf("nothing changed, and %q need a restart", keys)
	}
	after.Policy.Allow = []string{"net"}
	after.HTTP.MaxBody = 1
	if keys := daemon.NeedRestart(&before, &after); len(keys) > 0 {
		t.Errorf("%q need a restart", keys)
	}
	after.StateDir, after.SSH.Listen = "/elsewhere", "127.0.0.1:1"
	if keys := daemon.NeedRestart(&before, &after); len(keys) != 2 || keys[0] != "state_dir" || keys[1] != "ssh.listen" {
		t.Errorf("%q need a restart", keys)
	}
}
