package systemd_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/denofn/denofn/systemd"
)

// An event has an ID, a text for people, and a place in the source: none of the
// three without the others.
func TestCatalogue(t *testing.T) {
	catalogue, err := os.ReadFile("denofn.catalog")
	if err != nil {
		t.Fatal(err)
	}
	entries := make(map[string]string) // subject by ID
	for _, m := range regexp.MustCompile(`(?m)^-- ([0-9a-f]{32})\nSubject: (.+)\nDefined-By: denofn\n`).FindAllStringSubmatch(string(catalogue), -1) {
		entries[m[1]] = m[2]
	}
	if n := strings.Count(string(catalogue), "\n-- "); n != len(entries) {
		t.Errorf("%d of %d entries of the catalogue have the form of the others, and an ID of their own", len(entries), n)
	}
	source := allSource(t)
	for message, id := range systemd.Messages() {
		if entries[id] == "" {
			t.Errorf("the catalogue has no entry %s for %q", id, message)
		}
		delete(entries, id)
		if !strings.Contains(source, strconv.Quote(message)) {
			t.Errorf("nothing logs %q any more", message)
		}
	}
	for id, subject := range entries {
		t.Errorf("no message has the ID %s of %q", id, subject)
	}
}

// allSource returns all Go source but tests and the table of messages itself.
func allSource(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, dir := range []string{"cmd", "daemon", "procman", "gitreceive", "bundler", "systemd"} {
		err := filepath.WalkDir(filepath.Join("..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || d.Name() == "messages.go" {
				return err
			}
			text, err := os.ReadFile(path)
			b.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}
