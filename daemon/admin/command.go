package admin

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/denofn/denofn"
)

// A Command is one word that people type, with its arguments. It says the same on
// the command line and over SSH.
type Command struct {
	Name      string
	Arguments string // as in the usage: "NAME [ID]"; what is in brackets may be left out
	Summary   string
	Role      Role
	// Define adds the command's flags and returns what runs it with the arguments
	// that are left, which are as many as Arguments says.
	Define func(*flag.FlagSet) func(ctx context.Context, s Session, args []string) error
}

// A Role is what a key has to be for to use a command over SSH. Each includes the
// one before it.
type Role string

// The roles that there are.
const (
	RoleRead   Role = "read"
	RoleDeploy Role = "deploy"
	RoleAdmin  Role = "admin"
)

// Commands returns the commands in the order in which help lists them.
func Commands() []Command {
	return []Command{
		psCommand(),
		warmCommand(),
		stopCommand(),
		invokeCommand(),
		logsCommand(),
		releasesCommand(),
		rollbackCommand(),
		redeployCommand(),
		rmCommand(),
		keysCommand(),
		doctorCommand(),
		versionCommand(),
	}
}

// A Session is what a command is given beside its arguments.
type Session struct {
	API            API
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Now            time.Time
}

// ErrUsage is the error of a command line that makes no sense. What is wrong has
// been said.
var ErrUsage = errors.New("usage")

// ErrFailed is the error of a command that has said all there is to say.
var ErrFailed = errors.New("failed")

// Parse parses flags, before and after the arguments, and checks how many of
// these there are. The error is flag.ErrHelp or ErrUsage; both have been answered.
func (c Command) Parse(flags *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, ErrUsage
		}
		if flags.NArg() == 0 {
			break
		}
		if len(args) > flags.NArg() && args[len(args)-flags.NArg()-1] == "--" {
			rest = append(rest, flags.Args()...)
			break
		}
		rest = append(rest, flags.Arg(0))
		args = flags.Args()[1:]
	}
	wanted := strings.Fields(c.Arguments)
	least := len(wanted)
	for least > 0 && strings.HasPrefix(wanted[least-1], "[") {
		least--
	}
	switch {
	case len(rest) < least:
		fmt.Fprintf(flags.Output(), "denofn %s: %s is missing\n", c.Name, wanted[len(rest)])
	case len(rest) > len(wanted):
		fmt.Fprintf(flags.Output(), "denofn %s: unexpected argument %q\n", c.Name, rest[len(wanted)])
	default:
		return rest, nil
	}
	flags.Usage()
	return nil, ErrUsage
}

// Usage returns the command as it is typed.
func (c Command) Usage() string {
	return strings.TrimSpace("denofn " + c.Name + " [FLAGS] " + c.Arguments)
}

// Exit codes, the same for every command.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// Exit tells a command's error, unless that has been done, and turns it into an
// exit code.
func Exit(w io.Writer, command string, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return ExitDone
	case errors.Is(err, ErrUsage):
		return ExitUsage
	case !errors.Is(err, ErrFailed):
		Tell(w, command, err)
	}
	return ExitFailed
}

// Tell writes an error as people want it: what happened, what to do, and what a
// process wrote.
func Tell(w io.Writer, command string, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		fmt.Fprintf(w, "denofn %s: %v\n", command, err)
		return
	}
	for _, line := range e.Output {
		fmt.Fprintf(w, "  | %s\n", printable(line))
	}
	fmt.Fprintf(w, "denofn %s: %s\n", command, printable(e.Message))
	if e.Hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", printable(e.Hint))
	}
}

// nameOf reads a function's name.
func nameOf(s Session, command, arg string) (denofn.FunctionName, error) {
	name, err := denofn.ParseFunctionName(arg)
	if err != nil {
		fmt.Fprintf(s.Stderr, "denofn %s: %v\n", command, err)
		return "", ErrUsage
	}
	return name, nil
}
