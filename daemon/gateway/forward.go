package gateway

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/denofn/denofn/daemon/gateway/http1"
)

// appendForwardHead appends the head that the function sees. Fields for the way
// from the client to here are left out; those that tell of that way are ours, and
// what a client sends of them counts only if it is a trusted proxy.
func (c *conn) appendForwardHead(b []byte) []byte {
	head := &c.head
	b = append(b, head.Method...)
	b = append(b, ' ')
	if path := c.route.path; len(path) == 0 || path[0] != '/' {
		b = append(b, '/')
	}
	b = append(b, c.route.path...)
	b = append(b, " HTTP/1.1\r\nhost: "...)
	if len(head.Host) == 0 {
		b = append(b, c.route.target.name...)
	} else {
		b = append(b, head.Host...)
	}
	b = append(b, '\r', '\n')
	for i := range head.Fields {
		f := &head.Fields[i]
		switch f.ID {
		case http1.Host, http1.Connection, http1.KeepAlive, http1.ProxyConnection, http1.ProxyAuthenticate, http1.ProxyAuthorization,
			http1.TE, http1.TransferEncoding, http1.ContentLength, http1.Upgrade, http1.Expect, http1.Via, http1.XRequestID,
			http1.Forwarded, http1.XForwardedFor, http1.XForwardedHost, http1.XForwardedProto, http1.XForwardedPrefix:
			continue
		case http1.XForwarded:
			if !c.trusted {
				continue
			}
		}
		if head.NamesHops && http1.NamedByConnection(head.Fields, f.Name) {
			continue
		}
		b = http1.AppendField(b, f.Name, f.Value)
	}
	b = c.appendFraming(b)
	b = c.appendForwarded(b)
	b = http1.AppendField(b, "x-request-id", c.id)
	return append(b, '\r', '\n')
}

// appendFraming appends how the body comes, and what the function may do about it.
func (c *conn) appendFraming(b []byte) []byte {
	head := &c.head
	switch {
	case head.Body == http1.Chunked:
		b = append(b, "transfer-encoding: chunked\r\n"...)
	case head.Body > 0 || head.Get(http1.ContentLength) != nil:
		b = append(b, "content-length: "...)
		b = strconv.AppendInt(b, int64(head.Body), 10)
		b = append(b, '\r', '\n')
	}
	if head.Continue && c.small == nil {
		b = append(b, "expect: 100-continue\r\n"...)
	}
	if head.Trailers {
		b = append(b, "te: trailers\r\n"...)
	}
	if c.upgrade {
		b = append(b, "connection: Upgrade\r\nupgrade: websocket\r\n"...)
	}
	return b
}

// appendForwarded appends where the request comes from.
func (c *conn) appendForwarded(b []byte) []byte {
	host, proto := c.head.Host, "http"
	if c.secure {
		proto = "https"
	}
	prefix := []byte(nil)
	if c.trusted {
		if h := c.head.Get(http1.XForwardedHost); h != nil {
			if _, err := parseHost(h); err == nil {
				host = h
			}
		}
		switch p := c.head.Get(http1.XForwardedProto); {
		case http1.EqualFold(p, "https"):
			proto = "https"
		case http1.EqualFold(p, "http"):
			proto = "http"
		}
		if p := c.head.Get(http1.XForwardedPrefix); isPathPrefix(p) {
			prefix = p
		}
	}
	if c.trusted || c.address.IsValid() {
		b = append(b, "x-forwarded-for: "...)
		b = c.appendTrusted(b, http1.XForwardedFor)
		b = appendAddress(b, c.address, false)
		b = append(b, "\r\nforwarded: "...)
		b = c.appendTrusted(b, http1.Forwarded)
		b = append(b, "for="...)
		b = appendAddress(b, c.address, true)
		if len(host) > 0 {
			b = append(b, `;host="`...)
			b = append(b, host...)
			b = append(b, '"')
		}
		b = append(b, ";proto="...)
		b = append(b, proto...)
		b = append(b, '\r', '\n')
	}
	if len(host) > 0 {
		b = http1.AppendField(b, "x-forwarded-host", host)
	}
	b = http1.AppendField(b, "x-forwarded-proto", proto)
	if len(prefix)+len(c.route.prefix) > 0 {
		b = append(b, "x-forwarded-prefix: "...)
		b = append(b, prefix...)
		if len(c.route.prefix) > 0 {
			b = append(b, '/')
			b = append(b, c.route.target.name...)
		}
		b = append(b, '\r', '\n')
	}
	b = append(b, "via: "...)
	for i := range c.head.Fields {
		if f := &c.head.Fields[i]; f.ID == http1.Via && len(f.Value) > 0 {
			b = append(b, f.Value...)
			b = append(b, ", "...)
		}
	}
	b = append(b, '1', '.', byte('0'+c.head.Minor))
	return append(b, " denofn\r\n"...)
}

// appendTrusted appends what a trusted proxy says in the fields with the ID, and a
// comma for what follows.
func (c *conn) appendTrusted(b []byte, id http1.ID) []byte {
	if !c.trusted {
		return b
	}
	for i := range c.head.Fields {
		if f := &c.head.Fields[i]; f.ID == id && len(f.Value) > 0 {
			b = append(b, f.Value...)
			b = append(b, ", "...)
		}
	}
	return b
}

// appendAddress appends an address, for Forwarded in its quotes. A client on a Unix
// socket has none.
func appendAddress(b []byte, addr netip.Addr, quote bool) []byte {
	switch {
	case !addr.IsValid():
		return append(b, "unknown"...)
	case quote && addr.Is6():
		b = append(b, `"[`...)
		return append(addr.AppendTo(b), `]"`...)
	}
	return addr.AppendTo(b)
}

// isPathPrefix reports whether b can stand before a path.
func isPathPrefix(b []byte) bool {
	return len(b) > 1 && b[0] == '/' && b[1] != '/' && b[len(b)-1] != '/' && !bytes.ContainsAny(b, " ,?#\"\\<>")
}
