// Package denotest finds the Deno that tests run against: the one that
// package.json pins and `make deno` installs, never whatever is on the PATH.
package denotest

import (
	"os"
	"path/filepath"
	"testing"
)

// Path returns the absolute path of the pinned Deno. A test that needs Deno and
// does not find it fails: it never skips.
func Path(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		matches, _ := filepath.Glob(filepath.Join(dir, "node_modules", "@deno", "linux-*", "deno"))
		if len(matches) > 0 {
			return matches[0]
		}
		if dir == filepath.Dir(dir) {
			tb.Fatal("the pinned Deno is not installed: run `make deno` at the project's root")
		}
	}
}
