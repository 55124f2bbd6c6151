package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/denofn/denofn/daemon/gateway/http1"
)

// Sizes of the buffers of a request that goes to a process. Most answers fit into
// the small one; a body that fills it is copied with the large one.
const (
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
)

var (
	smallBuffers = sync.Pool{New: func() any { b := make([]byte, smallBuffer); return &b }}
	largeBuffers = sync.Pool{New: func() any { b := make([]byte, largeBuffer); return &b }}
)

func (c *conn) takeBuffers() {
	c.outSpace, c.upSpace = smallBuffers.Get().(*[]byte), smallBuffers.Get().(*[]byte)
	c.out, c.upIn = (*c.outSpace)[:0], *c.upSpace
	c.upR, c.upW = 0, 0
}

func (c *conn) freeBuffers() {
	if c.outSpace != nil {
		smallBuffers.Put(c.outSpace)
		putBuffer(c.upSpace)
	}
	c.outSpace, c.upSpace, c.out, c.upIn = nil, nil, nil, nil
	c.pieces = [3][]byte{}
}

func putBuffer(b *[]byte) {
	if len(*b) == largeBuffer {
		largeBuffers.Put(b)
		return
	}
	smallBuffers.Put(b)
}

// widen exchanges the input buffer, which is empty, for a large one.
func (c *conn) widen() {
	if len(*c.upSpace) < largeBuffer {
		putBuffer(c.upSpace)
		c.upSpace = largeBuffers.Get().(*[]byte)
	}
	c.upIn = *c.upSpace
	c.upR, c.upW = 0, 0
}

// passBack passes the answer on whose head Send has read.
func (c *conn) passBack() (keep bool) {
	answer := &c.answer
	c.status = answer.Status
	c.streams.Store(true)
	keep = !c.closes()
	body := answer.Body
	if body < 0 && c.head.Minor == 0 {
		keep = false // the end of the connection is the end of the body
	}
	c.out = c.appendAnswerHead(c.out[:0], keep)

	var err error
	ended := false // before its end, because it had none
	switch {
	case body == 0:
		err = c.write(c.out)
	case body > 0:
		err = c.passLength(int64(body))
	default:
		ended, err = c.passStream(body)
	}
	complete := c.endUpload()
	cause := c.detach()
	// Who has sent a body piece by piece cannot know that all of it has been read.
	if err == nil && cause == nil && !ended && !answer.Close && complete && c.upload == nil && c.upR == c.upW {
		c.up.Keep()
	} else {
		c.up.Close()
	}
	if err != nil {
		c.cut = true
		if c.failure = err; cause != nil {
			c.failure = cause
		}
	}
	return keep && complete && err == nil
}

// appendAnswerHead appends the head that the client gets: the function's, without
// what was for this hop, and with what is for the next.
func (c *conn) appendAnswerHead(b []byte, keep bool) []byte {
	answer := &c.answer
	b = append(b, "HTTP/1.1 "...)
	b = append(b, answer.Line...)
	b = append(b, '\r', '\n')
	hasDate := false
	for i := range answer.Fields {
		f := &answer.Fields[i]
		switch f.ID {
		case http1.Connection, http1.KeepAlive, http1.ProxyConnection, http1.TransferEncoding, http1.TE, http1.Upgrade, http1.XRequestID:
			continue
		case http1.ContentLength:
			// Of an answer without a body it is that of the body which is not there.
			if answer.Body != 0 || answer.Status < 200 || answer.Status == http.StatusNoContent {
				continue
			}
		case http1.Date:
			hasDate = true
		case http1.Other:
			if answer.NamesHops && http1.NamedByConnection(answer.Fields, f.Name) {
				continue
			}
		}
		b = http1.AppendField(b, f.Name, f.Value)
	}
	if !hasDate {
		b = c.appendDate(b)
	}
	switch {
	case answer.Body > 0:
		b = appendLength(b, int64(answer.Body))
	case answer.Body < 0 && c.head.Minor == 1:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	return c.endHead(b, keep)
}

// beginHead appends the first lines of a head of the gateway's own.
func (c *conn) beginHead(b []byte, status int) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	b = append(b, '\r', '\n')
	return c.appendDate(b)
}

func (c *conn) appendDate(b []byte) []byte {
	b = append(b, "Date: "...)
	b = append(b, c.server.watch.date()...)
	return append(b, '\r', '\n')
}

func appendLength(b []byte, n int64) []byte {
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, n, 10)
	return append(b, '\r', '\n')
}

