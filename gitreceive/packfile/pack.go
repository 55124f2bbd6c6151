package packfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// A Pack is a pack on disk with its index. Objects are named by their position in
// the index, 0 to Len()-1. It is safe for concurrent use, but for Close.
type Pack struct {
	base  string // path without extension
	file  *os.File
	end   int64 // of the last entry
	index *index
	cache *Cache

	orderOnce sync.Once
	order     []uint32 // positions by offset
	orderErr  error
}

// Open opens the pack whose index is at path. Its files may be removed while it
// is open.
func Open(path string, cache *Cache) (*Pack, error) {
	p := &Pack{base: strings.TrimSuffix(path, ".idx"), cache: cache}
	var err error
	if p.index, err = openIndex(path); err != nil {
		return nil, fmt.Errorf("open index: %w", err)
	}
	if p.file, err = os.Open(p.base + ".pack"); err != nil {
		p.index.close()
		return nil, fmt.Errorf("open pack: %w", err)
	}
	info, err := p.file.Stat()
	if err == nil && info.Size() < packHeaderBytes+hashSize {
		err = fmt.Errorf("%s: %w", p.file.Name(), io.ErrUnexpectedEOF)
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("open pack: %w", err)
	}
	p.end = info.Size() - hashSize
	return p, nil
}

// Close gives back the files.
func (p *Pack) Close() {
	p.cache.forget(p)
	p.file.Close()
	p.index.close()
}

// Name returns the name that the pack's files share, without extension.
func (p *Pack) Name() string { return filepath.Base(p.base) }

// dir is where large objects are put together.
func (p *Pack) dir() string { return filepath.Dir(p.base) }

// Len returns the number of objects.
func (p *Pack) Len() int { return p.index.count }

// Bytes returns the size of the pack on disk.
func (p *Pack) Bytes() int64 { return p.end + hashSize }

// Find returns the position of an object.
func (p *Pack) Find(h plumbing.Hash) (int, bool) { return p.index.find(h) }

// Hash returns the hash of the object at a position.
func (p *Pack) Hash(pos int) plumbing.Hash { return p.index.hash(pos) }

// Info returns an object's kind and size without inflating it.
func (p *Pack) Info(pos int) (plumbing.ObjectType, int64, error) {
	offset, err := p.index.offset(pos)
	if err != nil {
		return 0, 0, err
	}
	f := p.cache.inflater()
	defer p.cache.release(f)
	h, err := f.seek(p.file, offset)
	if err != nil {
		return 0, 0, err
	}
	size := h.size
	if h.kind.IsDelta() {
		if size, err = f.targetSize(); err != nil {
			return 0, 0, fmt.Errorf("object at %d: %w", offset, err)
		}
	}
	for steps := 0; h.kind.IsDelta(); steps++ {
		if offset, err = p.baseOffset(offset, h, steps); err != nil {
			return 0, 0, err
		}
		if h, err = f.seek(p.file, offset); err != nil {
			return 0, 0, err
		}
	}
	return h.kind, size, nil
}

// targetSize reads the size of what a delta makes.
func (f *inflater) targetSize() (int64, error) {
	z, err := f.inflate()
	if err != nil {
		return 0, err
	}
	r := &byteReader{r: z}
	if _, err := readDeltaSize(r); err != nil {
		return 0, err
	}
	return readDeltaSize(r)
}

// A byteReader reads single bytes, for the few at the start of a delta.
type byteReader struct {
	r   io.Reader
	one [1]byte
}

func (b *byteReader) ReadByte() (byte, error) {
	_, err := io.ReadFull(b.r, b.one[:])
	return b.one[0], err
}

var (
	errBase  = errors.New("delta without its base")
	errCycle = errors.New("deltas that build on each other")
)

