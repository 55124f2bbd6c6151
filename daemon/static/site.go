package static

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// A Site is the static files of a release. It never changes, and is safe for
// concurrent use.
type Site struct {
	dir      string // of the stored files
	files    map[string]*File
	modified time.Time
	notFound *File
	cached   atomic.Int64 // bytes held in memory
}

// A File is a static file, in one or more encodings.
type File struct {
	Type      string
	Immutable bool
	hash      string
	sizes     [encodings]int64                  // 0: not in this encoding, but for Identity
	content   [encodings]atomic.Pointer[[]byte] // of small ones, once they have been asked for
}

// Open reads the index of a release on disk.
func Open(dir string) (*Site, error) {
	name := filepath.Join(dir, indexName)
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	var idx index
	if err := json.Unmarshal(text, &idx); err != nil {
		return nil, fmt.Errorf("read %s: %w", indexName, err)
	}
	if idx.Version != version {
		return nil, fmt.Errorf("read %s: version %d is not %d", indexName, idx.Version, version)
	}
	s := &Site{dir: filepath.Join(dir, dirName), files: make(map[string]*File, len(idx.Files)), modified: info.ModTime().UTC().Truncate(time.Second)}
	for name, e := range idx.Files {
		s.files[name] = &File{Type: e.Type, Immutable: e.Immutable, hash: e.Hash, sizes: e.sizes()}
	}
	s.notFound = s.files["404.html"]
	return s, nil
}

// Modified is when the release was written, to the second.
func (s *Site) Modified() time.Time { return s.modified }

// Index returns the index.html of the root, or nil.
func (s *Site) Index() *File { return s.files["index.html"] }

// NotFound returns the 404.html of the root, or nil.
func (s *Site) NotFound() *File { return s.notFound }

// Find returns the file that a decoded path means, which begins with a slash.
// isFolder says instead that the path is that of a folder which has an index.html
// and lacks the slash at its end.
func (s *Site) Find(path string) (f *File, isFolder bool) {
	name := strings.TrimPrefix(path, "/")
	if name == "" || strings.HasSuffix(name, "/") {
		return s.files[name+"index.html"], false
	}
	if f := s.files[name]; f != nil {
		return f, false
	}
	if f := s.files[name+".html"]; f != nil {
		return f, false
	}
	return nil, s.files[name+"/index.html"] != nil
}

// ETag returns the entity tag of the file in an encoding, in quotes. It derives
// from the content, so it outlives deploys that leave the file alone.
func (f *File) ETag(e Encoding) string {
	if e == Identity {
		return `"` + f.hash + `"`
	}
	return `"` + f.hash + "-" + e.String() + `"`
}

// Size returns the length of the file in an encoding.
func (f *File) Size(e Encoding) int64 { return f.sizes[e] }

// Varies reports whether there is more than one encoding.
func (f *File) Varies() bool { return f.sizes[Gzip]|f.sizes[Brotli]|f.sizes[Zstd] != 0 }

// Negotiate returns the smallest encoding that an Accept-Encoding header takes.
func (f *File) Negotiate(accept []byte) Encoding {
	if !f.Varies() {
		return Identity
	}
	best := Identity
	for _, e := range []Encoding{Brotli, Zstd, Gzip} {
		if f.sizes[e] > 0 && (best == Identity || f.sizes[e] < f.sizes[best]) && accepts(accept, e.String()) {
			best = e
		}
	}
	return best
}

// accepts reports whether an Accept-Encoding header takes the coding. A star
// stands for what is not named.
func accepts(header []byte, coding string) bool {
	star := false
	for item := range strings.SplitSeq(string(header), ",") {
		name, params, _ := strings.Cut(item, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != coding && name != "*" && (name != "x-gzip" || coding != "gzip") {
			continue
		}
		takes := !isZeroQuality(params)
		if name != "*" {
			return takes
		}
		star = takes
	}
	return star
}

func isZeroQuality(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			return strings.Trim(strings.TrimSpace(value), "0.") == ""
		}
	}
	return false
}

// Limits of what a Site keeps in memory.
const (
	maxCachedFile = 64 << 10
	maxCached     = 4 << 20
)

// Content returns the bytes of a small file, which nobody may change, or nil for
// one that has to be opened.
func (s *Site) Content(f *File, e Encoding) ([]byte, error) {
	if held := f.content[e].Load(); held != nil {
		return *held, nil
	}
	size := f.sizes[e]
	if size > maxCachedFile || s.cached.Load()+size > maxCached {
		return nil, nil
	}
	data, err := os.ReadFile(s.path(f, e))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != size {
		return nil, fmt.Errorf("static file %s has %d bytes and should have %d", f.hash, len(data), size)
	}
	if f.content[e].CompareAndSwap(nil, &data) {
		s.cached.Add(size)
	}
	return data, nil
}

// OpenFile opens the file in an encoding. The caller closes it.
func (s *Site) OpenFile(f *File, e Encoding) (*os.File, error) {
	file, err := os.Open(s.path(f, e))
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Size() != f.sizes[e] {
		err = &fs.PathError{Op: "open", Path: file.Name(), Err: fmt.Errorf("%d bytes are not %d", info.Size(), f.sizes[e])}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (s *Site) path(f *File, e Encoding) string {
	return filepath.Join(s.dir, f.hash+e.suffix())
}
