package static_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/static"
)

// build makes a site of files, by path below its folder, and opens it.
func build(t *testing.T, files map[string]string) *static.Site {
	t.Helper()
	tree := fstest.MapFS{"app/index.ts": {Data: []byte("x")}}
	for name, text := range files {
		tree["app/public/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	made, err := static.Build(t.Context(), tree, "app/public", "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range made {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	site, err := static.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return site
}

func read(t *testing.T, s *static.Site, f *static.File, e static.Encoding) []byte {
	t.Helper()
	data, err := s.Content(f, e)
	if err != nil {
		t.Fatal(err)
	}
	if data != nil {
		return data
	}
	file, err := s.OpenFile(f, e)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err = io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFind(t *testing.T) {
	s := build(t, map[string]string{
		"index.html": "home", "about.html": "about", "docs/index.html": "docs", "docs/a.html": "a", "a.txt": "text", "a b.txt": "space",
		".env": "secret", ".git/config": "secret", "x/.htaccess": "secret", ".well-known/security.txt": "contact", "empty.txt": "", "both": "file", "both.html": "page",
	})
	for path, want := range map[string]string{
		"/": "home", "": "home", "/index.html": "home", "/about": "about", "/about.html": "about", "/docs/": "docs", "/docs/a": "a", "/a.txt": "text", "/a b.txt": "space",
		"/.well-known/security.txt": "contact", "/empty.txt": "", "/both": "file",
		"/docs": "folder", "/nothing": "none", "/.env": "none", "/.git/config": "none", "/x/.htaccess": "none", "/../index.ts": "none", "/docs/../a.txt": "none", "//a.txt": "none",
		"/a.txt/": "none", "/static.json": "none", "/docs/index": "docs", "/A.TXT": "none", "/x": "none", "/x/": "none",
	} {
		f, isFolder := s.Find(path)
		got := "none"
		switch {
		case f != nil:
			got = string(read(t, s, f, static.Identity))
		case isFolder:
			got = "folder"
		}
		if got != want {
			t.Errorf("%q is %q, want %q", path, got, want)
		}
	}
}

// Every variant is the file, and smaller.
func TestVariants(t *testing.T) {
	text := strings.Repeat("Lorem ipsum dolor sit amet, consectetur adipiscing elit. ", 3000)
	s := build(t, map[string]string{"a.html": text, "b.png": text, "tiny.css": "a{}", "unknown.xyz": text})
	f, _ := s.Find("/a.html")
	for _, e := range []static.Encoding{static.Gzip, static.Brotli, static.Zstd} {
		data := read(t, s, f, e)
		if int64(len(data)) != f.Size(e) || f.Size(e) >= f.Size(static.Identity) {
			t.Errorf("%s has %d bytes of %d", e, len(data), f.Size(static.Identity))
		}
		var r io.Reader
		switch e {
		case static.Gzip:
			r, _ = gzip.NewReader(bytes.NewReader(data))
		case static.Brotli:
			r = brotli.NewReader(bytes.NewReader(data))
		default:
			z, err := zstd.NewReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			defer z.Close()
			r = z
		}
		if plain, err := io.ReadAll(r); err != nil || string(plain) != text {
			t.Errorf("%s unpacks to %d bytes, %v", e, len(plain), err)
		}
	}
	for _, path := range []string{"/b.png", "/tiny.css", "/unknown.xyz"} {
		if f, _ := s.Find(path); f.Varies() {
			t.Errorf("%s is compressed", path)
		}
	}
	tags := make(map[string]bool)
	for _, e := range []static.Encoding{static.Identity, static.Gzip, static.Brotli, static.Zstd} {
		tags[f.ETag(e)] = true
	}
	if len(tags) != 4 {
		t.Errorf("entity tags %v", tags)
	}
	for accept, want := range map[string]string{
		"": "identity", "gzip": "gzip", "x-gzip": "gzip", "gzip, deflate, br, zstd": "smallest", "*": "smallest", "identity": "identity", "gzip;q=0": "identity", "GZIP": "gzip",
		"br;q=0, *": "not br", "gzip;q=0.5, br;q=0.0": "gzip", "br ; q=1": "br", "deflate": "identity", "*;q=0": "identity", "*;q=0, gzip": "gzip", ";;,q": "identity",
	} {
		got := f.Negotiate([]byte(accept))
		switch want {
		case "smallest":
			for e := range static.Encoding(4) {
				if f.Size(e) < f.Size(got) {
					t.Errorf("%q: %s, but %s is smaller", accept, got, e)
				}
			}
		case "not br":
			if got == static.Brotli || got == static.Identity {
				t.Errorf("%q: %s", accept, got)
			}
		default:
			if got.String() != want {
				t.Errorf("%q: %s, want %s", accept, got, want)
			}
		}
	}
}

// The same folder makes the same files, whenever and wherever: the ID of a release
// derives from them.
func TestBuildIsReproducible(t *testing.T) {
	tree := fstest.MapFS{}
	for i := range 20 {
		tree[fmt.Sprintf("p/%d.js", i)] = &fstest.MapFile{Data: []byte(strings.Repeat(fmt.Sprintf("let a%d;\n", i), 1000))}
	}
	first, err := static.Build(t.Context(), tree, "p", "")
	if err != nil {
		t.Fatal(err)
	}
	second, err := static.Build(t.Context(), tree, "p", "")
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != len(second) || len(first) != 1+20*4 {
		t.Errorf("%d and %d files", len(first), len(second))
	}
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs", name)
		}
	}
	if got := static.Size(first); got < 20*8000 {
		t.Errorf("size %d", got)
	}
}

func TestImmutable(t *testing.T) {
	for name, want := range map[string]bool{
		"assets/index-BxJ4kP2q.js": true, "app.3f2a9c1b.css": true, "app.3f2a9c1b.js.map": true, "chunk-FWRWZQHX.js": false, "chunk-FWRWZ5H7.js": true, "face2face.js": false, "_app/immutable/x.js": true, "logo.0a1b2c3d4e5f.svg": true,
		"_next/static/chunks/main.js": true, "jquery-3.7.1.min.js": false, "photo-20240101.jpg": false, "report-document.pdf": false, "app.js": false, "index.html": false, "page.3f2a9c1b.html": false,
		"photo-iPhone15.jpg": false, "font-OpenSans.woff2": false, "chapter-section12.js": false, "deadbeef.js": false, "x-deadbeef.js": false, "x-dead1234.js": true, "service-worker.js": false, "3f2a9c1b.js": true,
	} {
		s := build(t, map[string]string{name: "x"})
		if f, _ := s.Find("/" + name); f.Immutable != want {
			t.Errorf("%s: immutable %t", name, f.Immutable)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"missing": {fstest.MapFS{}, "does not exist"},
		"file":    {fstest.MapFS{"p": {Data: []byte("x")}}, "not a folder"},
		"link":    {fstest.MapFS{"p/a": {Mode: fs.ModeSymlink, Data: []byte("/etc/passwd")}}, "a link"},
	} {
		_, err := static.Build(t.Context(), c.tree, "p", "")
		if found, ok := errors.AsType[denofn.Diagnostics](err); !ok || !strings.Contains(found.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A file that was damaged on disk is an error and not half an answer.
func TestDamagedFile(t *testing.T) {
	tree := fstest.MapFS{"p/a.bin": {Data: bytes.Repeat([]byte("x"), 100<<10)}, "p/b.bin": {Data: []byte("small")}}
	made, err := static.Build(t.Context(), tree, "p", "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	os.Mkdir(filepath.Join(dir, "static"), 0o700)
	for name, data := range made {
		if strings.HasPrefix(name, "static/") {
			data = data[1:]
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := static.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	large, _ := s.Find("/a.bin")
	if file, err := s.OpenFile(large, static.Identity); err == nil {
		file.Close()
		t.Error("a file that is too short was opened")
	}
	small, _ := s.Find("/b.bin")
	if _, err := s.Content(small, static.Identity); err == nil {
		t.Error("a file that is too short was read")
	}
}

// Decoding is the inverse of encoding, and nothing that it returns has a NUL.
func FuzzUnescape(f *testing.F) {
	for _, seed := range []string{"/a%20b", "%", "%zz", "%00", "/%2e%2E/", "/plain"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		path, ok := static.Unescape(raw)
		if !ok {
			return
		}
		if strings.ContainsRune(path, 0) || len(path) > len(raw) {
			t.Fatalf("%q is %q", raw, path)
		}
		escaped := make([]byte, 0, 3*len(path))
		for i := range len(path) {
			escaped = fmt.Appendf(escaped, "%%%02x", path[i])
		}
		if again, ok := static.Unescape(escaped); !ok || again != path {
			t.Fatalf("%q came back as %q", path, again)
		}
	})
}

// What an earlier release was compressed to is taken over, whatever else has changed,
// and is what would have been made; one that is damaged is made anew.
func TestBuildTakesOver(t *testing.T) {
	tree := fstest.MapFS{}
	for i := range 8 {
		tree[fmt.Sprintf("p/%d.js", i)] = &fstest.MapFile{Data: []byte(strings.Repeat(fmt.Sprintf("let a%d;\n", i), 1000))}
	}
	made, err := static.Build(t.Context(), tree, "p", "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	os.Mkdir(filepath.Join(dir, "static"), 0o700)
	marked := 0
	for name, data := range made {
		if strings.HasSuffix(name, ".br") { // to be known again
			data, marked = bytes.Repeat([]byte("m"), len(data)), marked+1
		}
		if strings.HasSuffix(name, ".gz") {
			data = data[1:] // damaged
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tree["p/new.js"] = &fstest.MapFile{Data: []byte(strings.Repeat("let b;\n", 1000))}
	again, err := static.Build(t.Context(), tree, "p", dir)
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for name, data := range again {
		if strings.HasSuffix(name, ".br") && bytes.HasPrefix(data, []byte("mm")) {
			taken++
		} else if old, ok := made[name]; ok && name != "static.json" && !bytes.Equal(data, old) {
			t.Errorf("%s differs", name)
		}
	}
	if taken != marked || marked != 8 {
		t.Errorf("%d of %d were taken over", taken, marked)
	}
}
