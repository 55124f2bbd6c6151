package packfile_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"io"
	"path/filepath"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn/gitreceive/packfile"
)

var fuzzLimits = packfile.Limits{PackBytes: 1 << 20, ObjectBytes: 1 << 20, Objects: 1000}

// seal makes a pack of a body by giving it a header and a checksum.
func seal(count int, body []byte) []byte {
	pack := binary.BigEndian.AppendUint32([]byte("PACK"), 2)
	pack = binary.BigEndian.AppendUint32(pack, uint32(count))
	pack = append(pack, body...)
	sum := sha1.Sum(pack)
	return append(pack, sum[:]...)
}

// receive receives a pack into a folder of its own.
func receive(t testing.TB, pack []byte, limits packfile.Limits, find func(plumbing.Hash) (*packfile.Pack, int, bool)) (*packfile.Pack, error) {
	t.Helper()
	dir := t.TempDir()
	cache := packfile.NewCache(1 << 20)
	received, err := packfile.Receive(bytes.NewReader(pack), packfile.Options{Dir: dir, Limits: limits, Cache: cache, Find: find})
	left, _ := filepath.Glob(filepath.Join(dir, packfile.TempPrefix+"*"))
	if len(left) > 0 {
		t.Fatalf("left over: %v", left)
	}
	if err != nil || received.Name == "" {
		return nil, err
	}
	p, err := packfile.Open(filepath.Join(dir, received.Name+".idx"), cache)
	if err != nil {
		t.Fatalf("what was received cannot be opened: %v", err)
	}
	t.Cleanup(p.Close)
	return p, nil
}

// whole makes sure that every object of a pack is what its hash says, however it
// is read, and that a copy of the pack is the same.
func whole(t testing.TB, p *packfile.Pack) {
	t.Helper()
	set := packfile.NewSet([]*packfile.Pack{p})
	all := set.NewBits()
	for pos := range p.Len() {
		kind, size, err := p.Info(pos)
		if err != nil {
			t.Fatalf("Info of %s: %v", p.Hash(pos), err)
		}
		is, content, err := p.Read(pos, 1<<30)
		if err != nil || is != kind || int64(len(content)) != size {
			t.Fatalf("Read of %s: %v %d bytes, %v; Info said %v %d", p.Hash(pos), is, len(content), err, kind, size)
		}
		if h := plumbing.ComputeHash(kind, content); h != p.Hash(pos) {
			t.Fatalf("%s holds what has the hash %s", p.Hash(pos), h)
		}
		r, err := p.Open(pos)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(stream, content) {
			t.Fatalf("Open of %s gives something else than Read, %v", p.Hash(pos), err)
		}
		if id, ok := set.Find(p.Hash(pos)); ok {
			all.Add(id)
		}
	}
	for _, offsets := range []bool{false, true} {
		var out bytes.Buffer
		if err := packfile.Write(&out, packfile.Selection{Set: set, Objects: all, OffsetDeltas: offsets}); err != nil {
			t.Fatalf("Write: %v", err)
		}
		again, err := receive(t, out.Bytes(), packfile.Limits{}, nil)
		if err != nil {
			t.Fatalf("what was written cannot be received: %v", err)
		}
		if again.Len() != all.Count() {
			t.Fatalf("%d objects became %d", all.Count(), again.Len())
		}
	}
}

// FuzzReceive changes packs anywhere but in the checksum at their end.
func FuzzReceive(f *testing.F) {
	f.Add(1, []byte{0x33, 'a', 'b', 'c'})
	f.Add(1, object(3, []byte("hello"), 0, nil))
	f.Add(2, append(object(3, []byte("hello"), 0, nil), object(7, delta(5, 7, 0x90, 5, 2, '!', '!'), 0, hashOf(3, "hello"))...))
	f.Add(0, []byte{})
	f.Add(1<<31, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, count int, body []byte) {
		p, err := receive(t, seal(count, body), fuzzLimits, nil)
		if err == nil && p != nil {
			whole(t, p)
		}
	})
}

// FuzzReceiveEntries makes packs of entries whose compression is right, so that
// what is changed are their kinds, contents, bases and instructions.
func FuzzReceiveEntries(f *testing.F) {
	f.Add([]byte{3, 5, 'h', 'e', 'l', 'l', 'o', 6, 0, 7, 5, 7, 0x90, 5, 2, '!', '!'})
	f.Add([]byte{3, 5, 'h', 'e', 'l', 'l', 'o', 7, 0, 7, 5, 7, 0x90, 5, 2, '!', '!', 6, 1, 4, 7, 7, 0x90, 7})
	f.Add([]byte{1, 0, 2, 0, 4, 0, 3, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		var body []byte
		var offsets []int
		var hashes []plumbing.Hash
		for len(script) >= 3 && len(offsets) < 50 {
			kind, base := int(script[0]%8), int(script[1])
			n := min(int(script[2]), len(script)-3)
			content := script[3 : 3+n]
			if kind != 6 && kind != 7 {
				n = min(base, len(script)-2)
				content = script[2 : 2+n]
				script = script[2+n:]
			} else {
				script = script[3+n:]
			}
			offset := len(body)
			back := 0
			var ref []byte
			if len(offsets) > 0 {
				i := base % len(offsets)
				back = offset - offsets[i]
				ref = hashes[i][:]
			} else {
				ref = make([]byte, 20)
			}
			body = append(body, object(kind, content, back, ref)...)
			offsets = append(offsets, offset)
			hash := plumbing.ComputeHash(plumbing.BlobObject, content)
			if kind >= 1 && kind <= 4 {
				hash = plumbing.ComputeHash(plumbing.ObjectType(kind), content)
			}
			hashes = append(hashes, hash)
		}
		p, err := receive(t, seal(len(offsets), body), fuzzLimits, nil)
		if err == nil && p != nil {
			whole(t, p)
		}
	})
}

// object returns an entry of a pack.
func object(kind int, content []byte, back int, base []byte) []byte {
	size := len(content)
	c := byte(kind)<<4 | byte(size&15)
	var out []byte
	for size >>= 4; size > 0; size >>= 7 {
		out = append(out, c|0x80)
		c = byte(size & 0x7f)
	}
	out = append(out, c)
	switch kind {
	case 6:
		digits := []byte{byte(back & 0x7f)}
		for back >>= 7; back > 0; back >>= 7 {
			back--
			digits = append([]byte{0x80 | byte(back&0x7f)}, digits...)
		}
		out = append(out, digits...)
	case 7:
		out = append(out, base...)
	}
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write(content)
	w.Close()
	return append(out, z.Bytes()...)
}

func delta(base, target byte, instructions ...byte) []byte {
	return append([]byte{base, target}, instructions...)
}

func hashOf(kind int, content string) []byte {
	h := plumbing.ComputeHash(plumbing.ObjectType(kind), []byte(content))
	return h[:]
}
