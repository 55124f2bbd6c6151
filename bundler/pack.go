package bundler

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// A pack is one file that holds many: those of an npm package, or the remote
// modules of one set of imports. Its name is the hash of its index, and the index
// has the hash of every file, so nothing in it is taken for what it was without
// having been hashed again, and nobody pays for hashing what is not read.
//
//	"denofn pack 1\n", length of the index (8 bytes, big-endian), index (JSON), files
type pack struct {
	f     *os.File
	start int64 // of the files
	files map[string]packed
}

// packed says where a file lies in a pack.
type packed struct {
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	Hash   string `json:"hash"` // SHA-256, hex
}

const packMagic = "denofn pack 1\n"

// maxIndexBytes bounds what is read before anything of it has been verified.
const maxIndexBytes = 64 << 20

var errDamaged = errors.New("is not what was put there")

// writePack writes a pack of the files into dir and returns its name. One that is
// there already is left as it is.
func writePack(dir string, files map[string][]byte) (string, error) {
	index := make(map[string]packed, len(files))
	names := slices.Sorted(maps.Keys(files))
	var offset int64
	for _, name := range names {
		content := files[name]
		sum := sha256.Sum256(content)
		index[name] = packed{offset, int64(len(content)), hex.EncodeToString(sum[:])}
		offset += int64(len(content))
	}
	encoded, err := json.Marshal(index)
	if err != nil {
		return "", err
	}
	name := hashOf(encoded)
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return name, nil
	}
	var b bytes.Buffer
	b.WriteString(packMagic)
	binary.Write(&b, binary.BigEndian, uint64(len(encoded)))
	b.Write(encoded)
	for _, name := range names {
		b.Write(files[name])
	}
	return name, writeFile(path, b.Bytes())
}

// openPack opens the pack of that name in dir and verifies its index.
func openPack(dir, name string) (_ *pack, err error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	index, err := readIndex(f)
	if err != nil {
		return nil, err
	}
	if hashOf(index) != name {
		return nil, fmt.Errorf("pack %s %w", name, errDamaged)
	}
	p := &pack{f: f, start: int64(len(packMagic) + 8 + len(index))}
	if err := json.Unmarshal(index, &p.files); err != nil {
		return nil, fmt.Errorf("pack %s: %w", name, err)
	}
	return p, nil
}

// readIndex reads the index of a pack, which is not verified yet.
func readIndex(r io.Reader) ([]byte, error) {
	head := make([]byte, len(packMagic)+8)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(head[len(packMagic):])
	if string(head[:len(packMagic)]) != packMagic || n > maxIndexBytes {
		return nil, errors.New("file is not a pack")
	}
	index, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && uint64(len(index)) < n {
		err = io.ErrUnexpectedEOF
	}
	return index, err
}

// read returns a file of the pack. The error is errDamaged when it is not the
// file that was packed.
func (p *pack) read(name string) ([]byte, error) {
	at, ok := p.files[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	content := make([]byte, at.Bytes)
	if _, err := p.f.ReadAt(content, p.start+at.Offset); err != nil {
		return nil, fmt.Errorf("%s: %w", name, errors.Join(errDamaged, err))
	}
	if hashOf(content) != at.Hash {
		return nil, fmt.Errorf("%s %w", name, errDamaged)
	}
	return content, nil
}

func (p *pack) close() error { return p.f.Close() }

func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// writeFile writes a file of the cache, whole or not at all. What a power cut
// leaves of it is found out by its hash, so nothing waits for the disk.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// packs are the packs that one build has open.
type packs struct {
	dir string

	mu   sync.Mutex // guards open
	open map[string]*pack
}

func (p *packs) get(name string) (*pack, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one, ok := p.open[name]; ok {
		return one, nil
	}
	one, err := openPack(p.dir, name)
	if err != nil {
		return nil, err
	}
	if p.open == nil {
		p.open = make(map[string]*pack)
	}
	p.open[name] = one
	return one, nil
}

func (p *packs) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.open {
		one.close()
	}
	p.open = nil
}
