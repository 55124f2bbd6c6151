package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/denofn/denofn/daemon/admin"
	"github.com/denofn/denofn/gitreceive"
)

// remoteCommands are the commands of package admin over SSH: the same words and
// the same output as on the command line. It implements gitreceive.Commands.
type remoteCommands struct {
	api admin.API
}

var _ gitreceive.Commands = remoteCommands{}

func (remoteCommands) List() []gitreceive.CommandInfo {
	var list []gitreceive.CommandInfo
	for _, c := range admin.Commands() {
		list = append(list, gitreceive.CommandInfo{Name: c.Name, Summary: c.Summary})
	}
	return list
}

func (r remoteCommands) Run(ctx context.Context, c *gitreceive.Command) int {
	name := c.Args[0]
	for _, command := range admin.Commands() {
		if command.Name == name {
			return r.run(ctx, command, c)
		}
	}
	fmt.Fprintf(c.Stderr, "denofn: unknown command %q", name)
	if near := nearest(name, namesOf(admin.Commands())); near != "" {
		fmt.Fprintf(c.Stderr, ": did you mean %s?", near)
	}
	fmt.Fprintln(c.Stderr)
	return admin.ExitUsage
}

func (r remoteCommands) run(ctx context.Context, command admin.Command, c *gitreceive.Command) int {
	flags := flag.NewFlagSet(command.Name, flag.ContinueOnError)
	flags.SetOutput(c.Stderr)
	flags.Usage = func() {
		fmt.Fprintf(c.Stderr, "Usage: %s\n", command.Usage())
		flags.PrintDefaults()
	}
	run := command.Define(flags)
	args, err := command.Parse(flags, c.Args[1:])
	if err == nil {
		err = run(ctx, admin.Session{API: r.api, Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr, Now: time.Now()}, args)
	}
	if errors.Is(err, context.Canceled) { // nobody is there to be told
		return admin.ExitFailed
	}
	return admin.Exit(c.Stderr, command.Name, err)
}

func namesOf(commands []admin.Command) []string {
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = c.Name
	}
	return names
}
