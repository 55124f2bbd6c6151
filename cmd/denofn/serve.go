package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/denofn/denofn/daemon"
	"github.com/denofn/denofn/systemd"
)

// drainTime is how long a stop waits for requests and pushes that have begun.
// It is below systemd's own 90 seconds.
const drainTime = 60 * time.Second

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
	sockets, err := systemd.Listeners()
	if err != nil {
		return err
	}
	notifier := systemd.NewNotifier()
	d, err := daemon.Open(context.Background(), daemon.Options{
		ConfigPath: env.configPath,
		Sockets:    sockets,
		Logger:     logger,
		Step:       step,
	})
	if err != nil {
		return err
	}
	notifier.Ready()
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGHUP {
				reload(d, notifier, logger)
				continue
			}
			logger.Info("stopping", "signal", s.String())
			notifier.Stopping()
			return shutdown(d, signals)
		case err := <-d.Failed():
			notifier.Stopping()
			return errors.Join(err, shutdown(d, signals))
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

func shutdown(d *daemon.Daemon, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
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
