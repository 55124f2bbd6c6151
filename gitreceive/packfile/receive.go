package packfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"crypto/sha1"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/klauspost/compress/zlib"
)

const (
	packMagic       = "PACK"
	packHeaderBytes = 12
)

// Limits bound what a pack may hold.
type Limits struct {
	PackBytes   int64 // as it comes over the wire
	ObjectBytes int64 // of one object, inflated
	Objects     int
}

// A LimitError says which limit a pack exceeds.
type LimitError struct {
	What  string // "pack", "object" or "objects"
	Limit int64
}

func (e *LimitError) Error() string {
	if e.What == "objects" {
		return fmt.Sprintf("the pack has more than %d objects", e.Limit)
	}
	return fmt.Sprintf("the %s is larger than %d bytes", e.What, e.Limit)
}

// Options say how a pack is received.
type Options struct {
	Dir    string // where the pack and its index go
	Limits Limits
	Cache  *Cache
	// Find returns an object that the pack does not hold but builds a delta on.
	Find func(plumbing.Hash) (*Pack, int, bool)
	// Object is called for every commit, tree and tag, and for blobs of at most
	// SmallBlob bytes, in no particular order. The content is only lent.
	Object func(plumbing.ObjectType, plumbing.Hash, []byte) error
	// Progress is called after every object, twice for one that is a delta. Its
	// error ends the receiving.
	Progress func(stage string, done, total int) error
}

// SmallBlob is the size up to which Options.Object sees blobs.
const SmallBlob = 1024

// maxParsed is the size of the largest commit, tree or tag.
const maxParsed = 16 << 20

// A Received is a pack that was received: complete, synced, indexed, and checked
// but for what its objects refer to.
type Received struct {
	Name    string // of its files, without extension
	Objects int
	Bytes   int64
	entries []entry // sorted by hash
}

// Kind returns what an object of the pack is.
func (r *Received) Kind(h plumbing.Hash) (plumbing.ObjectType, bool) {
	i, ok := slices.BinarySearchFunc(r.entries, h, func(e entry, h plumbing.Hash) int { return bytes.Compare(e.hash[:], h[:]) })
	if !ok {
		return 0, false
	}
	return r.entries[i].kind, true
}

// Receive reads a pack from r, resolves it and writes it with its index into
// Options.Dir. It reads no byte beyond the pack's end from r, except into r's own
// buffer. A pack without objects is received as a Received without a name.
func Receive(r io.Reader, options Options) (*Received, error) {
	file, err := os.CreateTemp(options.Dir, TempPrefix)
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name()) // unless it has got its name by then
	defer file.Close()
	x := &receiver{options: options, file: file}
	x.wire = newWire(r, file, options.Limits.PackBytes)
	x.sum = newObjectHash()
	if err := x.scan(); err != nil {
		return nil, err
	}
	if len(x.entries) == 0 {
		return &Received{}, nil
	}
	if err := x.resolve(); err != nil {
		return nil, err
	}
	return x.finish()
}

// A receiver is a pack on its way in. First scan reads it as a stream, writing it
// to the file and hashing what is no delta; then resolve reads the deltas back.
type receiver struct {
	options Options
	file    *os.File
	wire    *wire
	sum     *objectHash
	zlib    io.ReadCloser
	count   int     // what the pack's header says
	entries []entry // by offset, until finish sorts them
	end     int64   // of the last entry
	scratch []byte
	deltas  deltas
}

var errNotPack = errors.New("this is not a packfile")

func (x *receiver) scan() error {
	var head [packHeaderBytes]byte
	if _, err := io.ReadFull(x.wire.buffer, head[:]); err != nil {
		return fmt.Errorf("read pack: %w", noEOF(err))
	}
	if string(head[:4]) != packMagic {
		return errNotPack
	}
	if v := binary.BigEndian.Uint32(head[4:]); v != 2 && v != 3 {
		return fmt.Errorf("pack version %d is not supported", v)
	}
	count := binary.BigEndian.Uint32(head[8:])
	if limit := x.options.Limits.Objects; limit > 0 && int64(count) > int64(limit) {
		return &LimitError{"objects", int64(limit)}
	}
	x.count = int(count)
	x.entries = make([]entry, 0, min(x.count, 1<<20)) // the memory is taken as it is filled
	for i := range x.count {
		if err := x.scanEntry(); err != nil {
			return fmt.Errorf("read object %d of %d of the pack: %w", i+1, x.count, err)
		}
		if err := x.progress("Receiving objects", i+1, x.count); err != nil {
			return err
		}
	}
	x.end = x.wire.offset()
	want := x.wire.endSum()
	var trailer [hashSize]byte
	if _, err := io.ReadFull(x.wire.buffer, trailer[:]); err != nil {
		return fmt.Errorf("read pack: %w", noEOF(err))
	}
	if trailer != want {
		return errors.New("the pack was damaged on its way: its checksum is wrong")
	}
	return x.wire.finish()
}

func (x *receiver) progress(stage string, done, total int) error {
	if x.options.Progress == nil {
		return nil
	}
	return x.options.Progress(stage, done, total)
}

