package admin

import (
	"context"
	"flag"
	"fmt"
	"io"
)

// doctorCommand tells what is missing and how to mend it.
func doctorCommand() Command {
	c := Command{Name: "doctor", Summary: "tell what of the sandbox is in force, what is missing and how to mend it", Role: RoleRead}
	c.Define = func(flags *flag.FlagSet) func(context.Context, Session, []string) error {
		asJSON := flags.Bool("json", false, "write JSON")
		return func(ctx context.Context, s Session, _ []string) error {
			checks, err := s.API.Doctor(ctx)
			if err != nil {
				return err
			}
			if *asJSON {
				err = writeJSON(s.Stdout, checks)
			} else {
				err = writeChecks(s.Stdout, checks)
			}
			if err != nil {
				return err
			}
			for _, check := range checks {
				if check.State == Problem {
					return ErrFailed
				}
			}
			return nil
		}
	}
	return c
}

func writeChecks(w io.Writer, checks []Check) error {
	width := 0
	for _, check := range checks {
		width = max(width, len(check.Name))
	}
	counts := make(map[Health]int)
	for _, check := range checks {
		counts[check.State]++
		fmt.Fprintf(w, "%-7s  %-*s  %s\n", check.State, width, check.Name, printable(check.Detail))
		if check.Hint != "" {
			fmt.Fprintf(w, "%-7s  %-*s  hint: %s\n", "", width, "", printable(check.Hint))
		}
	}
	var err error
	switch {
	case counts[Problem] > 0:
		_, err = fmt.Fprintf(w, "\n%s, %s.\n", count(counts[Problem], "problem"), count(counts[Warning], "warning"))
	case counts[Warning] > 0:
		_, err = fmt.Fprintf(w, "\nEverything works; %s.\n", count(counts[Warning], "warning"))
	default:
		_, err = fmt.Fprint(w, "\nEverything is in order.\n")
	}
	return err
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
