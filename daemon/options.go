package daemon

import (
	"fmt"
	"strings"

	"github.com/denofn/denofn/gitreceive"
)

// pushOptions is what `git push -o` says about a deploy.
type pushOptions struct {
	// rebuild bundles and starts every function, also those that have not changed.
	rebuild bool
}

// pushOptionNames are those that there are.
var pushOptionNames = []string{"rebuild"}

// readPushOptions returns what is asked for, and a warning for each option that is
// not understood: an option is a wish, and nobody's push fails over one.
func readPushOptions(given []gitreceive.Option) (o pushOptions, warnings []string) {
	for _, option := range given {
		switch option.Key {
		case "rebuild":
			switch option.Value {
			case "", "true":
				o.rebuild = true
			case "false":
				o.rebuild = false
			default:
				warnings = append(warnings, fmt.Sprintf("push option rebuild=%s is neither true nor false", option.Value))
			}
		default:
			warning := fmt.Sprintf("push option %q is unknown", option.Key)
			if near := nearest(option.Key, pushOptionNames); near != "" {
				warning += fmt.Sprintf(": did you mean %s?", near)
			} else {
				warning += ": there is " + strings.Join(pushOptionNames, ", ")
			}
			warnings = append(warnings, warning)
		}
	}
	return o, warnings
}
