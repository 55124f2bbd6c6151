package packfile

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
)

// hashSize is the length of a SHA-1.
const hashSize = 20

// A header is what stands before the compressed data of an object in a pack.
type header struct {
	kind   plumbing.ObjectType // as it lies there: a delta is a delta
	size   int64               // inflated; of a delta, that of its instructions
	back   int64               // of an offset delta: how far before this entry its base lies
	base   plumbing.Hash       // of a reference delta
	length int64               // of the header itself
}

var errHeader = errors.New("malformed object header")

// readHeader reads the header at r. What it accepts is well formed, but back may
// point anywhere before the entry.
func readHeader(r io.ByteReader) (header, error) {
	var h header
	c, err := r.ReadByte()
	if err != nil {
		return h, err
	}
	h.length = 1
	h.kind = plumbing.ObjectType(c >> 4 & 7)
	h.size = int64(c & 15)
	for shift := 4; c&0x80 != 0; shift += 7 {
		if shift > 53 { // 60 bits: more than any pack holds
			return h, errHeader
		}
		if c, err = r.ReadByte(); err != nil {
			return h, noEOF(err)
		}
		h.length++
		h.size |= int64(c&0x7f) << shift
	}
	switch h.kind {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
	case plumbing.OFSDeltaObject:
		if h.back, err = readBack(r, &h.length); err != nil {
			return h, err
		}
	case plumbing.REFDeltaObject:
		for i := range h.base {
			if h.base[i], err = r.ReadByte(); err != nil {
				return h, noEOF(err)
			}
		}
		h.length += hashSize
	default:
		return h, fmt.Errorf("unknown object type %d", int(h.kind))
	}
	return h, nil
}

// readBack reads the distance of an offset delta, whose every continued digit
// counts one more than its bits say.
func readBack(r io.ByteReader, length *int64) (int64, error) {
	var back int64
	for i := 0; ; i++ {
		c, err := r.ReadByte()
		if err != nil {
			return 0, noEOF(err)
		}
		*length++
		back |= int64(c & 0x7f)
		if c&0x80 == 0 {
			break
		}
		if i == 7 {
			return 0, errHeader
		}
		back = (back + 1) << 7
	}
	if back <= 0 {
		return 0, errHeader
	}
	return back, nil
}

// AppendHeader appends what stands before the compressed data of an object that is
// no delta.
func AppendHeader(b []byte, kind plumbing.ObjectType, size int64) []byte {
	return appendHeader(b, header{kind: kind, size: size})
}

// appendHeader appends the header of an object or, with back or base set, delta.
func appendHeader(b []byte, h header) []byte {
	c := byte(h.kind)<<4 | byte(h.size&15)
	for rest := h.size >> 4; rest > 0; rest >>= 7 {
		b = append(b, c|0x80)
		c = byte(rest & 0x7f)
	}
	b = append(b, c)
	switch h.kind {
	case plumbing.OFSDeltaObject:
		var digits [10]byte
		i := len(digits) - 1
		digits[i] = byte(h.back & 0x7f)
		for rest := h.back >> 7; rest > 0; rest >>= 7 {
			rest--
			i--
			digits[i] = 0x80 | byte(rest&0x7f)
		}
		b = append(b, digits[i:]...)
	case plumbing.REFDeltaObject:
		b = append(b, h.base[:]...)
	}
	return b
}

// noEOF makes an end in the middle of something an error that says so.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
