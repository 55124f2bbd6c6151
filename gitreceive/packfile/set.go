package packfile

import (
	"io"
	"math/bits"

	"github.com/go-git/go-git/v5/plumbing"
)

// A Set is several packs seen as one, with their objects numbered through, so
// that a bit an object is enough to remember something about each. Of objects
// that are in several packs only the first counts. It is safe for concurrent use.
type Set struct {
	packs  []*Pack
	starts []int // number of the first object of each
	total  int
}

// An ID is the number of an object in a Set.
type ID int

// NewSet returns the set of some packs.
func NewSet(packs []*Pack) *Set {
	s := &Set{packs: packs}
	for _, p := range packs {
		s.starts = append(s.starts, s.total)
		s.total += p.Len()
	}
	return s
}

// Len returns how many numbers there are.
func (s *Set) Len() int { return s.total }

// Packs returns the packs. The caller must not change the slice.
func (s *Set) Packs() []*Pack { return s.packs }

// Find returns the number of an object.
func (s *Set) Find(h plumbing.Hash) (ID, bool) {
	for i, p := range s.packs {
		if pos, ok := p.Find(h); ok {
			return ID(s.starts[i] + pos), true
		}
	}
	return 0, false
}

// Locate returns where an object lies.
func (s *Set) Locate(id ID) (*Pack, int) {
	low, high := 0, len(s.starts)
	for high-low > 1 {
		mid := (low + high) / 2
		if s.starts[mid] <= int(id) {
			low = mid
		} else {
			high = mid
		}
	}
	return s.packs[low], int(id) - s.starts[low]
}

// Hash returns the hash of an object.
func (s *Set) Hash(id ID) plumbing.Hash {
	p, pos := s.Locate(id)
	return p.Hash(pos)
}

// Info returns an object's kind and size.
func (s *Set) Info(id ID) (plumbing.ObjectType, int64, error) {
	p, pos := s.Locate(id)
	return p.Info(pos)
}

// Read returns an object as Pack.Read does.
func (s *Set) Read(id ID, most int64) (plumbing.ObjectType, []byte, error) {
	p, pos := s.Locate(id)
	return p.Read(pos, most)
}

// Open returns an object as Pack.Open does.
func (s *Set) Open(id ID) (io.ReadCloser, error) {
	p, pos := s.Locate(id)
	return p.Open(pos)
}

// NewBits returns room for a bit for every object.
func (s *Set) NewBits() Bits { return make(Bits, (s.total+63)/64) }

// Bits is a bit for every object of a Set.
type Bits []uint64

// Has reports whether the object's bit is set.
func (b Bits) Has(id ID) bool { return b[id/64]&(1<<(id%64)) != 0 }

// Add sets the object's bit and reports whether it was not set before.
func (b Bits) Add(id ID) bool {
	if b.Has(id) {
		return false
	}
	b[id/64] |= 1 << (id % 64)
	return true
}

// Count returns how many bits are set.
func (b Bits) Count() int {
	n := 0
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}
