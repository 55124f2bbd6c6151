// Command testsummary reads the output of `go test -json` and prints what a
// person wants of it: a line a package, everything a failed test said, and a last
// line that counts. It exits 1 if anything failed, and also if nothing ran.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// An event is a line of `go test -json`, see `go doc test2json`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
	// ImportPath stands in place of Package in the events of a failed build.
	ImportPath string
}

func main() {
	counts, err := summarise(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
		os.Exit(1)
	}
	if counts.failed > 0 || counts.passed == 0 {
		os.Exit(1)
	}
}

type counts struct{ passed, failed, skipped int }

func summarise(in io.Reader, out io.Writer) (counts, error) {
	var total counts
	said := make(map[string][]string) // what each test, or a package outside its tests, wrote
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		key := e.Package + e.ImportPath + "\x00" + e.Test
		switch e.Action {
		case "output", "build-output":
			said[key] = append(said[key], e.Output)
			continue
		case "pass", "fail", "skip", "build-fail":
		default:
			continue
		}
		switch {
		case e.Action == "build-fail":
			total.failed++
			fmt.Fprint(out, strings.Join(said[key], ""))
		case e.Test == "":
			if e.Action != "skip" {
				fmt.Fprintf(out, "%-4s  %6.1fs  %s\n", e.Action, e.Elapsed, e.Package)
			}
			if e.Action == "fail" {
				fmt.Fprint(out, strings.Join(said[key], ""))
			}
		case e.Action == "pass":
			total.passed++
		case e.Action == "skip":
			total.skipped++
			fmt.Fprintf(out, "skipped: %s %s\n%s", e.Package, e.Test, strings.Join(said[key], ""))
		default:
			total.failed++
			fmt.Fprintf(out, "failed: %s %s\n%s", e.Package, e.Test, strings.Join(said[key], ""))
		}
		delete(said, key)
	}
	if err := lines.Err(); err != nil {
		return total, fmt.Errorf("read test output: %w", err)
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped)
	return total, nil
}
