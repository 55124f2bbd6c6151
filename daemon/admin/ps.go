package admin

import (
	"context"
	"flag"
	"fmt"
	"strconv"
)

// psCommand lists the functions.
func psCommand() Command {
	c := Command{Name: "ps", Summary: "list the functions and their processes", Role: RoleRead}
	c.Define = func(flags *flag.FlagSet) func(context.Context, Session, []string) error {
		asJSON := flags.Bool("json", false, "write JSON, with all there is to know")
		return func(ctx context.Context, s Session, _ []string) error {
			functions, err := s.API.Functions(ctx)
			if err != nil {
				return err
			}
			if *asJSON {
				return writeJSON(s.Stdout, functions)
			}
			if len(functions) == 0 {
				fmt.Fprintln(s.Stderr, "There is no function yet: push one.")
				return nil
			}
			return writeTable(s.Stdout, psRows(s, functions))
		}
	}
	return c
}

func psRows(s Session, functions []Function) [][]string {
	rows := [][]string{{"NAME", "STATE", "PROCESSES", "ACTIVE", "REQUESTS", "MEMORY", "RELEASE", "LAST FAILURE"}}
	for _, f := range functions {
		active := 0
		for _, p := range f.Processes {
			active += p.Active
		}
		state := f.State
		if f.Handler == HandlerStatic {
			state = "static"
		}
		rows = append(rows, []string{
			string(f.Name), state, strconv.Itoa(len(f.Processes)), strconv.Itoa(active + f.Waiting),
			strconv.FormatUint(f.Requests, 10), size(f.MemoryBytes), string(f.Release), failure(s, f.Failure),
		})
	}
	return rows
}

func failure(s Session, f *Failure) string {
	if f == nil {
		return "-"
	}
	return ago(s.Now.Sub(f.Time)) + ": " + clip(printable(f.Message), 100)
}
