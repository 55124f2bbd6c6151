package gateway

import (
	"encoding/binary"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/denofn/denofn/daemon/gateway/http1"
)

// tunnel passes a WebSocket through after the function has agreed to it. It counts
// as a request until one side ends it. The gateway looks at the frames of the
// function's side just so far that it knows where one ends: when the server stops
// or the process is to go, a close frame with 1001 takes the place of the next.
func (c *conn) tunnel() {
	c.status = http.StatusSwitchingProtocols
	c.streams.Store(true)
	c.waits.Store(0) // the reader of the client sees it leave
	c.setEndless(c.lease)
	defer c.setEndless(nil)

	err := c.write(c.appendSwitchHead(c.out[:0]))
	c.out = c.out[:0]
	uploaded := make(chan struct{})
	if err == nil {
		go func() {
			defer close(uploaded)
			defer c.contain()
			c.passUp()
		}()
		c.passDown()
		c.abort(errClientLeft) // ends the reader of the client's writes
		c.nc.SetReadDeadline(longAgo)
		<-uploaded
	}
	c.detach()
	c.up.Close()
	c.nc.SetDeadline(time.Time{})
}

func (c *conn) appendSwitchHead(b []byte) []byte {
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"...)
	for i := range c.answer.Fields {
		if f := &c.answer.Fields[i]; f.ID == http1.Other {
			b = http1.AppendField(b, f.Name, f.Value)
		}
	}
	b = http1.AppendField(b, "X-Request-Id", c.id)
	return append(b, '\r', '\n')
}

// passUp passes on what the client sends until it sends no more, which ends the
// tunnel: what the function still has to say reaches a client that has closed the
// WebSocket before, as it should.
func (c *conn) passUp() {
	space := smallBuffers.Get().(*[]byte)
	defer smallBuffers.Put(space)
	buffer := *space
	for {
		n := copy(buffer, c.in[c.r:c.w])
		c.r += n
		var err error
		if n == 0 {
			n, err = c.nc.Read(buffer)
		}
		if n > 0 {
			if _, err := c.up.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			c.up.CloseWrite()
			return
		}
	}
}

// goodbye is how long a client may take to answer a close frame.
const goodbye = 5 * time.Second

// goingAway is a close frame with the status 1001.
var goingAway = []byte{0x88, 2, 1001 >> 8, 1001 & 0xff}

// passDown passes on what the function sends until that ends, or is ended.
func (c *conn) passDown() {
	var f frames
	for {
		data := c.upIn[c.upR:c.upW]
		if c.ending.Load() {
			data = data[:f.finish(data)]
		} else {
			f.note(data)
		}
		if len(data) > 0 {
			if c.write(data) != nil {
				return
			}
			c.sent += int64(len(data))
		}
		if c.ending.Load() && f.between() {
			c.leave()
			return
		}
		if len(data) == len(c.upIn) {
			c.widen()
		}
		c.upR = 0
		var err error
		c.upW, err = c.up.Read(c.upIn)
		if c.upW == 0 && err != nil {
			if !c.ending.Load() || !errors.Is(err, os.ErrDeadlineExceeded) || c.reason() != nil {
				return
			}
			c.up.SetReadDeadline(time.Time{})
		}
	}
}

// leave says goodbye to the client. Its answer goes to the function, which thus
// learns that the WebSocket is closed, and closes its side.
func (c *conn) leave() {
	if c.write(goingAway) != nil {
		return
	}
	c.up.SetReadDeadline(time.Now().Add(goodbye))
	for {
		if n, err := c.up.Read(c.upIn); n == 0 && err != nil {
			return
		}
	}
}

// frames follows the frames of a WebSocket as far as to know where one ends.
type frames struct {
	payload int64 // bytes of the present frame's payload that are still to come
	head    [14]byte
	have    int // bytes of the next frame's head
}

// between reports whether the last frame has ended and the next has not begun.
func (f *frames) between() bool { return f.payload == 0 && f.have == 0 }

// finish takes in the rest of the frame that has begun, as far as b has it, and
// returns its length.
func (f *frames) finish(b []byte) int {
	n := 0
	for n < len(b) && !f.between() {
		step := 1
		if f.payload > 0 {
			step = int(min(f.payload, int64(len(b)-n)))
		}
		f.note(b[n : n+step])
		n += step
	}
	return n
}

// note takes in the next bytes.
func (f *frames) note(b []byte) {
	for len(b) > 0 {
		if f.payload > 0 {
			n := min(f.payload, int64(len(b)))
			f.payload -= n
			b = b[n:]
			continue
		}
		f.head[f.have] = b[0]
		f.have++
		b = b[1:]
		if f.have >= 2 && f.have == headLength(f.head[1]) {
			f.payload = payloadLength(&f.head)
			f.have = 0
		}
	}
}

// headLength returns the length of a frame's head from its second byte.
func headLength(second byte) int {
	n := 2
	switch second & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if second&0x80 != 0 {
		n += 4 // the mask
	}
	return n
}

func payloadLength(head *[14]byte) int64 {
	switch n := head[1] & 0x7f; n {
	case 126:
		return int64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		return int64(binary.BigEndian.Uint64(head[2:]) & (1<<63 - 1))
	default:
		return int64(n)
	}
}
