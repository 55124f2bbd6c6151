package packfile

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/klauspost/compress/zlib"
)

// maxDepth is how long chains of deltas may become by copying them from several
// packs into one.
const maxDepth = 50

// A Selection says what a pack is to hold and what the reader of it can do.
type Selection struct {
	Set     *Set
	Objects Bits
	// Has, if set, are objects that the reader has: deltas may build on them.
	Has Bits
	// OffsetDeltas allows deltas that name their base by its place.
	OffsetDeltas bool
	// Progress is called after every object. Its error ends the writing.
	Progress func(stage string, done, total int) error
}

// Write writes the selected objects as a pack. Objects are copied as they lie
// there wherever that is possible, so that little memory or time is spent.
func Write(w io.Writer, selection Selection) error {
	_, _, err := write(w, selection, false)
	return err
}

// Create writes the selected objects as a pack on disk with its index, synced,
// into dir. It returns the name that its files share.
func Create(dir string, selection Selection) (string, error) {
	selection.Has, selection.OffsetDeltas = nil, true
	file, err := os.CreateTemp(dir, TempPrefix)
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name()) // unless it has got its name by then
	defer file.Close()
	entries, packHash, err := write(file, selection, true)
	if err != nil {
		return "", err
	}
	if err := file.Sync(); err != nil {
		return "", err
	}
	sortEntries(entries)
	name := fmt.Sprintf("pack-%x", packHash)
	return name, place(file.Name(), filepath.Join(dir, name), entries, packHash)
}

// A packWriter writes one pack.
type packWriter struct {
	Selection
	out     *bufio.Writer
	written int64
	crc     uint32  // of the entry being written
	offsets []int64 // where each object was written, 0: not yet
	depth   []uint8 // of its chain of deltas
	busy    Bits    // waits for its base
	entries []entry // for the index, if there is to be one
	keep    bool    // entries
	zlib    *zlib.Writer
	buffer  []byte
	done    int
	total   int
}

func write(w io.Writer, selection Selection, keep bool) ([]entry, [hashSize]byte, error) {
	sum := sha1.New()
	p := &packWriter{
		Selection: selection,
		out:       bufio.NewWriterSize(io.MultiWriter(w, sum), 32<<10),
		offsets:   make([]int64, selection.Set.Len()),
		depth:     make([]uint8, selection.Set.Len()),
		busy:      selection.Set.NewBits(),
		keep:      keep,
		buffer:    make([]byte, 64<<10),
		total:     selection.Objects.Count(),
	}
	var packHash [hashSize]byte
	head := binary.BigEndian.AppendUint32([]byte(packMagic), 2)
	p.Write(binary.BigEndian.AppendUint32(head, uint32(p.total)))
	for i, pack := range p.Set.packs {
		order, err := pack.byOffset()
		if err != nil {
			return nil, packHash, err
		}
		for _, pos := range order {
			if id := ID(p.Set.starts[i] + int(pos)); p.Objects.Has(id) {
				if err := p.object(id); err != nil {
					return nil, packHash, fmt.Errorf("write object %s: %w", pack.Hash(int(pos)), err)
				}
			}
		}
	}
	if err := p.out.Flush(); err != nil {
		return nil, packHash, err
	}
	sum.Sum(packHash[:0])
	_, err := w.Write(packHash[:])
	return p.entries, packHash, err
}

// Write implements io.Writer. It accounts for what goes out; an error stays in
// the buffer below and comes back from its Flush.
func (p *packWriter) Write(b []byte) (int, error) {
	p.written += int64(len(b))
	p.crc = crc32.Update(p.crc, crc32.IEEETable, b)
	return p.out.Write(b)
}

// object writes an object, and before it the objects that its delta builds on.
func (p *packWriter) object(id ID) error {
	todo := []ID{id}
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		if p.offsets[id] != 0 {
			todo = todo[:len(todo)-1]
			continue
		}
		pack, pos := p.Set.Locate(id)
		offset, length, err := pack.extent(pos)
		if err != nil {
			return err
		}
		first := p.buffer[:min(length, int64(len(p.buffer)))]
		if _, err := pack.file.ReadAt(first, offset); err != nil {
			return err
		}
		h, err := readHeader(bytes.NewReader(first))
		if err != nil {
			return err
		}
		base, usable, err := p.base(pack, offset, h)
		if err != nil {
			return err
		}
		if usable && p.Objects.Has(base) && p.offsets[base] == 0 {
			if p.busy.Add(id) && !p.busy.Has(base) {
				todo = append(todo, base)
				continue
			}
			usable = false // its base waits for it in turn
		}
		p.offsets[id] = p.written
		p.crc = 0
		switch {
		case h.kind.IsDelta() && usable:
			err = p.copyDelta(id, base, pack, pos, offset, length, first, h)
		case h.kind.IsDelta():
			err = p.whole(pack, pos)
		default:
			err = p.copyRaw(first, pack, pos, offset, length, 0)
		}
		if err != nil {
			return err
		}
		if p.keep {
			p.entries = append(p.entries, entry{hash: pack.Hash(pos), crc: p.crc, offset: p.offsets[id]})
		}
		todo = todo[:len(todo)-1]
		p.done++
		if p.Progress != nil {
			if err := p.Progress("Writing objects", p.done, p.total); err != nil {
				return err
			}
		}
	}
	return nil
}

