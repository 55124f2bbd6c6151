package static

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// old is an earlier release whose compressed files can be taken over. The nil one
// has none.
type old struct {
	dir    string
	byHash map[string]entry
}

// openOld returns the static files of the release in a folder, if there are any and
// they were made with the same effort. Whatever is wrong with them, they can be made
// anew.
func openOld(dir string, effort int) *old {
	if dir == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(dir, indexName))
	var idx index
	if err != nil || json.Unmarshal(text, &idx) != nil || idx.Version != version || idx.Effort != effort {
		return nil
	}
	o := &old{dir: filepath.Join(dir, dirName), byHash: make(map[string]entry, len(idx.Files))}
	for _, e := range idx.Files {
		o.byHash[e.Hash] = e
	}
	return o
}

// variant returns what the file with the hash was compressed to, or nil if that is
// not known. A file that was not worth it is tried again.
func (o *old) variant(hash string, encoding Encoding) []byte {
	if o == nil {
		return nil
	}
	e, ok := o.byHash[hash]
	if !ok || e.sizes()[encoding] == 0 {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(o.dir, hash+encoding.suffix()))
	if err != nil || int64(len(data)) != e.sizes()[encoding] {
		return nil
	}
	return data
}
