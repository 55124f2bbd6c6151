package admin

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
)

// logsCommand shows what a function wrote.
func logsCommand() Command {
	c := Command{Name: "logs", Arguments: "NAME", Summary: "show the latest entries that a function wrote; the journal has all of them", Role: RoleRead}
	c.Define = func(flags *flag.FlagSet) func(context.Context, Session, []string) error {
		follow := flags.Bool("f", false, "go on with new ones until interrupted")
		most := flags.Int("n", 100, "how many `ENTRIES` to show at most")
		asJSON := flags.Bool("json", false, "write JSON, one entry a line")
		return func(ctx context.Context, s Session, args []string) error {
			name, err := nameOf(s, c.Name, args[0])
			if err != nil {
				return err
			}
			if *most < 0 {
				fmt.Fprintf(s.Stderr, "denofn logs: -n must not be negative\n")
				return ErrUsage
			}
			err = s.API.Logs(ctx, LogsQuery{Function: name, Most: *most, Follow: *follow}, func(e LogEntry) error {
				if *asJSON {
					return json.NewEncoder(s.Stdout).Encode(e)
				}
				return writeEntry(s, e)
			})
			if *follow && ctx.Err() != nil { // the way in which following ends
				return nil
			}
			return err
		}
	}
	return c
}

// writeEntry writes the time and the level, and further lines of an entry below
// the first.
func writeEntry(s Session, e LogEntry) error {
	head := fmt.Sprintf("%s  %-7s  ", e.Time.In(s.Now.Location()).Format("2006-01-02 15:04:05.000"), e.Level)
	lines := strings.Split(e.Text, "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	_, err := fmt.Fprintf(s.Stdout, "%s%s\n", head, strings.Join(lines, "\n"+strings.Repeat(" ", len(head))))
	return err
}
