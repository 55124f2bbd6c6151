package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/denofn/denofn/daemon"
	"github.com/denofn/denofn/systemd"
)

// drainTime is how long a stop waits for requests and pushes that have begun. The
// service manager is asked for as much, a little at a time.
const drainTime = 60 * time.Second

// hostKeyCredential is the name under which the unit passes an SSH host key.
const hostKeyCredential = "denofn.ssh-host-key"

// serve runs the daemon until SIGTERM or SIGINT, which let it drain; a second
// one ends it at once. SIGHUP rereads the configuration and the keys.
func serve(env environment, args []string) error {
	flags := newFlags(&env, "serve", "denofn serve [--config FILE]")
	if err := parse(flags, args); err != nil {
		return err
	}
	return serveUntilSignal(env, nil)
}

// serveUntilSignal is serve with the hook of crash tests.
func serveUntilSignal(env environment, step func(string)) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)

	logger := slog.New(systemd.NewLogHandler(env.stderr))
	err := serveTold(env, step, logger, signals)
	if err != nil && systemd.IsJournal(env.stderr) {
		// As an error with fields, and not as a line that looks like any other.
		logger.Error("ended with an error", "error", err)
		return errTold
	}
	return err
}

func serveTold(env environment, step func(string), logger *slog.Logger, signals <-chan os.Signal) error {
	sockets, err := systemd.Listeners()
	if err != nil {
		return err
	}
	notifier := systemd.NewNotifier()
	d, err := daemon.Open(context.Background(), daemon.Options{
		ConfigPath:  env.configPath,
		Sockets:     sockets,
		Logger:      logger,
		Version:     denofnVersion(),
		HostKeyPath: systemd.Credential(hostKeyCredential),
		Step:        step,
	})
	if err != nil {
		return err
	}
	notifier.Ready()
	err = await(d, notifier, logger, signals)
	notifier.Stopping()
	return errors.Join(err, shutdown(d, notifier, signals))
}

// await returns when the daemon is to stop: with an error if that is not as it
// should be. Meanwhile it tells the service manager how the daemon is.
func await(d *daemon.Daemon, notifier *systemd.Notifier, logger *slog.Logger, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { notifier.Watch(ctx, d, logger) })
	defer watching.Wait()
	defer cancel()
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGHUP {
				reload(d, notifier, logger)
				continue
			}
			logger.Info("stopping", "signal", s.String())
			return nil
		case <-d.Idle():
			logger.Info("stopping: nothing has happened for as long as idle_exit says")
			return nil
		case err := <-d.Failed():
			return err
		}
	}
}

func reload(d *daemon.Daemon, notifier *systemd.Notifier, logger *slog.Logger) {
	notifier.Reloading()
	defer notifier.Ready()
	if err := d.Reload(); err != nil {
		logger.Error("configuration not reread, the old one stays in force", "error", err)
	}
}

func shutdown(d *daemon.Daemon, notifier *systemd.Notifier, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	draining, drained := context.WithCancel(ctx)
	var telling sync.WaitGroup
	telling.Go(func() { notifier.Drain(draining, d.Status) })
	defer telling.Wait()
	defer drained()
	done := make(chan error, 1)
	go func() { done <- d.Shutdown(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		case s := <-signals:
			if s == syscall.SIGHUP {
				continue
			}
			cancel()
			return errors.Join(fmt.Errorf("stopped by a second %s before all had drained", s), <-done)
		}
	}
}
