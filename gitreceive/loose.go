package gitreceive

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/klauspost/compress/zlib"

	"github.com/denofn/denofn/gitreceive/packfile"
)

// packLoose makes a pack of the objects that lie in files of their own. We never
// write such files, but git does, in a repository that somebody has copied in or
// worked on. It is done at a start, before anybody reads.
func (r *Repository) packLoose() error {
	paths, err := filepath.Glob(filepath.Join(r.dir, "objects/[0-9a-f][0-9a-f]/*"))
	if err != nil || len(paths) == 0 {
		return err
	}
	in, out := io.Pipe()
	go func() { out.CloseWithError(writeLoose(out, paths)) }()
	_, err = packfile.Receive(in, packfile.Options{Dir: r.packDir(), Cache: r.cache})
	in.Close()
	if err == nil {
		err = syncDir(r.packDir())
	}
	if err != nil {
		return fmt.Errorf("pack loose objects: %w", err)
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// writeLoose writes objects as a pack.
func writeLoose(to io.Writer, paths []string) error {
	sum := sha1.New()
	w := bufio.NewWriter(io.MultiWriter(to, sum))
	head := binary.BigEndian.AppendUint32([]byte("PACK"), 2)
	w.Write(binary.BigEndian.AppendUint32(head, uint32(len(paths))))
	z := zlib.NewWriter(w)
	for _, path := range paths {
		if err := copyLoose(w, z, path); err != nil {
			return &fs.PathError{Op: "read object", Path: path, Err: err}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := to.Write(sum.Sum(nil))
	return err
}

func copyLoose(w io.Writer, z *zlib.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	inflated, err := zlib.NewReader(f)
	if err != nil {
		return err
	}
	content := bufio.NewReader(inflated)
	head, err := content.ReadBytes(0)
	if err != nil {
		return err
	}
	kindName, sizeText, _ := bytes.Cut(head[:len(head)-1], []byte(" "))
	kind, err := plumbing.ParseObjectType(string(kindName))
	if err != nil {
		return err
	}
	size, err := strconv.ParseInt(string(sizeText), 10, 64)
	if err != nil {
		return err
	}
	if _, err := w.Write(packfile.AppendHeader(nil, kind, size)); err != nil {
		return err
	}
	z.Reset(w)
	if _, err := io.Copy(z, content); err != nil {
		return err
	}
	return z.Close()
}
