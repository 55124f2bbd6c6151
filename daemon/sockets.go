package daemon

import (
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/denofn/denofn/daemon/admin"
)

// sockets returns the listeners of every side by name: those that systemd
// passed, or with none passed, its own at the configured addresses.
func (d *Daemon) sockets() (map[string][]net.Listener, error) {
	wanted := []struct {
		name, key, address string
		listen             func(address string) (net.Listener, error)
	}{
		{SocketHTTP, "http.listen", d.config.HTTP.Listen, listenTCP},
		{SocketSSH, "ssh.listen", d.config.SSH.Listen, listenTCP},
		{SocketAdmin, "admin.socket", d.config.Admin.Socket, admin.Listen},
	}
	if len(d.options.Sockets) > 0 {
		for _, w := range wanted {
			switch {
			case len(d.options.Sockets[w.name]) > 0:
			case w.name == SocketAdmin:
				// Somebody has disabled its unit. What is served does not depend on it.
				d.options.Logger.Warn("no admin socket was passed, so the command line cannot reach the daemon")
			default:
				return nil, fmt.Errorf("systemd passed sockets, but none named %q: add a socket unit with FileDescriptorName=%s", w.name, w.name)
			}
		}
		return d.options.Sockets, nil
	}
	own := make(map[string][]net.Listener)
	for _, w := range wanted {
		l, err := w.listen(w.address)
		if err != nil {
			closeAll(own)
			return nil, fmt.Errorf("%s: %w", w.key, err)
		}
		own[w.name] = append(own[w.name], l)
	}
	return own, nil
}

func listenTCP(address string) (net.Listener, error) { return net.Listen("tcp", address) }

func closeAll(sockets map[string][]net.Listener) {
	for _, listeners := range sockets {
		for _, l := range listeners {
			l.Close()
		}
	}
}

func addresses(listeners []net.Listener) string {
	var all []string
	for _, l := range listeners {
		all = append(all, l.Addr().String())
	}
	return strings.Join(all, " ")
}

// baseURL returns the address at which people reach a listener: one that listens
// on every interface is told by the machine's name.
func baseURL(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "http://localhost"
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}
