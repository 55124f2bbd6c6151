package gateway

import (
	"log/slog"
	"net"
	"net/netip"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway/http1"
)

// ParseHost is parseHost.
func ParseHost(b []byte) (name, port string, err error) {
	h, err := parseHost(b)
	return h.name, h.port, err
}

// RouteOf is routeOf among the functions with these names, of which the first has
// the host shop.example, with the domain fn.example and no root function.
func RouteOf(names []denofn.FunctionName, hostName, requestTarget string) (name denofn.FunctionName, prefix, path string, own bool) {
	t := &table{byName: make(map[string]*target), byFold: make(map[string]*target), byHost: make(map[string]*target)}
	for i, n := range names {
		one := &target{name: n}
		t.byName[string(n)], t.byFold[n.Fold()] = one, one
		if i == 0 {
			t.byHost["shop.example"] = one
		}
	}
	r := routeOf(t, &Options{Domain: "fn.example"}, host{name: hostName}, []byte(requestTarget))
	if r.target != nil {
		name = r.target.name
	}
	return name, string(r.prefix), string(r.path), r.own
}

// Forward returns the head that the function hello sees of a client's request.
func Forward(head []byte, trusted bool) ([]byte, error) {
	c := &conn{address: netip.MustParseAddr("192.0.2.1")}
	if err := c.head.Parse(head); err != nil {
		return nil, err
	}
	c.trusted = trusted
	c.id = newRequestID(&c.idSpace)
	c.rawHost = nil
	if err := c.readHost(); err != nil {
		return nil, err
	}
	c.upgrade = c.head.Upgrade && c.head.Body == 0 && http1.EqualFold(c.head.Get(http1.Upgrade), "websocket") && string(c.head.Method) == "GET"
	c.route = route{target: &target{name: "hello"}, prefix: []byte("/hello"), path: c.head.Target}
	return c.appendForwardHead(nil), nil
}

// RunOf runs f as each goroutine of a connection is run, and returns for what
// reason that ended the request.
func RunOf(nc net.Conn, logger *slog.Logger, f func()) error {
	c := &conn{gateway: &Gateway{config: Config{Logger: logger}}, nc: nc}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.contain()
		f()
	}()
	<-done
	return c.detach()
}
