package admin

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"unicode/utf8"
)

// invokeCommand calls a function once: a task, or any other with a POST.
func invokeCommand() Command {
	c := Command{Name: "invoke", Arguments: "NAME [INPUT]", Summary: "call a task, or any function, and write its result; INPUT - is standard input", Role: RoleDeploy}
	c.Define = func(flags *flag.FlagSet) func(context.Context, Session, []string) error {
		contentType := flags.String("type", "", "content `TYPE` of the input; else JSON or text, as it looks")
		return func(ctx context.Context, s Session, args []string) error {
			name, err := nameOf(s, c.Name, args[0])
			if err != nil {
				return err
			}
			call := Call{Function: name, ContentType: *contentType}
			switch {
			case len(args) == 2 && args[1] == "-":
				if call.Input, err = io.ReadAll(s.Stdin); err != nil {
					return fmt.Errorf("read input: %w", err)
				}
			case len(args) == 2:
				call.Input = []byte(args[1])
			}
			if call.ContentType == "" {
				call.ContentType = typeOf(call.Input)
			}
			result, err := s.API.Invoke(ctx, call)
			if err != nil {
				return err
			}
			if _, err := s.Stdout.Write(result.Output); err != nil {
				return fmt.Errorf("write result: %w", err)
			}
			if result.ExitCode != 0 {
				fmt.Fprintf(s.Stderr, "denofn invoke: %s ended with exit code %d; its log says why\n", name, result.ExitCode)
				return ErrFailed
			}
			return nil
		}
	}
	return c
}

// typeOf guesses the content type of an input, "" for bytes.
func typeOf(input []byte) string {
	switch {
	case len(input) == 0:
		return ""
	case json.Valid(input):
		return "application/json"
	case utf8.Valid(input):
		return "text/plain; charset=utf-8"
	}
	return ""
}
