package admin

import (
	"context"
	"flag"
	"fmt"
	"strings"
)

// keysCommand lists who may push.
func keysCommand() Command {
	c := Command{Name: "keys", Summary: "list the keys that may push, and what each may", Role: RoleAdmin}
	c.Define = func(flags *flag.FlagSet) func(context.Context, Session, []string) error {
		asJSON := flags.Bool("json", false, "write JSON")
		return func(ctx context.Context, s Session, _ []string) error {
			keys, err := s.API.Keys(ctx)
			if err != nil {
				return err
			}
			if *asJSON {
				return writeJSON(s.Stdout, keys)
			}
			rows := [][]string{{"NAME", "ROLE", "REPOSITORIES", "FINGERPRINT"}}
			for _, k := range keys.Keys {
				where := "all"
				if len(k.Repositories) > 0 {
					where = strings.Join(k.Repositories, " ")
				}
				name := k.Name
				if name == "" {
					name = "-"
				}
				rows = append(rows, []string{printable(name), k.Role, printable(where), k.Fingerprint})
			}
			for _, wrong := range keys.Wrong {
				fmt.Fprintf(s.Stderr, "%s: %s\n", keys.Path, printable(wrong))
			}
			if len(keys.Keys) == 0 {
				fmt.Fprintf(s.Stderr, "Nobody can push: write public keys into %s, one a line.\n", keys.Path)
				return nil
			}
			return writeTable(s.Stdout, rows)
		}
	}
	return c
}
