package admin

import (
	"context"
	"flag"
	"fmt"
)

// rmCommand takes a function down without a push.
func rmCommand() Command {
	c := Command{Name: "rm", Arguments: "NAME", Summary: "take a function down; a push that has it brings it back", Role: RoleDeploy}
	c.Define = func(*flag.FlagSet) func(context.Context, Session, []string) error {
		return func(ctx context.Context, s Session, args []string) error {
			name, err := nameOf(s, c.Name, args[0])
			if err != nil {
				return err
			}
			if err := s.API.Remove(ctx, name); err != nil {
				return err
			}
			fmt.Fprintf(s.Stdout, "%s is down, and its data is kept. The next push that has it brings it back.\n", name)
			return nil
		}
	}
	return c
}