// baseOffset returns where the base of a delta lies. Steps counts the deltas on
// the way, since more than there are objects is a circle.
func (p *Pack) baseOffset(offset int64, h header, steps int) (int64, error) {
	if steps > p.index.count {
		return 0, errCycle
	}
	if h.kind == plumbing.OFSDeltaObject {
		if h.back >= offset {
			return 0, errBase
		}
		return offset - h.back, nil
	}
	pos, ok := p.index.find(h.base)
	if !ok {
		return 0, errBase
	}
	return p.index.offset(pos)
}

// Read returns an object's kind and content, which the caller must not change. It
// is for objects that are known to be small; most bounds what they may have.
func (p *Pack) Read(pos int, most int64) (plumbing.ObjectType, []byte, error) {
	c, err := p.content(pos, most)
	if err != nil {
		return 0, nil, err
	}
	if c.file == nil {
		return c.kind, c.data, nil
	}
	defer c.drop()
	data := make([]byte, c.size)
	if _, err := io.ReadFull(c.reader(), data); err != nil {
		return 0, nil, err
	}
	return c.kind, data, nil
}

// Open returns an object's content as a stream.
func (p *Pack) Open(pos int) (io.ReadCloser, error) {
	offset, err := p.index.offset(pos)
	if err != nil {
		return nil, err
	}
	f := p.cache.inflater()
	h, err := f.seek(p.file, offset)
	if err == nil && !h.kind.IsDelta() {
		z, err := f.inflate()
		if err != nil {
			p.cache.release(f)
			return nil, err
		}
		return &stream{Reader: z, close: func() { p.cache.release(f) }}, nil
	}
	p.cache.release(f)
	if err != nil {
		return nil, err
	}
	c, err := p.content(pos, -1)
	if err != nil {
		return nil, err
	}
	return &stream{Reader: c.reader(), close: c.drop}, nil
}

type stream struct {
	io.Reader
	close func()
}

func (s *stream) Close() error {
	if s.close != nil {
		s.close()
		s.close = nil
	}
	return nil
}

// ErrTooLarge is in the errors about objects larger than the caller allows.
var ErrTooLarge = errors.New("object is too large")

// content inflates the object at a position and the deltas it consists of. A
// negative most is no bound.
func (p *Pack) content(pos int, most int64) (*content, error) {
	offset, err := p.index.offset(pos)
	if err != nil {
		return nil, err
	}
	c, err := p.contentAt(offset, most)
	if err != nil {
		return nil, fmt.Errorf("read object %s: %w", p.index.hash(pos), err)
	}
	return c, nil
}

func (p *Pack) contentAt(offset, most int64) (*content, error) {
	f := p.cache.inflater()
	defer p.cache.release(f)
	var chain []int64 // deltas, the outermost first
	var base *content
	for {
		if base = p.cache.get(cacheKey{p, offset}); base != nil {
			break
		}
		h, err := f.seek(p.file, offset)
		if err != nil {
			return nil, err
		}
		if !h.kind.IsDelta() {
			if most >= 0 && h.size > most && len(chain) == 0 {
				return nil, ErrTooLarge
			}
			if base, err = f.whole(h, p.dir()); err != nil {
				return nil, err
			}
			if len(chain) > 0 || h.kind != plumbing.BlobObject {
				p.cache.put(cacheKey{p, offset}, base)
			}
			break
		}
		chain = append(chain, offset)
		if offset, err = p.baseOffset(offset, h, len(chain)); err != nil {
			return nil, err
		}
	}
	for i, offset := range slices.Backward(chain) {
		h, err := f.seek(p.file, offset)
		if err != nil {
			base.drop()
			return nil, err
		}
		limit := int64(-1)
		if i == 0 {
			limit = most
		}
		next, err := f.onBase(h, base, limit, p.dir())
		base.drop()
		if err != nil {
			return nil, err
		}
		if i > 0 || next.kind != plumbing.BlobObject {
			p.cache.put(cacheKey{p, offset}, next)
		}
		base = next
	}
	if most >= 0 && base.size > most {
		base.drop()
		return nil, ErrTooLarge
	}
	return base, nil
}
