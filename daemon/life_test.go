package daemon_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon"
	"github.com/denofn/denofn/micro/denotest"
	"github.com/denofn/denofn/procman"
)

func TestStatusLine(t *testing.T) {
	functions := func(states ...procman.State) (all []procman.Status) {
		for i, s := range states {
			all = append(all, procman.Status{Function: denofn.FunctionName(fmt.Sprintf("f%d", i)), State: s})
		}
		return all
	}
	const commit = "1a2b3c4d5e6f"
	for _, c := range []struct {
		functions []procman.Status
		commit    string
		ago       time.Duration
		want      string
	}{
		{nil, "", 0, "0 functions"},
		{functions(procman.Stopped), "", 0, "1 function"},
		{functions(procman.Ready, procman.Stopped, procman.Failed), commit, 5 * time.Minute, "3 functions, 1 warm, 1 failed (f2); last deploy blog@1a2b3c4 5 min ago"},
		{functions(procman.Ready), commit, time.Second, "1 function, 1 warm; last deploy blog@1a2b3c4 just now"},
		{functions(procman.Starting), commit, 3*time.Hour + time.Minute, "1 function; last deploy blog@1a2b3c4 3 h ago"},
		{functions(procman.Failed, procman.Failed, procman.Failed, procman.Failed), commit, 100 * time.Hour, "4 functions, 4 failed (f0, f1, f2, …); last deploy blog@1a2b3c4 4 days ago"},
	} {
		if got := daemon.StatusLine(c.functions, "blog", c.commit, c.ago); got != c.want {
			t.Errorf("the status is %q, not %q", got, c.want)
		}
	}
}

// open returns a daemon with a configuration that has these lines in front, and
// sockets as systemd passes them.
func open(t *testing.T, lines string) (*daemon.Daemon, map[string][]net.Listener) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "d") // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	text := fmt.Sprintf("%sstate_dir = \"state\"\nruntime_dir = \"r\"\ndeno = %q\n[ssh]\nauthorized_keys = \"keys\"\n", lines, denotest.Path(t))
	path := filepath.Join(dir, "denofn.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sockets := make(map[string][]net.Listener)
	for _, name := range []string{daemon.SocketHTTP, daemon.SocketSSH} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		sockets[name] = []net.Listener{l}
	}
	d, err := daemon.Open(t.Context(), daemon.Options{ConfigPath: path, Sockets: sockets, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := d.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return d, sockets
}

// The daemon knows that it serves, without any address of its own, and also while
// nobody could reach it from outside.
func TestCheck(t *testing.T) {
	d, _ := open(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 3 {
		if err := d.Check(ctx); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := d.Check(ctx); err == nil {
		t.Error("a check whose time is over is well")
	}
}

func TestIdle(t *testing.T) {
	d, sockets := open(t, "idle_exit = \"400ms\"\n")
	// A session that is open is a reason to stay, however long nothing comes.
	session, err := net.Dial("tcp", sockets[daemon.SocketSSH][0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	banner := make([]byte, 4)
	if _, err := io.ReadFull(session, banner); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.Idle():
		t.Error("idle with an open session")
	case <-time.After(time.Second):
	}
	session.Close()
	// The daemon's own request is none.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for idle := false; !idle; {
		if err := d.Check(ctx); err != nil {
			t.Fatal(err)
		}
		select {
		case <-d.Idle():
			idle = true
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Requests that come put the exit off.
func TestVisitors(t *testing.T) {
	d, sockets := open(t, "idle_exit = \"2s\"\n")
	url := "http://" + sockets[daemon.SocketHTTP][0].Addr().String() + "/_denofn/health"
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		response, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		select {
		case <-d.Idle():
			t.Fatal("idle although somebody came")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestNeverIdle(t *testing.T) {
	d, _ := open(t, "")
	select {
	case <-d.Idle():
		t.Error("idle without idle_exit")
	case <-time.After(50 * time.Millisecond):
	}
}
