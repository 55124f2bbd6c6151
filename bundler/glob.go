package bundler

import (
	"path"
	"strings"
)

// matchGlob reports whether a glob matches a slash-separated path. Beside what
// path.Match knows, ** stands for any number of folders. It looks at each pair of
// elements once, however many ** there are.
func matchGlob(glob, name string) bool {
	elements := strings.Split(name, "/")
	// reached[i] says that the glob so far matches the first i elements.
	reached := make([]bool, len(elements)+1)
	reached[0] = true
	for element := range strings.SplitSeq(glob, "/") {
		next := make([]bool, len(reached))
		for i := range reached {
			switch {
			case element == "**":
				next[i] = reached[i] || i > 0 && next[i-1]
			case i > 0 && reached[i-1]:
				next[i], _ = path.Match(element, elements[i-1])
			}
		}
		reached = next
	}
	return reached[len(elements)]
}
