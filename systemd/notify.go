package systemd

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// A Notifier tells the service manager how the daemon is. Without a service
// manager all its methods do nothing. It is safe for concurrent use.
//
// Nothing is returned when telling does not work: there is nothing that the daemon
// could do about it, and the service manager notices by itself.
type Notifier struct {
	address  string // NOTIFY_SOCKET; "" without a service manager
	watchdog time.Duration
}

// NewNotifier returns a Notifier for the service manager that started this process
// and removes what it passed from the environment.
func NewNotifier() *Notifier {
	n := &Notifier{address: os.Getenv("NOTIFY_SOCKET")}
	os.Unsetenv("NOTIFY_SOCKET")
	if every, err := daemon.SdWatchdogEnabled(true); err == nil {
		n.watchdog = every
	}
	return n
}

// Ready says that every socket is served, or that a reload has ended.
func (n *Notifier) Ready() { n.send(daemon.SdNotifyReady) }

// Reloading says that the configuration is being read again. Ready ends it.
func (n *Notifier) Reloading() {
	n.send(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
}

// Stopping says that the daemon is on its way out. It comes first on that way.
func (n *Notifier) Stopping() { n.send(daemon.SdNotifyStopping) }

// Status says in one line, for people, what the daemon is doing.
func (n *Notifier) Status(text string) {
	n.send("STATUS=" + strings.ReplaceAll(text, "\n", " "))
}

// ExtendTimeout asks for another d, counted from now, for the start or the stop
// that is under way.
func (n *Notifier) ExtendTimeout(d time.Duration) {
	n.send(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// Alive feeds the watchdog.
func (n *Notifier) Alive() { n.send(daemon.SdNotifyWatchdog) }

// Watchdog returns after how long without Alive the service manager ends the
// daemon; 0: it never does.
func (n *Notifier) Watchdog() time.Duration { return n.watchdog }

// Active reports whether there is a service manager that listens.
func (n *Notifier) Active() bool { return n.address != "" }

// send writes one message. A socket for each is what sd_notify does too: messages
// are few, and a connected one would be lost when the service manager re-executes.
func (n *Notifier) send(lines ...string) {
	if n.address == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.address, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(notifyPatience))
	_, _ = conn.Write([]byte(strings.Join(lines, "\n")))
}

// notifyPatience bounds how long a service manager that does not read can hold the
// daemon up.
const notifyPatience = time.Second
