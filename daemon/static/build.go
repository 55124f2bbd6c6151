package static

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/denofn/denofn"
)

// Limits of what a function may ship.
const (
	MaxFiles = 20_000
	MaxBytes = 512 << 20
)

// List returns the paths of the files that Build would take from a folder, from
// the tree's root and sorted. It reads folders, no files. The error is
// denofn.Diagnostics if it is about what was pushed.
func List(tree fs.FS, dir string) ([]string, error) {
	var paths []string
	err := fs.WalkDir(tree, dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case name == dir && errors.Is(err, fs.ErrNotExist):
			return refuse(dir, "the static folder does not exist", "commit the folder, or take the key static out of registry.json")
		case err != nil:
			return err
		case name == dir && !d.IsDir():
			return refuse(dir, "what static names is not a folder", "name the folder that holds the files")
		case name != dir && hidden(d.Name()):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			return refuse(name, "a link in the static folder cannot be served", "commit the file itself in its place")
		}
		paths = append(paths, name)
		if len(paths) > MaxFiles {
			return refuse(dir, fmt.Sprintf("the static folder has more than %d files", MaxFiles), "ship fewer files, or serve them from elsewhere")
		}
		return nil
	})
	slices.Sort(paths)
	return paths, err
}

func refuse(file, message, hint string) error {
	return denofn.Diagnostics{{File: file, Message: message, Hint: hint}}
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") && name != ".well-known" }

// A variant is one stored form of a file.
type variant struct {
	name string
	data []byte
}

// Build returns the files of a release that serve the folder dir of the tree. Its
// work grows with the bytes of the folder, half a second for a megabyte: they are
// compressed as hard as somebody who waits can bear, once, so that no request has to. The error is
// denofn.Diagnostics if it is about what was pushed.
//
// previous is the folder of an earlier release, or "": what a file was compressed
// to there is taken over where the file is still the same.
func Build(ctx context.Context, tree fs.FS, dir, previous string) (map[string][]byte, error) {
	paths, err := List(tree, dir)
	if err != nil {
		return nil, err
	}
	contents, err := readAll(tree, dir, paths)
	if err != nil {
		return nil, err
	}
	effort := brotliGood
	if compressible(paths, contents) <= maxBrotliBest {
		effort = brotli.BestCompression
	}
	old := openOld(previous, effort)
	entries := make([]entry, len(paths))
	variants := make([][]variant, len(paths))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range paths {
		group.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			entries[i], variants[i], err = store(name, contents[i], effort, old)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("compress static files: %w", err)
	}
	files := make(map[string][]byte)
	idx := index{Version: version, Effort: effort, Files: make(map[string]entry, len(paths))}
	for i, name := range paths {
		relative := name
		if dir != "." {
			relative = strings.TrimPrefix(name, dir+"/")
		}
		entries[i].Immutable = isImmutable(relative)
		idx.Files[relative] = entries[i]
		for _, v := range variants[i] {
			files[v.name] = v.data
		}
	}
	text, err := json.Marshal(idx)
	if err != nil {
		return nil, err
	}
	files[indexName] = text
	return files, nil
}

func readAll(tree fs.FS, dir string, paths []string) ([][]byte, error) {
	contents := make([][]byte, len(paths))
	total := 0
	for i, name := range paths {
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, fmt.Errorf("read static file: %w", err)
		}
		if total += len(data); total > MaxBytes {
			return nil, refuse(dir, fmt.Sprintf("the static folder is larger than %s", denofn.Bytes(MaxBytes)), "ship less, or serve it from elsewhere")
		}
		contents[i] = data
	}
	return contents, nil
}

// compressible returns the bytes of the files that are worth compressing.
func compressible(paths []string, contents [][]byte) (n int) {
	for i, name := range paths {
		if kindOf(name).compresses {
			n += len(contents[i])
		}
	}
	return n
}

// Size returns the bytes of the files that Build has put into a release, as they
// were in the folder.
func Size(files map[string][]byte) (n int64) {
	for name, data := range files {
		if strings.HasPrefix(name, dirName+"/") && path.Ext(name) == "" {
			n += int64(len(data))
		}
	}
	return n
}

// store returns the forms in which a file is kept.
func store(name string, data []byte, effort int, old *old) (entry, []variant, error) {
	sum := sha256.Sum256(data)
	k := kindOf(name)
	e := entry{Hash: hex.EncodeToString(sum[:16]), Type: k.mediaType, Bytes: int64(len(data))}
	base := path.Join(dirName, e.Hash)
	stored := []variant{{base, data}}
	if !k.compresses || len(data) < minCompress {
		return e, stored, nil
	}
	for _, encoding := range []Encoding{Gzip, Brotli, Zstd} {
		small := old.variant(e.Hash, encoding)
		if small == nil {
			var err error
			if small, err = compress(encoding, data, effort); err != nil {
				return entry{}, nil, err
			}
		}
		if len(small) > len(data)-len(data)/20 { // not worth a header
			continue
		}
		*map[Encoding]*int64{Gzip: &e.Gzip, Brotli: &e.Brotli, Zstd: &e.Zstd}[encoding] = int64(len(small))
		stored = append(stored, variant{base + encoding.suffix(), small})
	}
	return e, stored, nil
}

// minCompress is the size below which a packet has room for the file as it is.
const minCompress = 512

// Brotli at its best takes five seconds for a megabyte, and somebody waits for the
// push: that is for small sites. At level 7 it is twenty times as fast, and its
// output a tenth larger.
const (
	maxBrotliBest = 256 << 10
	brotliGood    = 7
	brotliFast    = 5
	largeFile     = 4 << 20 // from here on it is fast
)

func compress(encoding Encoding, data []byte, effort int) ([]byte, error) {
	var out bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case Gzip:
		gz, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
		if err != nil {
			return nil, err
		}
		w = gz
	case Brotli:
		level := effort
		if len(data) > largeFile {
			level = brotliFast
		}
		w = brotli.NewWriterLevel(&out, level)
	default:
		z, err := zstd.NewWriter(&out, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(windowOf(len(data))))
		if err != nil {
			return nil, err
		}
		w = z
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// windowOf returns a window that browsers accept, which is at most 8 MB.
func windowOf(n int) int {
	window := zstd.MinWindowSize
	for window < n && window < 8<<20 {
		window *= 2
	}
	return window
}
