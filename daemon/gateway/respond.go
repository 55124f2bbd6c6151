package gateway

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"github.com/denofn/denofn/daemon/gateway/http1"
)

// respond answers the request whose head is in[r:r+n], or tells the client why
// there was none to answer. It reports whether the connection can go on.
func (c *conn) respond(n int, headErr error) (keep bool) {
	c.beginRequest()
	if headErr == nil {
		headErr = c.head.Parse(c.in[c.r : c.r+n])
		c.r += n
	}
	if refused, ok := errors.AsType[*http1.Error](headErr); ok {
		c.head.Close = true
		if refused == errHeadTimeout {
			c.nc.SetDeadline(time.Time{})
		}
		c.refuseRequest(refused)
		keep = false
	} else {
		keep = c.dispatch()
	}
	c.endRequest()
	return keep && !c.cut
}

func (c *conn) beginRequest() {
	c.begin()
	head, answer, raw, h := c.head, c.answer, c.rawHost, c.host
	c.request = request{options: c.options, head: head, answer: answer, rawHost: raw, host: h, began: time.Now()}
	c.head.Fields = c.head.Fields[:0]
	c.head.Method, c.head.Target = nil, nil
	c.id = newRequestID(&c.idSpace)
	c.ending.Store(false)
}

// endRequest leaves nothing of the request behind that the watch could act on, and
// tells the log and the metrics of it.
func (c *conn) endRequest() {
	c.waits.Store(0)
	c.endless.Store(false)
	c.streams.Store(false)
	c.freeBuffers()
	c.account()
}

func (c *conn) refuseRequest(refused *http1.Error) {
	c.fail(failure{status: refused.Status, text: refused.Reason + "."})
}

// dispatch answers a request whose head is sound.
func (c *conn) dispatch() (keep bool) {
	if err := c.readHost(); err != nil {
		c.head.Close = true
		c.refuseRequest(errHost)
		return false
	}
	c.trusted = !c.address.IsValid() || c.options.trusts(c.address)
	if c.trusted {
		if id := c.head.Get(http1.XRequestID); isRequestID(id) {
			c.id = id
		}
	}
	if string(c.head.Target) == "*" {
		return c.send(http.StatusNoContent, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n", nil)
	}
	c.route = routeOf(c.gateway.table.Load(), c.options, c.host, c.head.Target)
	t := c.route.target
	if t != nil {
		t.counts.inFlight.Inc()
		defer t.counts.inFlight.Dec()
	}
	switch {
	case c.route.own:
		return c.serveOwn()
	case t == nil:
		return c.fail(failure{status: http.StatusNotFound, text: textUnknown})
	case int64(c.head.Body) > c.options.MaxBody:
		return c.fail(tooLarge(c.options.MaxBody))
	}
	if t.site != nil {
		if keep, served := c.serveSite(t); served {
			return keep
		}
	}
	switch {
	case t.isTask:
		return c.serveTask(t)
	case !t.hasModule:
		return c.siteLacks(t)
	}
	return c.pass(t)
}

// readHost checks Host. A connection's requests are mostly for one host, which is
// then not parsed again.
func (c *conn) readHost() (err error) {
	raw := c.head.Host
	if len(c.rawHost) > 0 && bytes.Equal(raw, c.rawHost) {
		return nil
	}
	c.rawHost = c.rawHost[:0]
	if len(raw) == 0 && c.head.Minor == 0 {
		c.host = host{}
		return nil
	}
	if c.host, err = parseHost(raw); err != nil {
		return err
	}
	c.rawHost = append(c.rawHost, raw...)
	return nil
}

// dropBody takes a body that has not been read off the connection, if all of it
// has come already. It reports whether the connection can go on.
func (c *conn) dropBody() bool {
	switch body := c.head.Body; {
	case c.small != nil:
	case body == 0:
	case body > 0 && int64(body) <= int64(c.w-c.r) && !c.head.Continue:
		c.r += int(body)
	default:
		return false
	}
	return true
}

// closes reports whether the answer is the last one on this connection, as far as
// is known before its body.
func (c *conn) closes() bool { return c.head.Close || c.server.stopping.Load() }

// send answers with a body of the gateway's own. fields are whole lines.
func (c *conn) send(status int, fields string, body []byte) (keep bool) {
	keep = c.dropBody() && !c.closes()
	c.status = status
	b := c.beginHead(c.out[:0], status)
	b = append(b, fields...)
	if status != http.StatusNoContent && status != http.StatusNotModified {
		b = appendLength(b, int64(len(body)))
	}
	b = c.endHead(b, keep)
	c.out = b
	if http1.IsHead(c.head.Method) {
		body = nil
	}
	c.sent = int64(len(body))
	if c.writeAll(b, body) != nil {
		c.cut = true
		return false
	}
	return keep
}
