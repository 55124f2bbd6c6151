package systemd

import (
	"context"
	"log/slog"
	"time"
)

// A Watched daemon can say how it is.
type Watched interface {
	// Check returns nil when the daemon still does what it is there for.
	Check(ctx context.Context) error
	// Status says in one line what it is doing.
	Status() string
}

// statusEvery is how old a status may be that people are shown. It is also how
// often a daemon without a watchdog is looked at.
const statusEvery = 10 * time.Second

// Watch tells the service manager how d is until ctx ends: its status when that has
// changed, and that it is alive as long as Check says so. A check that fails is
// logged; what to do about it is the service manager's decision, which ends a
// daemon that has not been alive for the time of WatchdogSec=. Three checks fit
// into it, so that one slow answer is no reason.
func (n *Notifier) Watch(ctx context.Context, d Watched, logger *slog.Logger) {
	if !n.Active() {
		return
	}
	every := statusEvery
	if n.watchdog > 0 {
		every = min(every, n.watchdog/3)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	told := ""
	for {
		if text := d.Status(); text != told {
			n.Status(text)
			told = text
		}
		checking, cancel := context.WithTimeout(ctx, every)
		err := d.Check(checking)
		cancel()
		if err == nil {
			n.Alive()
		} else if ctx.Err() == nil {
			logger.Error("health check failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// While a daemon drains it asks for extendBy more every extendEvery, so that it may
// take its time as long as it goes on, and is killed soon when it hangs.
const (
	extendEvery = 5 * time.Second
	extendBy    = 3 * extendEvery
)

// Drain asks the service manager for time until ctx ends, and tells it the status
// meanwhile.
func (n *Notifier) Drain(ctx context.Context, status func() string) {
	if !n.Active() {
		return
	}
	ticker := time.NewTicker(extendEvery)
	defer ticker.Stop()
	for {
		n.Status("stopping: " + status())
		n.ExtendTimeout(extendBy)
		n.Alive()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
