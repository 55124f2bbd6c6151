package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite what README.md shows of pushes")

const readmePath = "../../README.md"

// readme compares what the last command wrote to standard error with the block of
// README.md that follows the mark <!-- story: NAME -->. With -update it rewrites
// the block.
func (m *machine) readme(ts *testscript.TestScript, args []string) {
	text, err := os.ReadFile(readmePath)
	ts.Check(err)
	mark := fmt.Sprintf("<!-- story: %s -->\n```\n", args[0])
	before, rest, ok := strings.Cut(string(text), mark)
	shown, after, closed := strings.Cut(rest, "```\n")
	if !ok || !closed {
		ts.Fatalf("README.md has no block %q", args[0])
	}
	_, shown, _ = strings.Cut(shown, "\n") // the command
	got := asShown(ts.ReadFile("stderr"), m)
	if *update {
		ts.Check(os.WriteFile(readmePath, []byte(before+mark+"$ git push denofn main\n"+got+"```\n"+after), 0o644))
		return
	}
	if steady(shown) != steady(got) {
		ts.Fatalf("README.md does not show what happens; run go test ./cmd/denofn -run TestStories/readme -update\n--- README.md\n%s--- now\n%s", shown, got)
	}
}

var (
	readmeRemote = regexp.MustCompile(`ssh://denofn/`)
	gitTrailing  = regexp.MustCompile(`(?m)[ \t]+$`)
)

// asShown writes the output of a push with the addresses of the README in place of
// those that the story happened to get.
func asShown(stderr string, m *machine) string {
	s := strings.ReplaceAll(stderr, m.http, "HOST:8000")
	s = readmeRemote.ReplaceAllString(s, "ssh://HOST:2222/")
	return gitTrailing.ReplaceAllString(s, "")
}

var changing = []struct {
	pattern *regexp.Regexp
	as      string
}{
	{regexp.MustCompile(`[0-9.]+ m?s\b`), "TIME"},
	{regexp.MustCompile(`[0-9.]+ (B|kB|MB)\b`), "N $1"},
	{regexp.MustCompile(`\b[0-9a-f]{7,40}\b`), "HASH"},
	{regexp.MustCompile(` +`), " "},
}

// steady replaces what differs from run to run: sizes, times and hashes.
func steady(s string) string {
	for _, c := range changing {
		s = c.pattern.ReplaceAllString(s, c.as)
	}
	return s
}
