package packfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
)

// An inflater decompresses one object of a pack file.
type inflater struct {
	file   io.ReaderAt
	at     int64
	buffer *bufio.Reader
	zlib   io.ReadCloser
	delta  []byte // scratch
}

// Read reads on in the file; the buffer above it asks.
func (f *inflater) Read(p []byte) (int, error) {
	n, err := f.file.ReadAt(p, f.at)
	f.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// seek moves to an entry and reads its header.
func (f *inflater) seek(file io.ReaderAt, offset int64) (header, error) {
	f.file, f.at = file, offset
	f.buffer.Reset(f)
	h, err := readHeader(f.buffer)
	if err != nil {
		return h, fmt.Errorf("object at %d: %w", offset, noEOF(err))
	}
	return h, nil
}

// inflate starts to decompress what follows the header.
func (f *inflater) inflate() (io.Reader, error) { return resetZlib(&f.zlib, f.buffer) }

func resetZlib(z *io.ReadCloser, from io.Reader) (io.Reader, error) {
	if *z == nil {
		fresh, err := zlib.NewReader(from)
		if err != nil {
			return nil, noEOF(err)
		}
		*z = fresh
		return fresh, nil
	}
	if err := (*z).(zlib.Resetter).Reset(from, nil); err != nil {
		return nil, noEOF(err)
	}
	return *z, nil
}

// readExactly fills p and makes sure that nothing follows, which also checks the
// checksum at the end of the stream.
func readExactly(r io.Reader, p []byte) error {
	if _, err := io.ReadFull(r, p); err != nil {
		return noEOF(err)
	}
	return expectEnd(r)
}

var errLonger = errors.New("object is longer than its header says")

func expectEnd(r io.Reader) error {
	var one [1]byte
	for {
		n, err := r.Read(one[:])
		if n > 0 {
			return errLonger
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// whole inflates an object that is no delta.
func (f *inflater) whole(h header, dir string) (*content, error) {
	z, err := f.inflate()
	if err != nil {
		return nil, err
	}
	c := &content{kind: h.kind, size: h.size}
	if h.size < largeBytes {
		c.data = make([]byte, h.size)
		return c, readExactly(z, c.data)
	}
	return spool(c, dir, func(w io.Writer) error { return copyExactly(w, z, h.size) })
}

func copyExactly(w io.Writer, r io.Reader, size int64) error {
	n, err := io.Copy(w, io.LimitReader(r, size))
	if err != nil {
		return err
	}
	if n != size {
		return io.ErrUnexpectedEOF
	}
	return expectEnd(r)
}

// onBase applies the delta that f stands at. A negative most is no bound.
func (f *inflater) onBase(h header, base *content, most int64, dir string) (*content, error) {
	z, err := f.inflate()
	if err != nil {
		return nil, err
	}
	var delta byteStream
	if h.size < largeBytes {
		if int64(cap(f.delta)) < h.size {
			f.delta = make([]byte, h.size)
		}
		f.delta = f.delta[:h.size]
		if err := readExactly(z, f.delta); err != nil {
			return nil, err
		}
		delta = bytes.NewReader(f.delta)
	} else {
		delta = bufio.NewReaderSize(z, 64<<10)
	}
	baseSize, err := readDeltaSize(delta)
	if err != nil {
		return nil, err
	}
	c := &content{kind: base.kind}
	if c.size, err = readDeltaSize(delta); err != nil {
		return nil, err
	}
	if baseSize != base.size {
		return nil, errDelta
	}
	if most >= 0 && c.size > most {
		return nil, ErrTooLarge
	}
	if r, ok := delta.(*bytes.Reader); ok && c.size < largeBytes && base.file == nil {
		c.data = make([]byte, c.size)
		return c, applyDelta(c.data, base.data, f.delta[len(f.delta)-r.Len():])
	}
	return spool(c, dir, func(w io.Writer) error { return streamDelta(w, c.size, base, base.size, delta) })
}
