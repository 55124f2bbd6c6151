package gitreceive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// The longest packet line, and the longest that carries data on a side band of
// the two sizes that there are.
const (
	maxPacket        = 65520
	maxPayload       = maxPacket - 4
	sideBand64k      = maxPacket - 5
	sideBandSmall    = 1000 - 5
	bandData         = 1
	bandProgress     = 2
	bandFatal        = 3
	maxPacketsInList = 100_000 // of commands, haves or options in one request
)

// A packet is one packet line. The three special ones have no data.
type packet struct {
	data []byte // without the line end; only valid until the next is read
	kind packetKind
}

type packetKind int

const (
	packetData packetKind = iota
	packetFlush
	packetDelimiter
	packetResponseEnd
)

var errPacket = errors.New("malformed packet line")

// A packetReader reads packet lines. What it has not read of its source is left
// there, for the pack that follows.
type packetReader struct {
	r      *bufio.Reader
	buffer []byte
}

func newPacketReader(r io.Reader) *packetReader {
	return &packetReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns io.EOF only where a line would begin.
func (p *packetReader) next() (packet, error) {
	var head [4]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return packet{}, err
	}
	length := 0
	for _, c := range head {
		digit := bytes.IndexByte([]byte("0123456789abcdef"), c|0x20)
		if digit < 0 || c|0x20 != c && c < 'A' {
			return packet{}, errPacket
		}
		length = length<<4 | digit
	}
	switch {
	case length == 0:
		return packet{kind: packetFlush}, nil
	case length == 1:
		return packet{kind: packetDelimiter}, nil
	case length == 2:
		return packet{kind: packetResponseEnd}, nil
	case length < 4 || length > maxPacket:
		return packet{}, errPacket
	}
	if p.buffer == nil {
		p.buffer = make([]byte, maxPayload)
	}
	data := p.buffer[:length-4]
	if _, err := io.ReadFull(p.r, data); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return packet{}, err
	}
	return packet{data: bytes.TrimSuffix(data, []byte("\n"))}, nil
}

// list calls each for every line up to the next special packet, which it returns.
func (p *packetReader) list(each func(line []byte) error) (packetKind, error) {
	for range maxPacketsInList {
		packet, err := p.next()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil || packet.kind != packetData {
			return packet.kind, err
		}
		if err := each(packet.data); err != nil {
			return packetData, err
		}
	}
	return packetData, fmt.Errorf("more than %d lines in one request", maxPacketsInList)
}

// A packetWriter writes packet lines. The first error sticks.
type packetWriter struct {
	w   *bufio.Writer
	err error
}

func newPacketWriter(w io.Writer) *packetWriter {
	return &packetWriter{w: bufio.NewWriterSize(w, 64<<10)}
}

// line writes one line, which gets its line end here.
func (p *packetWriter) line(format string, args ...any) {
	p.data(append(fmt.Appendf(nil, format, args...), '\n'))
}

func (p *packetWriter) data(data []byte) {
	if len(data) > maxPayload {
		p.err = errPacket
		return
	}
	fmt.Fprintf(p.w, "%04x", len(data)+4)
	p.w.Write(data)
}

func (p *packetWriter) delimiter() { p.w.WriteString("0001") }

func (p *packetWriter) flush() error {
	p.w.WriteString("0000")
	return p.send()
}

// send writes out what is buffered without a flush packet.
func (p *packetWriter) send() error {
	if err := p.w.Flush(); p.err == nil {
		p.err = err
	}
	return p.err
}

// A sideBand carries several streams over one. It is safe for concurrent use.
type sideBand struct {
	most int

	mu     sync.Mutex // guards what follows
	w      io.Writer
	packet []byte
}

// stream returns the writer of one of them.
func (s *sideBand) stream(band byte) io.Writer { return &bandWriter{s, band} }

type bandWriter struct {
	side *sideBand
	band byte
}

func (b *bandWriter) Write(p []byte) (int, error) {
	b.side.mu.Lock()
	defer b.side.mu.Unlock()
	written := 0
	for len(p) > 0 {
		part := p[:min(len(p), b.side.most)]
		b.side.packet = append(fmt.Appendf(b.side.packet[:0], "%04x%c", len(part)+5, b.band), part...)
		if _, err := b.side.w.Write(b.side.packet); err != nil {
			return written, err
		}
		written += len(part)
		p = p[len(part):]
	}
	return written, nil
}

// alive sends a packet without data, so that nobody in between takes a silent
// connection for a dead one.
func (s *sideBand) alive() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := fmt.Fprintf(s.w, "0005%c", bandData)
	return err
}

// keepAlive sends a sign of life while the client waits. The returned function
// ends that.
func (s *sideBand) keepAlive() (stop func()) {
	if s == nil {
		return func() {}
	}
	const pause = 5 * time.Second
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				s.alive()
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
