package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/denofn/denofn/daemon/gateway/http1"
	"github.com/denofn/denofn/procman"
)

// pass hands the request to a process of the function and its answer to the
// client.
func (c *conn) pass(t *target) (keep bool) {
	c.waits.Store(max(1, c.server.watch.now.Load()))
	lease, err := c.gateway.config.Acquire(&c.abortable, t.name)
	if err != nil {
		return c.failed(err)
	}
	defer lease.Release()
	c.lease, c.waited = lease, lease.Waited()

	if body := c.head.Body; body > 0 && int64(body) <= int64(c.w-c.r) {
		c.small = c.in[c.r : c.r+int(body)]
		c.r += int(body)
	}
	c.upgrade = c.head.Upgrade && c.head.Body == 0 && http1.EqualFold(c.head.Get(http1.Upgrade), "websocket") && string(c.head.Method) == http.MethodGet
	c.takeBuffers()
	c.out = append(c.appendForwardHead(c.out), c.small...)
	err = lease.Do(&c.abortable, (*exchange)(c))
	c.latency = time.Since(c.began)
	if err != nil {
		if c.upload != nil {
			c.upload.stop()
		}
		c.out = c.out[:0]
		return c.failed(err)
	}
	if c.answer.Status == http.StatusSwitchingProtocols {
		c.tunnel()
		return false
	}
	return c.passBack()
}

// An exchange is a conn as procman sends it. It implements procman.Exchange.
type exchange conn

// Send implements procman.Exchange.
func (x *exchange) Send(up *procman.Conn) error {
	c := (*conn)(x)
	if cause := c.attach(up); cause != nil {
		return cause
	}
	c.up = up
	c.upR, c.upW = 0, 0
	err := c.exchange(up)
	if inTime := c.endTurns(); !inTime || err != nil {
		if c.upload != nil {
			c.upload.stop()
		}
		if cause := c.detach(); cause != nil {
			return cause
		}
		if err == nil {
			err = errTimeout
		}
		return err
	}
	return nil
}

// Intact implements procman.Exchange: a body that came with the head is still
// here; of one that did not, something may be gone.
func (x *exchange) Intact() bool { return x.upload == nil }

// Idempotent implements procman.Exchange.
func (x *exchange) Idempotent() bool {
	switch string(x.head.Method) {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// exchange writes the request and reads up to the head of the final answer. What
// comes before it is passed on.
func (c *conn) exchange(up *procman.Conn) error {
	c.function.set(c.server.watch.after(c.lease.Timeout()))
	if _, err := up.Write(c.out); err != nil {
		return err
	}
	hasMore := c.head.Body != 0 && c.small == nil
	if hasMore && !c.head.Continue {
		c.startUpload(up)
	}
	for {
		n, err := c.readAnswerHead(up)
		if err != nil {
			return err
		}
		if err := c.answer.Parse(c.upIn[c.upR:c.upR+n], http1.IsHead(c.head.Method)); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		c.upR += n
		switch status := c.answer.Status; {
		case status == http.StatusSwitchingProtocols:
			if !c.upgrade {
				return errors.New("read answer: 101 to a request that did not ask for it")
			}
			return nil
		case status >= 200:
			return nil
		}
		if err := c.passInformation(); err != nil {
			return err
		}
		if c.answer.Status == http.StatusContinue && hasMore && c.upload == nil {
			c.startUpload(up)
		}
	}
}

// functionsTurn gives the function its whole time to begin its answer from now on,
// or stops its clock while it is the client who must do something.
func (c *conn) functionsTurn(turn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.answered:
	case turn:
		c.function.set(c.server.watch.after(c.lease.Timeout()))
	default:
		c.function.clear()
	}
}

// endTurns stops the function's clock for good. It reports whether it was in time.
func (c *conn) endTurns() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = true
	return c.function.clear()
}

// readAnswerHead reads until upIn[upR:] begins with a head, and returns its length.
func (c *conn) readAnswerHead(up *procman.Conn) (int, error) {
	scanned := 0
	for {
		if n, err := http1.HeadEnd(c.upIn[c.upR:c.upW], &scanned); n > 0 || err != nil {
			return n, err
		}
		if c.upW == len(c.upIn) {
			if c.upR == 0 && len(c.upIn) == largeBuffer {
				return 0, errors.New("read answer: its head is too long")
			}
			rest := append([]byte(nil), c.upIn[c.upR:c.upW]...)
			c.widen()
			c.upW = copy(c.upIn, rest)
		}
		n, err := up.Read(c.upIn[c.upW:])
		if c.upW += n; n == 0 && err != nil {
			return 0, noEOF(err)
		}
	}
}

// passInformation passes on an answer that is not the final one, to clients that
// know of these. 100 is only for those who wait for it.
func (c *conn) passInformation() error {
	answer := &c.answer
	if c.head.Minor == 0 || answer.Status == http.StatusContinue && !c.head.Continue {
		return nil
	}
	b := append(make([]byte, 0, 256), "HTTP/1.1 "...)
	b = append(append(b, answer.Line...), '\r', '\n')
	for i := range answer.Fields {
		switch f := &answer.Fields[i]; f.ID {
		case http1.Other:
			b = http1.AppendField(b, f.Name, f.Value)
		}
	}
	if err := c.write(append(b, '\r', '\n')); err != nil {
		c.abort(errClientLeft)
		return err
	}
	return nil
}
