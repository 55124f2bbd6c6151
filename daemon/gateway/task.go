package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway/http1"
)

// A Call is what a task is run with.
type Call struct {
	Function  denofn.FunctionName
	RequestID string
	Input     []byte
	Type      string // of Input, as the client says; may be empty
}

// A Result is what a task has come to. A task that fails is a result as well.
type Result struct {
	Status int // of the answer
	Type   string
	Output []byte
}

// maxTaskInput bounds the input of a task, which is held in memory.
const maxTaskInput = 1 << 20

// serveTask runs a function whose handler is a task, once, with the body of the
// request as its input. The input is read first: a slow client holds no process.
func (c *conn) serveTask(t *target) (keep bool) {
	switch {
	case c.gateway.config.Invoke == nil:
		return c.fail(failure{status: http.StatusNotFound, text: "The function is a task, which is not run by a request."})
	case string(c.head.Method) != http.MethodPost:
		return c.fail(notAllowed("POST"))
	case int64(c.head.Body) > maxTaskInput:
		return c.fail(tooLarge(maxTaskInput))
	}
	input, err := c.readInput(min(maxTaskInput, c.options.MaxBody))
	if err != nil {
		c.head.Close = true
		return c.failed(err)
	}
	c.small = input
	c.waits.Store(max(1, c.server.watch.now.Load()))
	result, err := c.gateway.config.Invoke(&c.abortable, Call{
		Function: t.name, RequestID: string(c.id), Input: input, Type: string(c.head.Get(http1.ContentType)),
	})
	c.latency = time.Since(c.began)
	if err != nil {
		return c.failed(err)
	}
	fields := []byte("Cache-Control: no-store\r\n")
	if result.Type != "" {
		fields = http1.AppendField(fields, "Content-Type", result.Type)
	}
	return c.send(result.Status, string(fields), result.Output)
}

// readInput reads the whole body of the request.
func (c *conn) readInput(limit int64) ([]byte, error) {
	if c.head.Continue {
		if err := c.write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return nil, errClientLeft
		}
	}
	u := &upload{c: c}
	began := c.server.watch.now.Load()
	input, space := make([]byte, 0, max(0, int64(c.head.Body))), make([]byte, smallBuffer)
	var chunks http1.Chunks
	for received := int64(0); ; {
		if c.head.Body >= 0 && received == int64(c.head.Body) {
			return input, nil
		}
		b := space
		if c.head.Body >= 0 {
			b = b[:min(int64(len(b)), int64(c.head.Body)-received)]
		}
		n, err := u.read(b, began, received)
		if errors.Is(err, io.EOF) {
			err = errBodyCut
		}
		if err != nil {
			return nil, err
		}
		received += int64(n)
		if c.head.Body >= 0 {
			input = append(input, b[:n]...)
			continue
		}
		for r := 0; r < n && !chunks.Done(); {
			taken, data, err := chunks.Next(b[r:n])
			if err != nil {
				return nil, badBody{err}
			}
			input = append(input, data...)
			if r += taken; chunks.Done() {
				c.ahead = append(append(c.ahead[:0], b[r:n]...), c.in[c.r:c.w]...)
				c.r = c.w
				return input, nil
			}
		}
		if int64(len(input)) > limit {
			return nil, errBodyTooLarge
		}
	}
}
