package packfile

import (
	"bufio"
	"crypto/sha1"
	"hash"
	"hash/crc32"
	"io"
)

// A wire reads a pack from the network, and for everything that was consumed of
// it keeps the checksums and the copy on disk.
//
// Decompressors are fast only on a *bufio.Reader, which reads ahead. So the wire
// stands below the buffer, remembers the last chunk it gave, and learns from what
// is left in the buffer how much of the chunk was consumed.
type wire struct {
	source io.Reader
	file   *bufio.Writer
	buffer *bufio.Reader // read from this
	limit  int64
	chunk  []byte // the last that was given to buffer
	before int64  // bytes of the chunks before it
	seen   int    // how much of chunk has been accounted for
	sum    hash.Hash
	crc    uint32
	err    error // of writing, or the limit; sticky

	packSum [hashSize]byte
	ended   bool // all but the trailer has been consumed
}

func newWire(source io.Reader, file io.Writer, limit int64) *wire {
	w := &wire{source: source, file: bufio.NewWriterSize(file, 256<<10), limit: limit, sum: sha1.New()}
	w.buffer = bufio.NewReaderSize(w, 64<<10)
	return w
}

// Read implements io.Reader for buffer, which reads only when it is empty: so
// that all of the last chunk has been consumed.
func (w *wire) Read(p []byte) (int, error) {
	w.account(len(w.chunk))
	if w.err != nil {
		return 0, w.err
	}
	w.before += int64(len(w.chunk))
	n, err := w.source.Read(p)
	w.chunk, w.seen = p[:n], 0
	if w.limit > 0 && w.before+int64(n) > w.limit {
		w.err = &LimitError{"pack", w.limit}
		return 0, w.err
	}
	return n, err
}

// account takes the chunk up to here as consumed.
func (w *wire) account(upTo int) {
	part := w.chunk[w.seen:upTo]
	w.seen = upTo
	if len(part) == 0 {
		return
	}
	if !w.ended {
		w.sum.Write(part)
		w.crc = crc32.Update(w.crc, crc32.IEEETable, part)
	}
	if _, err := w.file.Write(part); err != nil && w.err == nil {
		w.err = err
	}
}

func (w *wire) consumed() int { return len(w.chunk) - w.buffer.Buffered() }

// offset returns how many bytes of the pack have been consumed.
func (w *wire) offset() int64 { return w.before + int64(w.consumed()) }

func (w *wire) beginEntry() int64 {
	w.account(w.consumed())
	w.crc = 0
	return w.offset()
}

func (w *wire) endEntry() uint32 {
	w.account(w.consumed())
	return w.crc
}

// endSum returns the checksum of everything before the trailer.
func (w *wire) endSum() [hashSize]byte {
	w.account(w.consumed())
	w.ended = true
	w.sum.Sum(w.packSum[:0])
	return w.packSum
}

// finish writes out what is buffered.
func (w *wire) finish() error {
	w.account(w.consumed())
	if w.err != nil {
		return w.err
	}
	return w.file.Flush()
}