// base returns what a delta builds on and whether the reader can use it.
func (p *packWriter) base(pack *Pack, offset int64, h header) (ID, bool, error) {
	if !h.kind.IsDelta() {
		return 0, false, nil
	}
	hash := h.base
	if h.kind == plumbing.OFSDeltaObject {
		pos, ok := pack.at(offset - h.back)
		if !ok {
			return 0, false, errBase
		}
		hash = pack.Hash(pos)
	}
	id, ok := p.Set.Find(hash)
	if !ok {
		return 0, false, errBase
	}
	if p.Objects.Has(id) {
		return id, p.depth[id] < maxDepth, nil
	}
	return id, p.Has != nil && p.Has.Has(id), nil
}

// copyDelta writes a delta with a header that names its base for this pack.
func (p *packWriter) copyDelta(id, base ID, pack *Pack, pos int, offset, length int64, first []byte, h header) error {
	out := header{kind: plumbing.REFDeltaObject, size: h.size, base: p.Set.Hash(base)}
	if at := p.offsets[base]; at != 0 {
		p.depth[id] = p.depth[base] + 1
		if p.OffsetDeltas {
			out.kind, out.back = plumbing.OFSDeltaObject, p.offsets[id]-at
		}
	}
	p.Write(appendHeader(nil, out))
	return p.copyRaw(first, pack, pos, offset, length, h.length)
}

// copyRaw copies an entry without its first skip bytes, and makes sure that it is
// what once was written.
func (p *packWriter) copyRaw(first []byte, pack *Pack, pos int, offset, length, skip int64) error {
	crc := crc32.ChecksumIEEE(first)
	if _, err := p.Write(first[skip:]); err != nil {
		return err
	}
	for at := int64(len(first)); at < length; {
		part := p.buffer[:min(length-at, int64(len(p.buffer)))]
		if _, err := pack.file.ReadAt(part, offset+at); err != nil {
			return err
		}
		crc = crc32.Update(crc, crc32.IEEETable, part)
		if _, err := p.Write(part); err != nil {
			return err
		}
		at += int64(len(part))
	}
	if crc != pack.index.crc(pos) {
		return errDamaged
	}
	return nil
}

var errDamaged = errors.New("it is damaged on disk: its checksum is wrong")

// whole writes an object that lies there as a delta but cannot be one here.
func (p *packWriter) whole(pack *Pack, pos int) error {
	c, err := pack.content(pos, -1)
	if err != nil {
		return err
	}
	defer c.drop()
	p.Write(appendHeader(nil, header{kind: c.kind, size: c.size}))
	if p.zlib == nil {
		p.zlib = zlib.NewWriter(p)
	}
	p.zlib.Reset(p)
	if _, err := io.Copy(p.zlib, c.reader()); err != nil {
		return err
	}
	return p.zlib.Close()
}

// byOffset returns the positions of a pack's objects in the order in which they
// lie there.
func (p *Pack) byOffset() ([]uint32, error) {
	p.orderOnce.Do(func() {
		offsets := make([]int64, p.Len())
		order := make([]uint32, p.Len())
		for pos := range order {
			if offsets[pos], p.orderErr = p.index.offset(pos); p.orderErr != nil {
				return
			}
			order[pos] = uint32(pos)
		}
		slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(offsets[a], offsets[b]) })
		p.order = order
	})
	return p.order, p.orderErr
}

// rank returns how many objects lie before an offset.
func (p *Pack) rank(offset int64) int {
	return sort.Search(len(p.order), func(i int) bool {
		at, _ := p.index.offset(int(p.order[i])) // byOffset has seen it
		return at >= offset
	})
}

// at returns the position of the object at an offset.
func (p *Pack) at(offset int64) (int, bool) {
	if _, err := p.byOffset(); err != nil {
		return 0, false
	}
	i := p.rank(offset)
	if i == len(p.order) {
		return 0, false
	}
	pos := int(p.order[i])
	at, err := p.index.offset(pos)
	return pos, err == nil && at == offset
}

// extent returns where an object starts and how long it is, header included.
func (p *Pack) extent(pos int) (offset, length int64, err error) {
	if offset, err = p.index.offset(pos); err != nil {
		return 0, 0, err
	}
	if _, err := p.byOffset(); err != nil {
		return 0, 0, err
	}
	end := p.end
	if i := p.rank(offset + 1); i < len(p.order) {
		if end, err = p.index.offset(int(p.order[i])); err != nil {
			return 0, 0, err
		}
	}
	if offset < packHeaderBytes || end <= offset {
		return 0, 0, errIndex
	}
	return offset, end - offset, nil
}
