package admin

import (
	"context"
	"flag"
)

// releasesCommand lists what a function can be served from.
func releasesCommand() Command {
	c := Command{Name: "releases", Arguments: "NAME", Summary: "list the releases of a function that there are, the live one first", Role: RoleRead}
	c.Define = func(flags *flag.FlagSet) func(context.Context, Session, []string) error {
		asJSON := flags.Bool("json", false, "write JSON")
		return func(ctx context.Context, s Session, args []string) error {
			name, err := nameOf(s, c.Name, args[0])
			if err != nil {
				return err
			}
			releases, err := s.API.Releases(ctx, name)
			if err != nil {
				return err
			}
			if *asJSON {
				return writeJSON(s.Stdout, releases)
			}
			rows := [][]string{{"RELEASE", "COMMIT", "SIZE", "MADE", ""}}
			for _, r := range releases {
				live := ""
				if r.Live {
					live = "live"
				}
				rows = append(rows, []string{string(r.ID), shortCommit(r.Commit), size(r.Bytes), ago(s.Now.Sub(r.Made)), live})
			}
			return writeTable(s.Stdout, rows)
		}
	}
	return c
}

// shortCommit is what git calls a commit where there is little room.
func shortCommit(commit string) string {
	if len(commit) > 7 {
		return commit[:7]
	}
	return commit
}
