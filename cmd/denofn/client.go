package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/denofn/denofn/daemon"
	"github.com/denofn/denofn/daemon/admin"
)

// clientCommands are the commands that package admin defines, run against the
// daemon at the other end of the admin socket. Over SSH they are the same.
func clientCommands() []command {
	var list []command
	for _, c := range admin.Commands() {
		list = append(list, command{c.Name, c.Summary, func(env environment, args []string) error {
			return runClient(env, c, args)
		}})
	}
	return list
}

// isLocal reports whether a command is one that is asked most when nothing works.
// It has an answer without a daemon, and without a configuration that can be read.
func isLocal(command string) bool { return command == "doctor" || command == "version" }

func runClient(env environment, c admin.Command, args []string) error {
	flags := newFlags(&env, c.Name, c.Usage())
	run := c.Define(flags)
	args, err := c.Parse(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	if err != nil {
		return errUsage
	}
	socket, err := daemon.AdminSocket(env.configPath)
	if err != nil && !isLocal(c.Name) {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	session := admin.Session{
		API:   &remote{admin.NewClient(socket), env.configPath, err},
		Stdin: os.Stdin, Stdout: env.stdout, Stderr: env.stderr, Now: time.Now(),
	}
	switch admin.Exit(env.stderr, c.Name, run(ctx, session, args)) {
	case admin.ExitUsage:
		return errUsage
	case admin.ExitFailed:
		return errTold
	}
	return nil
}
