package admin

import (
	"context"
	"flag"
	"fmt"
)

// stopCommand stops the processes of a function, not the function.
func stopCommand() Command {
	c := Command{Name: "stop", Arguments: "NAME", Summary: "stop the processes of a function; the next request starts one again", Role: RoleDeploy}
	c.Define = func(*flag.FlagSet) func(context.Context, Session, []string) error {
		return func(ctx context.Context, s Session, args []string) error {
			name, err := nameOf(s, c.Name, args[0])
			if err != nil {
				return err
			}
			if err := s.API.Stop(ctx, name); err != nil {
				return err
			}
			fmt.Fprintf(s.Stdout, "%s is stopped. The next request starts it again.\n", name)
			return nil
		}
	}
	return c
}
