package gateway

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/denofn/denofn/daemon/gateway/http1"
	"github.com/denofn/denofn/procman"
)

// An upload passes the body of a request to the process, piece by piece, while the
// answer is awaited or passed back. It has a goroutine of its own, and for as long
// as that runs the client's side of the connection is its to read.
type upload struct {
	c        *conn
	up       *procman.Conn
	done     chan struct{}
	stopped  atomic.Bool
	space    *[]byte // a small buffer, for who sends slowly, or a large one
	complete bool    // the whole body has been passed on; after done
}

var (
	errBodyTooLarge = errors.New("request body is too long")
	errBodyCut      = errors.New("request body ended before its end")
)

// A badBody is a body that is not what RFC 9112 calls one.
type badBody struct{ error }

// Unwrap returns what is wrong, an *http1.Error.
func (b badBody) Unwrap() error { return b.error }

func (c *conn) startUpload(up *procman.Conn) {
	c.upload = &upload{c: c, up: up, done: make(chan struct{})}
	go c.upload.run()
}

// stop makes the upload end where it is, and waits for that. The connection to the
// client cannot be used for another request after it.
func (u *upload) stop() {
	select {
	case <-u.done:
		return
	default:
	}
	u.stopped.Store(true)
	u.c.nc.SetReadDeadline(longAgo)
	u.up.SetWriteDeadline(longAgo)
	<-u.done
	u.c.nc.SetReadDeadline(time.Time{})
	u.up.SetWriteDeadline(time.Time{})
}

// endUpload ends what may still be uploaded when the answer has been passed back.
// It reports whether the client's connection stands after the body.
func (c *conn) endUpload() bool {
	if c.upload == nil {
		return c.small != nil || c.head.Body == 0
	}
	c.upload.stop()
	return c.upload.complete
}

func (u *upload) run() {
	defer close(u.done)
	defer u.c.contain()
	u.space = smallBuffers.Get().(*[]byte)
	defer func() { putBuffer(u.space) }()
	var err error
	if u.c.head.Body == http1.Chunked {
		err = u.passChunks()
	} else {
		err = u.passLength(int64(u.c.head.Body))
	}
	u.c.sends.clear()
	switch {
	case err == nil:
		u.complete = true
		u.c.functionsTurn(true)
	case u.stopped.Load():
	case errors.As(err, new(*functionGone)):
		// It may answer all the same: a function need not read its request.
	default:
		u.c.abort(err)
	}
}

// A functionGone is the failure to pass a piece on.
type functionGone struct{ error }

// read reads from the client, which must send at a minimal rate until the function
// has begun to answer; from then on the two may talk as they like.
func (u *upload) read(b []byte, began, received int64) (int, error) {
	c := u.c
	if c.r < c.w {
		n := copy(b, c.in[c.r:c.w])
		c.r += n
		return n, nil
	}
	c.functionsTurn(false)
	o := c.options
	by := c.server.watch.after(o.StallTimeout)
	if slowest := began + int64(o.StallTimeout) + received*int64(time.Second)/o.MinRate; received > 0 && slowest < by {
		by = slowest
	}
	c.sends.set(by)
	n, err := c.nc.Read(b)
	if !c.sends.clear() {
		return n, errClientSlow
	}
	if n == 0 && err != nil {
		if err == io.EOF {
			err = errBodyCut
		}
		return 0, err
	}
	return n, nil
}

// write passes a piece on. The function has its whole time again from here.
func (u *upload) write(b []byte) error {
	u.c.functionsTurn(true)
	if _, err := u.up.Write(b); err != nil {
		return &functionGone{err}
	}
	return nil
}

// widen takes a large buffer when n bytes have filled the small one, whose content
// has been passed on.
func (u *upload) widen(n int) {
	if len(*u.space) < largeBuffer && n >= len(*u.space)/2 {
		putBuffer(u.space)
		u.space = largeBuffers.Get().(*[]byte)
	}
}

func (u *upload) passLength(n int64) error {
	began, received := u.c.server.watch.now.Load(), int64(0)
	for received < n {
		space := *u.space
		read, err := u.read(space[:min(int64(len(space)), n-received)], began, received)
		if err != nil {
			return err
		}
		received += int64(read)
		if err := u.write(space[:read]); err != nil {
			return err
		}
		u.widen(read)
	}
	return nil
}

// Room before the data of a chunk for the line that says its size, and after it
// for the end of that chunk.
const (
	roomBefore = 16
	roomAfter  = 2
)

// passChunks takes the client's chunks apart and makes new ones: nothing of how
// the client framed its body reaches the process.
func (u *upload) passChunks() error {
	c := u.c
	var chunks http1.Chunks
	began, received, body := c.server.watch.now.Load(), int64(0), int64(0)
	for {
		space := *u.space
		in := space[roomBefore : len(space)-roomAfter]
		w, err := u.read(in, began, received)
		if err != nil {
			return err
		}
		received += int64(w)
		n, r := 0, 0 // data is moved together at the front, over what has been taken already
		for r < w && !chunks.Done() {
			taken, data, err := chunks.Next(in[r:w])
			if err != nil {
				return badBody{err}
			}
			n += copy(in[n:], data)
			r += taken
		}
		if body += int64(n); body > c.options.MaxBody {
			return errBodyTooLarge
		}
		if chunks.Done() { // before the end of the last piece is written over what is left
			c.ahead = append(append(c.ahead[:0], in[r:w]...), c.in[c.r:c.w]...)
			c.r = c.w
		}
		if n > 0 {
			if err := u.write(frame(space, n)); err != nil {
				return err
			}
		}
		if chunks.Done() {
			trailers, err := chunks.Trailers()
			if err != nil {
				return badBody{err}
			}
			return u.write(http1.AppendLastChunk(nil, trailers))
		}
		u.widen(w)
	}
}

// frame makes the n bytes at space[roomBefore:] a chunk, in place.
func frame(space []byte, n int) []byte {
	var digits [roomBefore]byte
	line := http1.AppendChunkHead(digits[:0], n)
	start := roomBefore - len(line)
	copy(space[start:], line)
	return append(space[start:roomBefore+n], '\r', '\n')
}
