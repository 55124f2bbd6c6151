package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"

	"github.com/denofn/denofn/micro"
)

// microPath is where editors and `deno check` find the types of "denofn/micro" of
// this very daemon. The number grows when code that used the last one would break.
const microPath = "/_denofn/micro/v1/"

// ownPages returns what the daemon has below /_denofn/ for everybody.
func ownPages() (http.Handler, error) {
	mux := http.NewServeMux()
	names, err := fs.Glob(micro.Files, "*.ts")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := micro.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		etag := `"` + hex.EncodeToString(sum[:8]) + `"`
		mux.HandleFunc("GET "+path.Join(microPath, name), func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("ETag", etag)
			h.Set("Cache-Control", "no-cache")
			h.Set("Access-Control-Allow-Origin", "*") // it is public, and editors in browsers want it
			if r.Header.Get("If-None-Match") == etag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			h.Set("Content-Type", "application/typescript; charset=utf-8")
			w.Write(text)
		})
	}
	return mux, nil
}
