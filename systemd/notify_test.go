package systemd_test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/denofn/denofn/systemd"
)

// datagrams returns a socket as journald or the service manager has one, and a
// function that reads the next message.
func datagrams(t *testing.T) (path string, conn *net.UnixConn, next func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return path, conn, func() string {
		t.Helper()
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		buf := make([]byte, 1<<20)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

func TestNotifications(t *testing.T) {
	path, _, next := datagrams(t)
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "3000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	n := systemd.NewNotifier()
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if _, set := os.LookupEnv(name); set {
			t.Errorf("%s is left in the environment", name)
		}
	}
	if !n.Active() || n.Watchdog() != 3*time.Second {
		t.Errorf("active %t, watchdog %s", n.Active(), n.Watchdog())
	}
	for _, c := range []struct {
		tell func()
		want string
	}{
		{n.Ready, `READY=1`},
		{n.Reloading, `RELOADING=1\nMONOTONIC_USEC=[0-9]+`},
		{n.Stopping, `STOPPING=1`},
		{n.Alive, `WATCHDOG=1`},
		{func() { n.Status("two\nlines") }, `STATUS=two lines`},
		{func() { n.ExtendTimeout(1500 * time.Millisecond) }, `EXTEND_TIMEOUT_USEC=1500000`},
	} {
		c.tell()
		if got := next(); !regexp.MustCompile("^" + c.want + "$").MatchString(got) {
			t.Errorf("told %q, not %q", got, c.want)
		}
	}
}

func TestNotificationsWithoutServiceManager(t *testing.T) {
	for _, socket := range []string{"", filepath.Join(t.TempDir(), "missing")} {
		t.Setenv("NOTIFY_SOCKET", socket)
		t.Setenv("WATCHDOG_USEC", "")
		n := systemd.NewNotifier()
		n.Ready()
		if n.Watchdog() != 0 {
			t.Errorf("watchdog %s", n.Watchdog())
		}
	}
}

// The watchdog of a parent is not ours.
func TestWatchdogOfAnotherProcess(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "1000000")
	t.Setenv("WATCHDOG_PID", "1")
	if every := systemd.NewNotifier().Watchdog(); every != 0 {
		t.Errorf("watchdog %s", every)
	}
}
