package systemd_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/denofn/denofn/systemd"
)

// A patient is a daemon that is ill when it is told to be.
type patient struct {
	ill    atomic.Bool
	status atomic.Pointer[string]
}

func (p *patient) Check(context.Context) error {
	if p.ill.Load() {
		return errors.New("no answer")
	}
	return nil
}

func (p *patient) Status() string { return *p.status.Load() }

func TestWatch(t *testing.T) {
	path, _, next := datagrams(t)
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "30000") // a check every 10 ms
	t.Setenv("WATCHDOG_PID", "")
	var log bytes.Buffer
	p := new(patient)
	first, second := "1 function", "2 functions"
	p.status.Store(&first)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		systemd.NewNotifier().Watch(ctx, p, slog.New(systemd.NewLogHandler(&log)))
	}()
	for _, want := range []string{"STATUS=1 function", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := next(); got != want {
			t.Errorf("told %q, not %q", got, want)
		}
	}
	// While it is ill, it is not alive; its status is told all the same.
	p.ill.Store(true)
	p.status.Store(&second)
	for got := next(); got != "STATUS=2 functions"; got = next() {
		if got != "WATCHDOG=1" {
			t.Errorf("told %q", got)
		}
	}
	third := "3 functions"
	p.status.Store(&third)
	if got := next(); got != "STATUS=3 functions" {
		t.Errorf("a daemon that is ill told %q", got)
	}
	p.ill.Store(false)
	if got := next(); got != "WATCHDOG=1" {
		t.Errorf("told %q", got)
	}
	cancel()
	<-ended
	if !strings.Contains(log.String(), `ERROR health check failed error="no answer"`) {
		t.Errorf("the log has %q", &log)
	}
}

func TestDrain(t *testing.T) {
	path, _, next := datagrams(t)
	t.Setenv("NOTIFY_SOCKET", path)
	os.Unsetenv("WATCHDOG_USEC")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	systemd.NewNotifier().Drain(ctx, func() string { return "3 requests" })
	for _, want := range []string{"STATUS=stopping: 3 requests", "EXTEND_TIMEOUT_USEC=15000000", "WATCHDOG=1"} {
		if got := next(); got != want {
			t.Errorf("told %q, not %q", got, want)
		}
	}
}

// Nobody listens, so nothing is looked at.
func TestWatchWithoutServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n := systemd.NewNotifier()
	n.Watch(t.Context(), nil, nil)
	n.Drain(t.Context(), nil)
}
