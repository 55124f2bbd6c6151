package packfile

import (
	"errors"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/pjbgf/sha1cd"
)

// ErrCollision is the error of an object that was made to have the hash of
// another.
var ErrCollision = errors.New("the object is part of an attempt to make two objects with one hash")

// An objectHash computes the hash of one object after the other.
type objectHash struct {
	sum  sha1cd.CollisionResistantHash
	head []byte
	out  [hashSize]byte
}

func newObjectHash() *objectHash {
	return &objectHash{sum: sha1cd.New().(sha1cd.CollisionResistantHash)}
}

func (o *objectHash) begin(kind plumbing.ObjectType, size int64) {
	o.sum.Reset()
	o.head = append(o.head[:0], kind.Bytes()...)
	o.head = append(o.head, ' ')
	o.head = strconv.AppendInt(o.head, size, 10)
	o.head = append(o.head, 0)
	o.sum.Write(o.head)
}

func (o *objectHash) Write(p []byte) (int, error) { return o.sum.Write(p) }

func (o *objectHash) end() (plumbing.Hash, error) {
	sum, collision := o.sum.CollisionResistantSum(o.out[:0])
	if collision {
		return plumbing.ZeroHash, ErrCollision
	}
	return plumbing.Hash(sum), nil
}
