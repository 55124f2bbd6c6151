package gateway

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/denofn/denofn/daemon/gateway/http1"
	"github.com/denofn/denofn/procman"
)

// A conn is a client's connection. One goroutine runs serve: it reads a head,
// answers the request to its end, and reads the next, so requests that a client
// sends ahead wait in order. An upload or a tunnel has a second goroutine, which
// ends before the answer does. The watch and Shutdown look at it from outside,
// through what is atomic and abortable's lock.
type conn struct {
	abortable // the request

	server  *Server
	gateway *Gateway
	nc      net.Conn
	fd      int // for the watch to poll; -1: not known
	address netip.Addr
	secure  bool // TLS
	counted bool // in the server's byAddress

	phase    atomic.Int32
	sends    deadline     // by which the client must have sent something
	takes    deadline     // by which the client must have taken something
	function deadline     // by which the function must have begun its answer
	waits    atomic.Int64 // since when somebody waits for the function; 0: nobody does
	streams  atomic.Bool  // the answer has begun: the client may take its time to send
	endless  atomic.Bool  // the answer has no end of its own
	ending   atomic.Bool  // it is to end now; see endIfLeaving

	in      []byte // what has been read: a head, and what came with it
	r, w    int    // in[r:w] is not consumed
	scanned int    // of the head at in[r:]
	ahead   []byte // what an upload read too much: the next request

	out      []byte // a head for the process, then one for the client
	upIn     []byte // what has been read from the process
	upR, upW int    // upIn[upR:upW] is not consumed
	outSpace *[]byte
	upSpace  *[]byte
	pieces   [3][]byte // of a write
	writes   net.Buffers

	request
}

// A request is what a conn knows of the request that it answers.
type request struct {
	options *Options
	head    http1.Request
	answer  http1.Response
	host    host
	rawHost []byte // that host was parsed from
	trusted bool   // the peer is a trusted proxy
	id      []byte
	idSpace [16]byte
	began   time.Time
	route   route
	lease   Lease
	up      *procman.Conn
	upload  *upload
	small   []byte // a body that came with the head
	upgrade bool   // the client wants a WebSocket

	status  int           // of the answer; 0: none has been begun
	sent    int64         // bytes of its body
	cut     bool          // it ended before its end
	failure error         // why, for the log
	latency time.Duration // to the head of the answer
	waited  procman.Wait
}

// What a connection does, for Shutdown.
const (
	phaseNew  = iota // waits for its first request
	phaseIdle        // waits for another one
	phaseBusy
)

const inputSize = 4 << 10

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{server: s, gateway: s.gateway, nc: nc, fd: -1}
	if remote, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.address = remote.AddrPort().Addr().Unmap().WithZone("")
	}
	_, c.secure = nc.(*tls.Conn)
	c.control(func(fd int) { c.fd = fd })
	c.sends.set(s.watch.after(s.gateway.options.Load().HeadTimeout))
	return c
}

// serve answers requests until the connection ends.
func (c *conn) serve() {
	defer c.server.remove(c)
	defer c.nc.Close()
	defer c.contain()
	c.in = make([]byte, inputSize)
	for {
		n, err := c.readHead()
		if n == 0 && err == nil {
			return
		}
		if !c.respond(n, err) {
			break
		}
		if c.phase.Store(phaseIdle); cap(c.in) > inputSize && c.w-c.r+len(c.ahead) <= inputSize {
			c.in = append(make([]byte, 0, inputSize), c.in[c.r:c.w]...)[:inputSize]
			c.r, c.w = 0, c.w-c.r
		}
	}
	if c.cut {
		c.reset()
		return
	}
	c.linger()
}

var errBug = errors.New("the gateway has a bug, see the stack in its log")

