package systemd

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// SocketNames are the names that socket units may give their sockets with
// FileDescriptorName=.
func SocketNames() []string { return []string{"http", "https", "ssh", "admin", "dashboard"} }

// unixOnly are the names of sockets whose file permissions decide who may use
// them, so that they cannot be TCP.
var unixOnly = [...]string{"admin"}

// Listeners returns the sockets that systemd passed to this process, by the name
// in their unit's FileDescriptorName=. A unit with several ListenStream= lines
// gives several listeners of one name. The map is empty when none were passed.
//
// What cannot be served is an error that says what to change: unknown names,
// sockets that do not listen for streams, and one address twice. The caller closes
// the listeners. The LISTEN_ variables are removed from the environment.
func Listeners() (map[string][]net.Listener, error) {
	passed, named := os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	files := activation.Files(true)
	if len(files) == 0 {
		return map[string][]net.Listener{}, nil
	}
	if names := strings.Count(named, ":") + 1; named != "" && strconv.Itoa(names) != passed {
		closeFiles(files)
		return nil, fmt.Errorf("LISTEN_FDS says %s sockets and LISTEN_FDNAMES names %d", passed, names)
	}
	listeners := make(map[string][]net.Listener)
	owner := make(map[string]string) // of an address
	for i, f := range files {
		name := f.Name()
		l, err := listener(f)
		if err == nil {
			listeners[name] = append(listeners[name], l)
			address := l.Addr().Network() + " " + l.Addr().String()
			if first, twice := owner[address]; twice {
				err = fmt.Errorf("systemd passed the socket %s twice, as %q and as %q: remove one ListenStream= of the two", l.Addr(), first, name)
			}
			owner[address] = name
		}
		if err != nil {
			closeFiles(files[i+1:])
			closeListeners(listeners)
			return nil, err
		}
	}
	return listeners, nil
}

// listener turns one passed descriptor into a listener, and closes the former.
func listener(f *os.File) (net.Listener, error) {
	defer f.Close()
	name := f.Name()
	if !slices.Contains(SocketNames(), name) {
		return nil, fmt.Errorf("systemd passed a socket named %q, which denofn does not know: set FileDescriptorName= in its socket unit to one of %s",
			name, strings.Join(SocketNames(), ", "))
	}
	fd := int(f.Fd())
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("systemd passed %q, which is not a socket: use ListenStream= in its unit", name)
	}
	if kind != unix.SOCK_STREAM {
		return nil, fmt.Errorf("the socket that systemd passed as %q is not a stream: use ListenStream= in its unit, not ListenDatagram= or ListenSequentialPacket=", name)
	}
	if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
		return nil, fmt.Errorf("the socket that systemd passed as %q is a connection: set Accept=no in its unit", name)
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("use the socket that systemd passed as %q: %w", name, err)
	}
	if slices.Contains(unixOnly[:], name) && l.Addr().Network() != "unix" {
		l.Close()
		return nil, fmt.Errorf("the socket that systemd passed as %q is at %s: it has to be a path, because the file's permissions say who may use it; set ListenStream=/run/denofn-%s.sock in its unit",
			name, l.Addr(), name)
	}
	return l, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func closeListeners(listeners map[string][]net.Listener) {
	for _, all := range listeners {
		for _, l := range all {
			l.Close()
		}
	}
}