func (x *receiver) scanEntry() error {
	offset := x.wire.beginEntry()
	h, err := readHeader(x.wire.buffer)
	if err != nil {
		return noEOF(err)
	}
	if limit := x.options.Limits.ObjectBytes; limit > 0 && h.size > limit {
		return &LimitError{"object", limit}
	}
	z, err := resetZlib(&x.zlib, x.wire.buffer)
	if err != nil {
		return err
	}
	e := entry{offset: offset}
	switch {
	case h.kind == plumbing.OFSDeltaObject:
		if h.back > offset-packHeaderBytes {
			return errBase
		}
		x.deltas.addOffset(offset-h.back, len(x.entries))
		err = copyExactly(io.Discard, z, h.size)
	case h.kind == plumbing.REFDeltaObject:
		x.deltas.addReference(h.base, len(x.entries))
		err = copyExactly(io.Discard, z, h.size)
	case h.kind == plumbing.BlobObject && h.size > SmallBlob:
		x.sum.begin(h.kind, h.size)
		if err = copyExactly(x.sum, z, h.size); err == nil {
			e.kind = h.kind
			e.hash, err = x.sum.end()
		}
	default:
		err = x.scanParsed(&e, h, z)
	}
	if err != nil {
		return err
	}
	if err := x.wire.err; err != nil {
		return err
	}
	e.crc = x.wire.endEntry()
	x.entries = append(x.entries, e)
	return nil
}

// scanParsed reads an object that is looked into.
func (x *receiver) scanParsed(e *entry, h header, z io.Reader) error {
	if h.size > maxParsed {
		return &LimitError{h.kind.String(), maxParsed}
	}
	data, err := x.readAll(z, h.size)
	if err != nil {
		return err
	}
	return x.see(e, h.kind, data)
}

// readAll reads size bytes into a buffer that the next call uses again. It grows
// with what comes and not with what is said to come.
func (x *receiver) readAll(z io.Reader, size int64) ([]byte, error) {
	const step = 1 << 20
	data := x.scratch[:0]
	for int64(len(data)) < size {
		n := int(min(size-int64(len(data)), step))
		data = slices.Grow(data, n)
		if _, err := io.ReadFull(z, data[len(data):len(data)+n]); err != nil {
			return nil, noEOF(err)
		}
		data = data[:len(data)+n]
	}
	if cap(data) <= largeBytes {
		x.scratch = data
	} else {
		x.scratch = nil
	}
	return data, expectEnd(z)
}

// see hashes an object and shows it to who wants to look into it.
func (x *receiver) see(e *entry, kind plumbing.ObjectType, data []byte) error {
	x.sum.begin(kind, int64(len(data)))
	x.sum.Write(data)
	var err error
	if e.hash, err = x.sum.end(); err != nil {
		return err
	}
	e.kind = kind
	if x.options.Object == nil || kind == plumbing.BlobObject && len(data) > SmallBlob {
		return nil
	}
	return x.options.Object(kind, e.hash, data)
}

// finish gives the pack the bases it lacked, its checksum, its index and its name.
func (x *receiver) finish() (*Received, error) {
	var packHash [hashSize]byte
	if len(x.entries) > x.count {
		var err error
		if packHash, err = x.rewriteTrailer(); err != nil {
			return nil, err
		}
	} else {
		packHash = x.wire.packSum
	}
	sortEntries(x.entries)
	if err := x.file.Sync(); err != nil {
		return nil, err
	}
	info, err := x.file.Stat()
	if err != nil {
		return nil, err
	}
	received := &Received{Name: fmt.Sprintf("pack-%x", packHash), Objects: len(x.entries), Bytes: info.Size(), entries: x.entries}
	return received, place(x.file.Name(), filepath.Join(x.options.Dir, received.Name), x.entries, packHash)
}

// place writes the index of a pack and gives both their names, the pack first:
// what has an index is complete.
func place(temp, base string, entries []entry, packHash [hashSize]byte) error {
	index, err := os.CreateTemp(filepath.Dir(base), TempPrefix)
	if err != nil {
		return err
	}
	err = writeIndex(index, entries, packHash)
	if err == nil {
		err = index.Sync()
	}
	if cerr := index.Close(); err == nil {
		err = cerr
	}
	for _, name := range []string{temp, index.Name()} {
		if err == nil {
			err = os.Chmod(name, 0o444)
		}
	}
	if err == nil {
		err = os.Rename(temp, base+".pack")
	}
	if err == nil {
		err = os.Rename(index.Name(), base+".idx")
	}
	return err
}

// rewriteTrailer corrects the number of objects in the header and appends the
// checksum of the whole file.
func (x *receiver) rewriteTrailer() ([hashSize]byte, error) {
	var packHash [hashSize]byte
	var count [4]byte
	binary.BigEndian.PutUint32(count[:], uint32(len(x.entries)))
	if _, err := x.file.WriteAt(count[:], 8); err != nil {
		return packHash, err
	}
	sum := sha1.New()
	if _, err := io.CopyBuffer(onlyWriter{sum}, io.NewSectionReader(x.file, 0, x.end), make([]byte, 256<<10)); err != nil {
		return packHash, err
	}
	sum.Sum(packHash[:0])
	_, err := x.file.WriteAt(packHash[:], x.end)
	return packHash, err
}

// appendBase appends an object that the pack lacks.
func (x *receiver) appendBase(c *content, h plumbing.Hash) error {
	e := entry{hash: h, offset: x.end, kind: c.kind}
	crc := crc32.NewIEEE()
	w := &countingWriter{w: io.MultiWriter(io.NewOffsetWriter(x.file, x.end), crc)}
	b := bufio.NewWriterSize(w, 64<<10)
	b.Write(appendHeader(nil, header{kind: c.kind, size: c.size}))
	z := zlib.NewWriter(b)
	if _, err := io.Copy(z, c.reader()); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return err
	}
	e.crc = crc.Sum32()
	x.end += w.n
	x.entries = append(x.entries, e)
	return nil
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
