// Command denofn is the daemon and its command line in one binary. Every command
// is a file of this package: it parses flags and calls one function elsewhere.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/agnivade/levenshtein"
)

// Exit codes, the same for every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// A command is one word of the command line.
type command struct {
	name    string
	summary string
	run     func(env environment, args []string) error
}

// An environment is what commands may touch of the outside.
type environment struct {
	stdout, stderr io.Writer
	configPath     string // from --config before the command's name, DENOFN_CONFIG or the default
}

func commands() []command {
	list := []command{{"serve", "receive pushes and serve functions; systemd runs this", serve}}
	return append(list, clientCommands()...)
}

func main() {
	runHelper()
	os.Exit(run(environment{stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:]))
}

// errUsage is the error of a command line that was already explained, and errTold
// that of a command that has said what went wrong.
var (
	errUsage = errors.New("usage")
	errTold  = errors.New("failed")
)

func run(env environment, args []string) int {
	flags := newFlags(&env, "denofn", "denofn [--config FILE] COMMAND [ARGUMENTS]")
	usage := flags.Usage
	flags.Usage = func() {
		usage()
		fmt.Fprintf(env.stderr, "\nCommands:\n")
		for _, c := range commands() {
			fmt.Fprintf(env.stderr, "  %-9s %s\n", c.name, c.summary)
		}
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		return exitUsage
	}
	if flags.NArg() == 0 {
		flags.Usage()
		return exitUsage
	}
	name := flags.Arg(0)
	for _, c := range commands() {
		if c.name == name {
			return exitCode(env, c, c.run(env, flags.Args()[1:]))
		}
	}
	fmt.Fprintf(env.stderr, "denofn: unknown command %q", name)
	if near := nearestCommand(name); near != "" {
		fmt.Fprintf(env.stderr, ": did you mean %s?", near)
	}
	fmt.Fprintln(env.stderr)
	return exitUsage
}

// exitCode tells a command's error and turns it into an exit code.
func exitCode(env environment, c command, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitDone
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, errTold):
		return exitFailed
	}
	fmt.Fprintf(env.stderr, "denofn %s: %v\n", c.name, err)
	return exitFailed
}

// newFlags returns the flags that every command has.
func newFlags(env *environment, name, usage string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(env.stderr)
	if env.configPath == "" {
		env.configPath = configFromEnvironment()
	}
	flags.StringVar(&env.configPath, "config", env.configPath, "configuration `FILE`")
	flags.Usage = func() {
		fmt.Fprintf(env.stderr, "Usage: %s\n\n", usage)
		flags.PrintDefaults()
	}
	return flags
}

// parse parses the flags of a command that takes no arguments.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(flags.Output(), "denofn %s: unexpected argument %q\n", flags.Name(), flags.Arg(0))
		return errUsage
	}
	return nil
}

func nearestCommand(name string) string {
	best, distance := "", 3
	for _, c := range commands() {
		if d := levenshtein.ComputeDistance(name, c.name); d < distance {
			best, distance = c.name, d
		}
	}
	return best
}
