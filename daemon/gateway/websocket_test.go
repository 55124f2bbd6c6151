package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// Opcodes of RFC 6455.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// A socket is a WebSocket client that sends the frames that a test wants.
type socket struct{ *client }

func (b *box) websocket(path string) socket {
	b.t.Helper()
	c := b.dial().say("GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	response, err := http.ReadResponse(c.r, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		b.t.Fatalf("handshake: %s %v", response.Status, response.Header)
	}
	return socket{c}
}

// send sends one frame, masked as a client's must be.
func (s socket) send(final bool, op byte, payload []byte) {
	s.t.Helper()
	if final {
		op |= 0x80
	}
	frame := []byte{op}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	mask := [4]byte{0x12, 0x34, 0x56, 0x78}
	frame = append(frame, mask[:]...)
	for i, c := range payload {
		frame = append(frame, c^mask[i%4])
	}
	if _, err := s.Write(frame); err != nil {
		s.t.Fatal(err)
	}
}

// receive returns the next message, whose frames it puts together.
func (s socket) receive() (op byte, payload []byte) {
	s.t.Helper()
	for {
		var head [2]byte
		if _, err := io.ReadFull(s.r, head[:]); err != nil {
			s.t.Fatal(err)
		}
		n := uint64(head[1])
		switch n {
		case 126:
			var size [2]byte
			io.ReadFull(s.r, size[:])
			n = uint64(binary.BigEndian.Uint16(size[:]))
		case 127:
			var size [8]byte
			io.ReadFull(s.r, size[:])
			n = binary.BigEndian.Uint64(size[:])
		}
		part := make([]byte, n)
		if _, err := io.ReadFull(s.r, part); err != nil {
			s.t.Fatal(err)
		}
		if o := head[0] & 0xf; o != opContinuation {
			op = o
		}
		payload = append(payload, part...)
		if head[0]&0x80 != 0 {
			return op, payload
		}
	}
}

// What Autobahn's cases send through a proxy arrives as it was sent: messages of
// every length of length, fragments, control frames between them, and closes.
func TestWebSocketWithDeno(t *testing.T) {
	b := openDeno(t, nil)
	s := b.websocket("/hello/ws")
	for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 1 << 20} {
		for _, op := range []byte{opText, opBinary} {
			sent := bytes.Repeat([]byte("x"), n)
			s.send(true, op, sent)
			if got, payload := s.receive(); got != op || !bytes.Equal(payload, sent) {
				t.Fatalf("%d bytes with opcode %d came back as %d with opcode %d", n, op, len(payload), got)
			}
		}
	}
	for i := range 2000 {
		s.send(true, opText, fmt.Appendf(nil, "message %d", i))
	}
	for i := range 2000 {
		if _, payload := s.receive(); string(payload) != fmt.Sprintf("message %d", i) {
			t.Fatalf("message %d came back as %q", i, payload)
		}
	}
	s.send(false, opText, []byte("frag"))
	s.send(true, opPing, []byte("are you there"))
	s.send(false, opContinuation, []byte("men"))
	s.send(true, opContinuation, []byte("ted"))
	if op, payload := s.receive(); op != opPong || string(payload) != "are you there" {
		t.Fatalf("the ping was answered with %d %q", op, payload)
	}
	if _, payload := s.receive(); string(payload) != "fragmented" {
		t.Fatalf("fragments came back as %q", payload)
	}

	s.send(true, opText, []byte("close me"))
	if op, payload := s.receive(); op != opClose || string(payload) != "\x10\xe1as asked" {
		t.Fatalf("closed with %d %q", op, payload)
	}
	s.send(true, opClose, []byte{0x10, 0xe1})
	if rest := s.ended(); rest != "" {
		t.Errorf("after the close: %q", rest)
	}
	until(t, "the function saw the close", func() bool { return strings.Contains(b.seen(), "closed 4321") })

	// The client may close too, or just leave.
	s = b.websocket("/hello/ws")
	s.send(true, opClose, []byte{0x03, 0xe8})
	if op, payload := s.receive(); op != opClose || string(payload) != "\x03\xe8" {
		t.Fatalf("a close was answered with %d %q", op, payload)
	}
	s.ended()
	b.websocket("/hello/ws").Close()
	until(t, "the function saw the client leave", func() bool { return strings.Contains(b.seen(), "closed 100") })
}

// When the server stops, an idle WebSocket is closed with 1001 at once, and the
// function learns it from the client's answer.
func TestShutdownClosesWebSockets(t *testing.T) {
	b := openDeno(t, nil)
	s := b.websocket("/hello/ws")
	s.send(true, opText, []byte("hi"))
	s.receive()
	stopped := make(chan error, 1)
	go func() { stopped <- b.server.Shutdown(context.Background()) }()
	if op, payload := s.receive(); op != opClose || string(payload) != "\x03\xe9" {
		t.Fatalf("closed with %d %x", op, payload)
	}
	s.send(true, opClose, []byte{0x03, 0xe9})
	s.ended()
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// The close frame comes between two frames of the function's, also when it is wanted
// in the middle of one.
func TestGoingAwayWaitsForTheFrame(t *testing.T) {
	b := open(t, nil, nil)
	rest := make(chan struct{})
	b.serveRaw(func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		for {
			if _, err := io.WriteString(conn, "\x82\x04ab"); err != nil {
				return
			}
			if _, ok := <-rest; !ok {
				return
			}
			io.WriteString(conn, "cd")
		}
	})
	defer close(rest)
	s := b.websocket("/hello")
	for {
		head := make([]byte, 4)
		if _, err := io.ReadFull(s.r, head); err != nil {
			t.Fatal(err)
		}
		if string(head) == "\x88\x02\x03\xe9" {
			break
		}
		if string(head) != "\x82\x04ab" {
			t.Fatalf("a frame begins with %q", head)
		}
		b.leaving.Store(true) // the release has been replaced
		rest <- struct{}{}
		if _, err := io.ReadFull(s.r, head[:2]); err != nil || string(head[:2]) != "cd" {
			t.Fatalf("a frame ends with %q, %v", head[:2], err)
		}
	}
	s.send(true, opClose, []byte{0x03, 0xe9})
	s.Close()
}
