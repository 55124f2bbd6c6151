// Package static is the files of a function that are served without starting a
// process: how they are put into a release, and how they are found again.
//
// Build reads a folder of a pushed tree and returns the files of the release:
//
//	static.json           the index: paths, types, hashes, sizes
//	static/HASH           a file's content, under the hash of it
//	static/HASH.gz .br .zst   the same, compressed, where that is smaller
//
// Open reads the index back. A request's path is looked up in the index and in
// nothing else, so it can never name a file of the disk; what is opened is a hash.
// Files whose name or folder begins with a dot are left out, but for .well-known.
//
// What a path means is in Site.Find: an index.html for a folder, NAME.html for
// NAME, 404.html for what is not there. There are no listings.
package static

import "strings"

const (
	indexName = "static.json"
	dirName   = "static"
	version   = 1
)

// An Encoding is a way in which a file is stored.
type Encoding uint8

// The encodings that there are.
const (
	Identity Encoding = iota
	Gzip
	Brotli
	Zstd
	encodings
)

// String returns the name in Content-Encoding.
func (e Encoding) String() string { return [encodings]string{"identity", "gzip", "br", "zstd"}[e] }

// suffix is what e adds to the name of a stored file.
func (e Encoding) suffix() string { return [encodings]string{"", ".gz", ".br", ".zst"}[e] }

// An index is what static.json holds.
type index struct {
	Version int              `json:"version"`
	Effort  int              `json:"effort"` // of brotli
	Files   map[string]entry `json:"files"`  // by slash-separated path
}

type entry struct {
	Hash      string `json:"hash"`
	Type      string `json:"type"`
	Bytes     int64  `json:"bytes"`
	Gzip      int64  `json:"gzip,omitempty"`
	Brotli    int64  `json:"br,omitempty"`
	Zstd      int64  `json:"zstd,omitempty"`
	Immutable bool   `json:"immutable,omitempty"`
}

func (e *entry) sizes() [encodings]int64 {
	return [encodings]int64{e.Bytes, e.Gzip, e.Brotli, e.Zstd}
}

// Unescape decodes the percent-encoding of a path. It reports false for what is
// not one, and for paths with a NUL.
func Unescape(raw []byte) (string, bool) {
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) {
				return "", false
			}
			high, ok1 := hexDigit(raw[i+1])
			low, ok2 := hexDigit(raw[i+2])
			if !ok1 || !ok2 {
				return "", false
			}
			c = high<<4 | low
			i += 2
		}
		if c == 0 {
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
