package packfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"

	"crypto/sha1"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sys/unix"
)

// An index is the .idx file of a pack: its objects sorted by hash. It is mapped,
// not read, so that the memory of a large one is the page cache's. The mapping
// ends with close, or when the index is garbage.
type index struct {
	data    []byte
	count   int
	cleanup runtime.Cleanup
}

const (
	indexMagic  = "\xfftOc\x00\x00\x00\x02"
	fanoutBytes = 256 * 4
	indexHashes = len(indexMagic) + fanoutBytes // where the hashes start
)

var errIndex = errors.New("malformed index")

func openIndex(path string) (*index, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < int64(indexHashes+2*hashSize) {
		return nil, fmt.Errorf("%s: %w", path, errIndex)
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	x := &index{data: data}
	x.cleanup = runtime.AddCleanup(x, func(data []byte) { unix.Munmap(data) }, data)
	if err := x.check(); err != nil {
		x.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return x, nil
}

// check makes sure that no lookup can leave the file.
func (x *index) check() error {
	if string(x.data[:len(indexMagic)]) != indexMagic {
		return errIndex
	}
	last := 0
	for i := range 256 {
		n := x.fanout(i)
		if n < last {
			return errIndex
		}
		last = n
	}
	x.count = last
	if len(x.data) < indexHashes+x.count*(hashSize+4+4)+2*hashSize {
		return errIndex
	}
	return nil
}

func (x *index) close() {
	if x.data != nil {
		x.cleanup.Stop()
		unix.Munmap(x.data)
		x.data = nil
	}
}

func (x *index) uint32(at int) uint32 { return binary.BigEndian.Uint32(x.data[at:]) }

func (x *index) fanout(i int) int { return int(x.uint32(len(indexMagic) + 4*i)) }

func (x *index) hashBytes(pos int) []byte {
	at := indexHashes + pos*hashSize
	return x.data[at : at+hashSize]
}

func (x *index) hash(pos int) plumbing.Hash { return plumbing.Hash(x.hashBytes(pos)) }

func (x *index) crc(pos int) uint32 { return x.uint32(indexHashes + x.count*hashSize + 4*pos) }

func (x *index) offset(pos int) (int64, error) {
	at := indexHashes + x.count*(hashSize+4) + 4*pos
	v := x.uint32(at)
	if v&(1<<31) == 0 {
		return int64(v), nil
	}
	at = indexHashes + x.count*(hashSize+4+4) + 8*int(v&^(1<<31))
	if at+8 > len(x.data)-2*hashSize {
		return 0, errIndex
	}
	large := int64(binary.BigEndian.Uint64(x.data[at:]))
	if large < 0 {
		return 0, errIndex
	}
	return large, nil
}

// find returns the position of a hash.
func (x *index) find(h plumbing.Hash) (int, bool) {
	low, high := 0, x.fanout(int(h[0]))
	if h[0] > 0 {
		low = x.fanout(int(h[0]) - 1)
	}
	for low < high {
		mid := int(uint(low+high) >> 1)
		switch c := bytes.Compare(x.hashBytes(mid), h[:]); {
		case c == 0:
			return mid, true
		case c < 0:
			low = mid + 1
		default:
			high = mid
		}
	}
	return 0, false
}

// An entry is an object of a pack that is being made.
type entry struct {
	hash   plumbing.Hash
	crc    uint32
	offset int64
	kind   plumbing.ObjectType // what it is once deltas are resolved; 0 until then
}

// sortEntries brings entries in the order of an index.
func sortEntries(entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.hash[:], b.hash[:]) })
}

// writeIndex writes the index of sorted entries.
func writeIndex(w io.Writer, entries []entry, packHash [hashSize]byte) error {
	sum := sha1.New()
	b := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	b.WriteString(indexMagic)
	put := func(v uint32) {
		var word [4]byte
		binary.BigEndian.PutUint32(word[:], v)
		b.Write(word[:])
	}
	at := 0
	for first := range 256 {
		for at < len(entries) && int(entries[at].hash[0]) <= first {
			at++
		}
		put(uint32(at))
	}
	for i := range entries {
		b.Write(entries[i].hash[:])
	}
	for i := range entries {
		put(entries[i].crc)
	}
	var large []int64
	for i := range entries {
		if offset := entries[i].offset; offset < 1<<31 {
			put(uint32(offset))
		} else {
			put(1<<31 | uint32(len(large)))
			large = append(large, offset)
		}
	}
	for _, offset := range large {
		put(uint32(offset >> 32))
		put(uint32(offset))
	}
	b.Write(packHash[:])
	if err := b.Flush(); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}
