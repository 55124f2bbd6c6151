package daemon_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon"
	"github.com/denofn/denofn/procman"
)

func release(name denofn.FunctionName, size int64, allow ...string) *denofn.Release {
	return &denofn.Release{Function: name, Entry: string(name) + "/index.ts", BundleBytes: size, Permissions: denofn.Permissions{Net: denofn.Access{Allow: allow}}}
}

// What a push says, good and bad, is in testdata/report.
func TestReport(t *testing.T) {
	syntax := denofn.Diagnostic{File: "hello/index.ts", Line: 3, Column: 51, Source: `export default createHandler((_) => "Hello, world";`, Message: `Expected ")" but found ";"`, Hint: "write )"}
	long := denofn.Diagnostic{File: "min/index.ts", Line: 1, Column: 150, Length: 4, Source: strings.Repeat("abcdefghi,", 30), Message: "unexpected text"}
	var many denofn.Diagnostics
	for range 23 {
		many = append(many, denofn.Diagnostic{File: "a/index.ts", Line: 7, Message: "one of many"})
	}
	for name, write := range map[string]func(daemon.Report){
		"first": func(r daemon.Report) {
			r.Functions([]daemon.Built{{Release: release("hello", 6300), Took: 65 * time.Millisecond}}, 0)
			r.Live(1, 0, 439*time.Millisecond)
		},
		"several": func(r daemon.Report) {
			r.Functions([]daemon.Built{
				{Release: release("clock", 812), Took: 60 * time.Millisecond},
				{Release: release("a-rather-long-name", 463_000, "api.github.com", "example.org"), Before: release("a-rather-long-name", 1, "old.example.org", "example.org"), Took: 1400 * time.Millisecond},
				{Release: release("site", 0), Static: 12_345_678, Took: 3 * time.Millisecond},
			}, 12, "gone", "gone-too")
			r.Live(3, 2, 2300*time.Millisecond)
		},
		"warning": func(r daemon.Report) {
			r.Line("warning: %s", `push option "x" is unknown: there is rebuild`)
			r.Functions([]daemon.Built{{Release: release("hello", 6300), Took: 65 * time.Millisecond, Warnings: denofn.Diagnostics{syntax}}}, 1)
			r.Live(1, 0, 439*time.Millisecond)
		},
		"unchanged": func(r daemon.Report) { r.Functions(nil, 1); r.Live(0, 0, time.Second) },
		"removed":   func(r daemon.Report) { r.Functions(nil, 0, "hello", "clock"); r.Live(0, 2, 9*time.Millisecond) },
		"none":      func(r daemon.Report) { r.Functions(nil, 0); r.Live(0, 0, time.Second) },
		"syntax":    func(r daemon.Report) { r.Refuse(denofn.Diagnostics{syntax}) },
		"findings": func(r daemon.Report) {
			r.Refuse(denofn.Diagnostics{syntax, long, {File: "b/registry.json", Message: "unknown key"}, {Message: "no place", Hint: "go on"}})
		},
		"many":  func(r daemon.Report) { r.Refuse(many) },
		"error": func(r daemon.Report) { r.Refuse(errors.New("the disk is full")) },
		"start": func(r daemon.Report) {
			r.Refuse(r.StartFailure(release("hello", 100), &procman.StartError{
				Message: "the module throws while it loads", Hint: "see what it wrote above",
				Output: []string{"error: Uncaught Error: no database", "    at hello/index.ts:2:7"},
			}))
		},
		"hostile": func(r daemon.Report) {
			r.Refuse(denofn.Diagnostics{{File: "a\x1b[2J\nerror: b", Line: 1, Column: 2, Source: "\t\x07x\u202ey", Message: "tab\tand\rmore"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			write(daemon.NewReport(&out, false))
			path := filepath.Join("testdata", "report", name+".golden")
			if *update {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("it says\n%s\nnot\n%s", out.Bytes(), want)
			}
			if strings.ContainsAny(out.String(), "\x1b\r\x07") {
				t.Errorf("%q would do something to a terminal", out.String())
			}
		})
	}
}

// Work that takes long is shown where there is a terminal, and nowhere else.
func TestReportProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, terminal := range []bool{false, true} {
			var out bytes.Buffer
			r := daemon.NewReport(&out, terminal)
			for done := range 4 {
				r.Progress("Bundling", done+1, 4)
				time.Sleep(300 * time.Millisecond)
			}
			r.Progress("Trying", 1, 2)
			want := ""
			if terminal {
				want = "Bundling 4 of 4…\r"
			}
			if out.String() != want {
				t.Errorf("terminal %v: %q, not %q", terminal, out.String(), want)
			}
		}
	})
}
