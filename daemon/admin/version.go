package admin

import (
	"context"
	"flag"
	"fmt"
)

// versionCommand prints one line a part, in a form that a bug report can hold.
func versionCommand() Command {
	c := Command{Name: "version", Summary: "print the versions of denofn, its bundler and Deno", Role: RoleRead}
	c.Define = func(flags *flag.FlagSet) func(context.Context, Session, []string) error {
		asJSON := flags.Bool("json", false, "write JSON")
		return func(ctx context.Context, s Session, _ []string) error {
			v, err := s.API.Version(ctx)
			if err != nil {
				return err
			}
			if *asJSON {
				return writeJSON(s.Stdout, v)
			}
			_, err = fmt.Fprintf(s.Stdout, "denofn   %s\nbundler  %s\ndeno     %s\n", v.Denofn, v.Bundler, v.Deno)
			return err
		}
	}
	return c
}
