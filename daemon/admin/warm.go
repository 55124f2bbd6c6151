package admin

import (
	"context"
	"flag"
	"fmt"
)

// warmCommand starts a process before somebody needs it.
func warmCommand() Command {
	c := Command{Name: "warm", Arguments: "NAME", Summary: "start a process of a function and wait until it is ready", Role: RoleDeploy}
	c.Define = func(*flag.FlagSet) func(context.Context, Session, []string) error {
		return func(ctx context.Context, s Session, args []string) error {
			name, err := nameOf(s, c.Name, args[0])
			if err != nil {
				return err
			}
			if err := s.API.Warm(ctx, name); err != nil {
				return err
			}
			fmt.Fprintf(s.Stdout, "%s is ready.\n", name)
			return nil
		}
	}
	return c
}
