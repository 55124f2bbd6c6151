package admin_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/denofn/denofn/daemon/admin"
)

// run runs a command line and returns what it wrote, with what went to standard
// error behind "! ".
func run(t *testing.T, api admin.API, line ...string) string {
	t.Helper()
	for _, c := range admin.Commands() {
		if c.Name != line[0] {
			continue
		}
		var stdout, stderr strings.Builder
		flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
		flags.SetOutput(&stderr)
		flags.Usage = func() { fmt.Fprintf(&stderr, "Usage: %s\n", c.Usage()) }
		do := c.Define(flags)
		args, err := c.Parse(flags, line[1:])
		if err == nil {
			err = do(context.Background(), admin.Session{API: api, Stdin: strings.NewReader("from stdin"), Stdout: &stdout, Stderr: &stderr, Now: now}, args)
		}
		out := stdout.String()
		if code := admin.Exit(&stderr, c.Name, err); code != admin.ExitDone {
			fmt.Fprintf(&stderr, "(exit code %d)\n", code)
		}
		for l := range strings.Lines(stderr.String()) {
			out += "! " + l
		}
		return out
	}
	t.Fatalf("there is no command %s", line[0])
	return ""
}

// What people read, in one golden file.
func TestCommands(t *testing.T) {
	var b strings.Builder
	script := func(api *fake, lines ...string) {
		for _, line := range lines {
			words := strings.Fields(line)
			for i := range words {
				words[i] = strings.ReplaceAll(words[i], "_", " ")
			}
			fmt.Fprintf(&b, "$ denofn %s\n%s\n", line, run(t, api, words...))
		}
	}
	script(newFake(), "version", "version --json", "ps", "ps --json", "ps hello", "ps --jsn", "ps -h", "warm hello", "stop hello", "warm", "warm a b", "stop ../x",
		"releases hello", "releases hello --json", "releases", "rollback hello", "rollback hello 00aa", "rollback", "rm hello", "rm", "redeploy app", "redeploy .x")
	script(&fake{functions: []admin.Function{}}, "ps", "ps --json")

	down := newFake()
	down.err = &admin.Error{Code: admin.CodeUnavailable, Message: "the daemon does not run", Hint: "start it"}
	script(down, "ps", "doctor")
	broken := newFake()
	broken.err = &admin.Error{Code: admin.CodeStartFailed, Message: "broken did not start", Output: []string{"error: \x1b[2Jno database", "    at index.ts:1:1"}}
	script(broken, "warm broken", "invoke broken")

	task := newFake()
	task.result = &admin.Result{Output: []byte("{\"sum\":3}\n"), ContentType: "application/json", Status: 200}
	script(task, "invoke add [1,2]")
	task.result = &admin.Result{Output: []byte("it threw\n"), Status: 500, ExitCode: 1}
	script(task, "invoke add", "invoke", "invoke add 1 2")

	writes := newFake()
	writes.entries = []admin.LogEntry{
		{Time: now, Level: "info", Stream: "stdout", Release: "00000000000000bb", Text: "started \u202ebackwards\u2028next"},
		{Time: now.Add(time.Second), Level: "error", Stream: "stderr", Request: "r1", Text: "Error: no \x1b[31mdatabase\n    at index.ts:1:1"},
	}
	script(writes, "logs hello", "logs -f -n 5 hello", "logs hello --json", "logs hello -n -1", "logs")

	held := &fake{keys: &admin.Keys{Path: "/etc/denofn/authorized_keys", Keys: []admin.Key{
		{Name: "ada@example", Role: "admin", Fingerprint: "SHA256:aaaa"},
		{Role: "deploy", Repositories: []string{"blog", "!blog-old"}, Fingerprint: "SHA256:bbbb"},
	}, Wrong: []string{"line 3: no key"}}}
	script(held, "keys", "keys --json")
	script(&fake{keys: &admin.Keys{Path: "/etc/denofn/authorized_keys"}}, "keys")

	good := newFake()
	good.checks = []admin.Check{{"daemon", admin.Good, "runs", ""}, {"deno", admin.Good, "2.9.6 /usr/lib/denofn/deno", ""}}
	script(good, "doctor", "doctor --json")
	good.checks = append(good.checks, admin.Check{"landlock", admin.Warning, "the kernel does not offer it", "boot another"})
	script(good, "doctor")
	good.checks = append(good.checks, admin.Check{"keys", admin.Problem, "nobody can push", "add a key"})
	script(good, "doctor", "doctor --json")

	path := filepath.Join("testdata", "commands.golden")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s differs; run with -update and read the diff. Got:\n%s", path, b.String())
	}
}

// The input is an argument or standard input, and is told what it looks like.
func TestInvokeInput(t *testing.T) {
	for _, c := range []struct {
		line        []string
		input, kind string
	}{
		{[]string{"invoke", "add"}, "", ""},
		{[]string{"invoke", "add", "[1, 2]"}, "[1, 2]", "application/json"},
		{[]string{"invoke", "add", "two words"}, "two words", "text/plain; charset=utf-8"},
		{[]string{"invoke", "add", "\xff"}, "\xff", ""},
		{[]string{"invoke", "add", "-"}, "from stdin", "text/plain; charset=utf-8"},
		{[]string{"invoke", "add", "--type", "text/csv", "1"}, "1", "text/csv"},
		{[]string{"invoke", "--", "add", "--type"}, "--type", "text/plain; charset=utf-8"},
	} {
		api := &fake{result: &admin.Result{}}
		if out := run(t, api, c.line...); out != "" {
			t.Errorf("%q wrote %q", c.line, out)
		}
		if string(api.call.Input) != c.input || api.call.ContentType != c.kind || api.call.Function != "add" {
			t.Errorf("%q called %+v", c.line, api.call)
		}
	}
}

func TestEveryCommandIsWhole(t *testing.T) {
	for _, c := range admin.Commands() {
		if c.Summary == "" || c.Role == "" || c.Define == nil {
			t.Errorf("%s lacks something: %+v", c.Name, c)
		}
	}
}

func TestAgo(t *testing.T) {
	for _, c := range []struct {
		past time.Duration
		want string
	}{{-time.Second, "0s ago"}, {59 * time.Second, "59s ago"}, {time.Hour, "1h ago"}, {47 * time.Hour, "47h ago"}, {100 * time.Hour, "4d ago"}} {
		f := newFake()
		f.functions[0].Failure.Time = now.Add(-c.past)
		if out := run(t, f, "ps"); !strings.Contains(out, " "+c.want+": ") {
			t.Errorf("%v ago is not %q: %s", c.past, c.want, out)
		}
	}
}
