package admin

import (
	"context"
	"flag"
	"fmt"
)

// rollbackCommand goes back to a former release.
func rollbackCommand() Command {
	c := Command{Name: "rollback", Arguments: "NAME [ID]", Summary: "go back to a former release of a function, the one before without an ID", Role: RoleDeploy}
	c.Define = func(*flag.FlagSet) func(context.Context, Session, []string) error {
		return func(ctx context.Context, s Session, args []string) error {
			name, err := nameOf(s, c.Name, args[0])
			if err != nil {
				return err
			}
			id := ""
			if len(args) == 2 {
				id = args[1]
			}
			r, err := s.API.Rollback(ctx, name, id)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.Stdout, "%s is live as %s, of commit %s. The next push takes it forward again.\n", name, r.ID, shortCommit(r.Commit))
			return nil
		}
	}
	return c
}