// contain is deferred by every goroutine of a connection: a bug in answering one
// request is not to end all others. It ends the connection and the request.
func (c *conn) contain() {
	if p := recover(); p != nil {
		c.gateway.config.Logger.Error("panic while answering", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		c.nc.Close()
		c.abort(errBug)
	}
}

// readHead reads until in[r:] begins with a head, and returns its length. It
// returns 0 and no error when the connection ends before a request does.
func (c *conn) readHead() (int, error) {
	o := c.gateway.options.Load()
	c.options = o
	c.collect()
	if c.w > 0 {
		c.phase.Store(phaseBusy)
		c.sends.set(c.server.watch.after(o.HeadTimeout))
	} else if !c.waitFirst(o) {
		return 0, nil
	}
	for {
		if c.r == 0 && c.scanned == 0 && c.w >= 2 && c.in[0] == '\r' && c.in[1] == '\n' {
			c.r = 2 // some clients put an empty line after a body
		}
		n, err := http1.HeadEnd(c.in[c.r:c.w], &c.scanned)
		if n > 0 || err != nil {
			if n > o.MaxHeader {
				err = errHeadTooLong
			}
			if !c.sends.clear() {
				err = errHeadTimeout
			}
			return n, err
		}
		if c.w-c.r >= o.MaxHeader {
			return 0, errHeadTooLong
		}
		if c.w == len(c.in) {
			grown := make([]byte, min(2*len(c.in), o.MaxHeader+2))
			copy(grown, c.in)
			c.in = grown
		}
		read, _ := c.nc.Read(c.in[c.w:])
		if c.w += read; read > 0 {
			continue
		}
		if !c.sends.clear() {
			return 0, errHeadTimeout
		}
		return 0, nil // whatever it is, there is nobody to tell
	}
}

var (
	errHeadTooLong = &http1.Error{Status: 431, Reason: "The request head is too long"}
	errHeadTimeout = &http1.Error{Status: 408, Reason: "The request head took too long"}
)

// collect moves what is left of the input to its front.
func (c *conn) collect() {
	c.w = copy(c.in, c.in[c.r:c.w])
	if len(c.ahead) > 0 {
		c.in = append(c.in[:c.w], c.ahead...)
		c.w = len(c.in)
		c.in = c.in[:cap(c.in)]
		c.ahead = c.ahead[:0]
	}
	c.r, c.scanned = 0, 0
}

// waitFirst waits for the first bytes of a request. It reports false if none came.
func (c *conn) waitFirst(o *Options) bool {
	if c.phase.Load() == phaseIdle {
		timeout := o.IdleTimeout
		if c.server.stopping.Load() {
			timeout = idleGrace
		}
		c.sends.set(c.server.watch.after(timeout))
	}
	for {
		n, err := c.nc.Read(c.in)
		if n > 0 {
			c.w = n
			c.phase.Store(phaseBusy)
			if c.sends.set(c.server.watch.after(o.HeadTimeout)) {
				return true
			}
			c.nc.SetDeadline(time.Time{}) // it came in the last moment
			return true
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && c.hasInput() {
			c.nc.SetDeadline(time.Time{})
			c.sends.set(c.server.watch.after(o.HeadTimeout))
			continue
		}
		return false
	}
}

// stop is told when the server stops. A connection that waits for a request is
// given a moment for one that is on its way.
func (c *conn) stop() {
	grace := newGrace
	switch c.phase.Load() {
	case phaseBusy:
		return
	case phaseIdle:
		grace = idleGrace
	}
	at := c.sends.at.Load()
	if by := c.server.watch.after(grace + tick); at > by {
		c.sends.at.CompareAndSwap(at, by)
	}
}

// refuse answers a connection that is one too many. The answer is written without
// reading the request, and fits into any socket's buffer.
func (c *conn) refuse() {
	c.nc.SetDeadline(time.Now().Add(tick))
	io.WriteString(c.nc, refusal)
	c.nc.Close()
}

const refusal = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n\r\n503 Service Unavailable: Too many connections are open.\n"

// write writes to the client, who must not take for ever to receive it.
func (c *conn) write(b []byte) error {
	c.takes.set(c.server.watch.after(c.patience(len(b))))
	_, err := c.nc.Write(b)
	if !c.takes.clear() {
		return errClientSlow
	}
	return err
}

// writeAll is write of several pieces.
func (c *conn) writeAll(pieces ...[]byte) error {
	n, last := 0, 0
	for _, piece := range pieces {
		if len(piece) > 0 {
			c.pieces[last] = piece
			last++
			n += len(piece)
		}
	}
	if last == 1 {
		return c.write(c.pieces[0])
	}
	c.takes.set(c.server.watch.after(c.patience(n)))
	c.writes = c.pieces[:last]
	_, err := c.writes.WriteTo(c.nc)
	if !c.takes.clear() {
		return errClientSlow
	}
	return err
}

// patience is how long a client may take for n bytes.
func (c *conn) patience(n int) time.Duration {
	o := c.options
	return o.StallTimeout + time.Duration(n)*time.Second/time.Duration(o.MinRate)
}

// Limits of a lingering close.
const (
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

// linger closes the connection in such a way that the client can read the answer
// although it is still sending: closing with input unread would reset it.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.nc.SetDeadline(time.Now().Add(lingerTime))
	for n := 0; n < lingerBytes; {
		read, err := c.nc.Read(c.in)
		if n += read; err != nil {
			return
		}
	}
}

// reset makes the end of an answer whose end is the end of the connection look like
// the failure that it is.
func (c *conn) reset() {
	if tcp, ok := c.nc.(*net.TCPConn); ok && c.head.Minor == 0 {
		tcp.SetLinger(0)
	}
}

// newRequestID writes 16 hexadecimal digits that no other request has.
func newRequestID(space *[16]byte) []byte {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], rand.Uint64())
	hex.Encode(space[:], b[:])
	return space[:]
}

// isRequestID reports whether what a trusted proxy calls the request can be passed
// on and logged.
func isRequestID(b []byte) bool {
	for _, c := range b {
		if !idCharacters[c] {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 128
}

var idCharacters = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~+/=:" {
		t[c] = true
	}
	return t
}()
