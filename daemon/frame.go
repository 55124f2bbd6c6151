package daemon

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/denofn/denofn"
)

// frame is a line of a stack trace as Deno writes it:
//
//	at file:///var/lib/denofn/registry/releases/hello/0123456789abcdef/hello/index.ts:2:7
//	at greet (file:///…/hello/lib.ts:10:3)
//
// The source map has made paths of the repository out of places in the bundle,
// and Deno takes them for files beside it.
var frame = regexp.MustCompile(`^\s+at .*?\(?file://(/[^\s()]*):(\d+):(\d+)\)?$`)

// releaseDir is what comes before a path of the repository in a frame.
var releaseDir = regexp.MustCompile(`^.*/releases/[^/]+/[0-9a-f]{16}/`)

// bundled begins the file names of denofn's own code in a bundle.
var bundled = []string{"main.js", "denofn/", "denofn:", "micro/"}

// firstFrame returns the first place in a stack trace that the author of a
// function wrote.
func firstFrame(output []string) (denofn.Diagnostic, bool) {
	for _, line := range output {
		m := frame.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		file, err := url.PathUnescape(m[1])
		if err != nil {
			continue
		}
		file = strings.TrimPrefix(releaseDir.ReplaceAllString(file, ""), "/")
		if file == "" || isBundled(file) {
			continue
		}
		lineNumber, err1 := strconv.Atoi(m[2])
		column, err2 := strconv.Atoi(m[3])
		if err1 == nil && err2 == nil {
			return denofn.Diagnostic{File: file, Line: lineNumber, Column: column}, true
		}
	}
	return denofn.Diagnostic{}, false
}

func isBundled(file string) bool {
	for _, prefix := range bundled {
		if strings.HasPrefix(file, prefix) {
			return true
		}
	}
	return false
}
