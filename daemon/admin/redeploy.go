package admin

import (
	"context"
	"flag"
	"fmt"

	"github.com/denofn/denofn"
)

// redeployCommand deploys again what was pushed.
func redeployCommand() Command {
	c := Command{Name: "redeploy", Arguments: "REPOSITORY", Summary: "deploy again what was pushed to a repository, or to that of a function", Role: RoleDeploy}
	c.Define = func(*flag.FlagSet) func(context.Context, Session, []string) error {
		return func(ctx context.Context, s Session, args []string) error {
			if _, err := denofn.ParseRepositoryName(args[0]); err != nil {
				fmt.Fprintf(s.Stderr, "denofn %s: %v\n", c.Name, err)
				return ErrUsage
			}
			report, err := s.API.Redeploy(ctx, args[0])
			if err != nil {
				return err
			}
			fmt.Fprint(s.Stdout, report)
			return nil
		}
	}
	return c
}