// endHead appends the last lines of every head.
func (c *conn) endHead(b []byte, keep bool) []byte {
	b = http1.AppendField(b, "X-Request-Id", c.id)
	if c.options.ServerTiming {
		b = c.appendTiming(b)
	}
	switch {
	case !keep:
		b = append(b, "Connection: close\r\n"...)
	case c.head.Minor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	return append(b, '\r', '\n')
}

// passLength passes a body of n bytes on, of which some may have been read with
// the head.
func (c *conn) passLength(n int64) error {
	first := c.upIn[c.upR:c.upW]
	if int64(len(first)) > n {
		first = first[:n]
	}
	c.upR += len(first)
	if err := c.writeHeadAnd(first, nil); err != nil {
		return err
	}
	c.sent, n = int64(len(first)), n-int64(len(first))
	if n > smallBuffer {
		c.widen()
	}
	for n > 0 {
		read, err := c.up.Read(c.upIn[:min(n, int64(len(c.upIn)))])
		if read > 0 {
			if err := c.write(c.upIn[:read]); err != nil {
				return err
			}
			c.sent += int64(read)
			n -= int64(read)
		}
		if err != nil && n > 0 {
			return noEOF(err)
		}
	}
	return nil
}

// writeHeadAnd writes what is in out, data and its end as few writes as it takes,
// and empties out.
func (c *conn) writeHeadAnd(data, end []byte) error {
	if len(data)+len(end) <= cap(c.out)-len(c.out) {
		c.out = append(append(c.out, data...), end...)
		data, end = nil, nil
	}
	err := c.writeAll(c.out, data, end)
	c.out = c.out[:0]
	return err
}

// passStream passes on a body whose length is not known, each piece as it comes.
// ended says that it was cut off at an end of its own choice.
func (c *conn) passStream(body http1.Body) (ended bool, err error) {
	var s stream
	if isEventStream(&c.answer) {
		s.events = true
		c.setEndless(c.lease)
		defer c.setEndless(nil)
	}
	for {
		data, err := s.take(c, body)
		if err != nil {
			return false, err
		}
		if s.events && c.ending.Load() && s.betweenEvents() {
			s.done, ended = true, true
		}
		if err := c.writeChunk(data, &s); err != nil || s.done {
			return ended, err
		}
		if len(data) > 0 && len(data) >= len(c.upIn)/2 {
			c.widen()
		}
		c.upR = 0
		c.upW, err = c.up.Read(c.upIn)
		switch {
		case c.upW > 0 || err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && s.events && c.ending.Load() && c.reason() == nil:
			c.up.SetReadDeadline(time.Time{}) // go on to the end of the event
		case err == io.EOF && body == http1.UntilClose:
			s.done = true
		default:
			return false, noEOF(err)
		}
	}
}

// A stream is a body of unknown length on its way.
type stream struct {
	chunks http1.Chunks
	done   bool
	events bool
	tail   []byte // the last bytes, of events
}

// take returns the data in the input, without what frames it.
func (s *stream) take(c *conn, body http1.Body) ([]byte, error) {
	if body == http1.UntilClose {
		data := c.upIn[c.upR:c.upW]
		c.upR = c.upW
		s.note(data)
		return data, nil
	}
	n := 0 // data is moved together at the front, over what has been taken already
	for c.upR < c.upW && !s.chunks.Done() {
		taken, data, err := s.chunks.Next(c.upIn[c.upR:c.upW])
		if err != nil {
			return nil, err
		}
		n += copy(c.upIn[n:], data)
		c.upR += taken
	}
	s.done = s.chunks.Done()
	s.note(c.upIn[:n])
	return c.upIn[:n], nil
}

func (s *stream) note(data []byte) {
	if !s.events || len(data) == 0 {
		return
	}
	s.tail = append(s.tail, data[max(0, len(data)-3):]...)
	s.tail = s.tail[max(0, len(s.tail)-3):]
}

// betweenEvents reports whether what has been passed on ends with an empty line.
func (s *stream) betweenEvents() bool {
	if len(s.tail) == 0 {
		return true
	}
	for _, end := range []string{"\n\n", "\r\r", "\n\r\n"} {
		if bytes.HasSuffix(s.tail, []byte(end)) {
			return true
		}
	}
	return false
}

func isEventStream(answer *http1.Response) bool {
	for i := range answer.Fields {
		if f := &answer.Fields[i]; f.ID == http1.ContentType {
			mediaType, _, _ := bytes.Cut(f.Value, []byte{';'})
			return http1.EqualFold(bytes.TrimSpace(mediaType), "text/event-stream")
		}
	}
	return false
}

var crlf = []byte("\r\n")

// writeChunk writes the head, if that has not been written, and data as the client
// can understand it.
func (c *conn) writeChunk(data []byte, s *stream) error {
	c.sent += int64(len(data))
	if c.head.Minor == 0 {
		if len(c.out)+len(data) == 0 {
			return nil
		}
		return c.writeHeadAnd(data, nil)
	}
	end := []byte(nil)
	if len(data) > 0 {
		c.out = http1.AppendChunkHead(c.out, len(data))
		end = crlf
	}
	if s.done {
		trailers, err := s.chunks.Trailers()
		if err != nil {
			return err
		}
		end = http1.AppendLastChunk(append(make([]byte, 0, 64), end...), trailers)
	}
	if len(c.out)+len(end) == 0 {
		return nil
	}
	return c.writeHeadAnd(data, end)
}

// noEOF makes an end that came too early an error that says so.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
