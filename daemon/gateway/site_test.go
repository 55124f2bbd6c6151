package gateway_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway"
	"github.com/denofn/denofn/daemon/static"
)

// site returns a function with static files, and a module if hasModule.
func site(t *testing.T, name denofn.FunctionName, hasModule, spa bool, files map[string]string) gateway.Function {
	t.Helper()
	tree := fstest.MapFS{}
	for path, text := range files {
		tree["p/"+path] = &fstest.MapFile{Data: []byte(text)}
	}
	made, err := static.Build(t.Context(), tree, "p", "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for path, data := range made {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700)
		if err := os.WriteFile(filepath.Join(dir, path), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &denofn.Release{Function: name, ID: "1", Settings: denofn.Settings{Static: "p", SPA: spa}}
	if hasModule {
		r.BundleBytes = 1
	}
	return gateway.Function{Release: r, Dir: dir}
}

var large = strings.Repeat("0123456789abcdef", 40000) // more than is kept in memory

func openSites(t *testing.T) *box {
	t.Helper()
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "module "+r.Method+" "+r.RequestURI) }), nil)
	files := map[string]string{
		"index.html": "home", "about.html": "about", "docs/index.html": "docs", "404.html": "lost", "a.txt": "hello, world", "large.txt": large, "large.png": large,
		"app.3f2a9c1b.js": "let a", "empty.txt": "", ".env": "secret",
	}
	hello := site(t, "hello", true, false, files)
	hello.Release.ID = "2"
	b.gateway.Update([]gateway.Function{site(t, "site", false, false, files), site(t, "spa", false, true, files), site(t, "both", true, true, files), hello})
	return b
}

func TestStaticFiles(t *testing.T) {
	b := openSites(t)
	for _, c := range []struct {
		request, fields string
		status          int
		body            string
		header          string // "Name: value" that the answer has
	}{
		{"GET /site/", "", 200, "home", "Content-Type: text/html; charset=utf-8"},
		{"GET /site", "", 308, "", "Location: /site/"},
		{"GET /site?a=b", "", 308, "", "Location: /site/?a=b"},
		{"GET /site/docs", "", 308, "", "Location: /site/docs/"},
		{"GET /site/docs/", "", 200, "docs", "Cache-Control: no-cache"},
		{"GET /site/about", "", 200, "about", ""},
		{"GET /site/a.txt", "", 200, "hello, world", "Content-Type: text/plain; charset=utf-8"},
		{"GET /site/a%2Etxt", "", 200, "hello, world", "X-Content-Type-Options: nosniff"},
		{"HEAD /site/a.txt", "", 200, "", "Content-Length: 12"},
		{"HEAD /site/large.png", "", 200, "", "Content-Length: 640000"},
		{"GET /site/empty.txt", "", 200, "", "Content-Length: 0"},
		{"GET /site/app.3f2a9c1b.js", "", 200, "let a", "Cache-Control: public, max-age=31536000, immutable"},
		{"GET /site/large.png", "", 200, large, "Accept-Ranges: bytes"},
		{"GET /site/nothing", "Accept: text/html\r\n", 404, "lost", "Cache-Control: no-cache"},
		{"GET /site/nothing", "Accept: application/json\r\n", 404, "*", "Content-Type: application/json"},
		{"GET /site/.env", "", 404, "*", ""},
		{"GET /site/../a.txt", "", 404, "*", ""},
		{"GET /site/%2e%2e/%2e%2e/etc/passwd", "", 404, "*", ""},
		{"GET /site//etc/passwd", "", 404, "*", ""},
		{"GET /site/a.txt%00", "", 400, "*", ""},
		{"GET /site/%zz", "", 400, "*", ""},
		{"POST /site/a.txt", "Content-Length: 0\r\n", 405, "*", "Allow: GET, HEAD"},
		{"DELETE /site/a.txt", "", 405, "*", "Allow: GET, HEAD"},

		{"GET /spa/some/page", "Accept: text/html,*/*;q=0.8\r\n", 200, "home", ""},
		{"GET /spa/api", "Accept: application/json\r\n", 404, "*", ""},
		{"GET /both/a.txt", "", 200, "hello, world", ""},
		{"GET /both/some/page", "Accept: text/html\r\n", 200, "home", ""},
		{"GET /both/api?x", "", 200, "module GET /api?x", ""},
		{"POST /both/a.txt", "Content-Length: 0\r\n", 200, "module POST /a.txt", ""},
		{"GET /hello/nothing", "Accept: text/html\r\n", 200, "module GET /nothing", ""},
		{"GET /hello/%00", "", 200, "module GET /%00", ""},

		{"GET /site/a.txt", "Range: bytes=0-4\r\n", 206, "hello", "Content-Range: bytes 0-4/12"},
		{"GET /site/a.txt", "Range: bytes=7-\r\n", 206, "world", "Content-Range: bytes 7-11/12"},
		{"GET /site/a.txt", "Range: bytes=-5\r\n", 206, "world", "Content-Range: bytes 7-11/12"},
		{"GET /site/a.txt", "Range: bytes=-500\r\n", 206, "hello, world", "Content-Range: bytes 0-11/12"},
		{"GET /site/a.txt", "Range: bytes=5-99999999999999999999\r\n", 206, ", world", "Content-Range: bytes 5-11/12"},
		{"GET /site/a.txt", "Range: bytes=12-\r\n", 416, "", "Content-Range: bytes */12"},
		{"GET /site/a.txt", "Range: bytes=-0\r\n", 416, "", "Content-Range: bytes */12"},
		{"GET /site/empty.txt", "Range: bytes=0-\r\n", 416, "", "Content-Range: bytes */0"},
		{"GET /site/a.txt", "Range: bytes=5-2\r\n", 200, "hello, world", ""},
		{"GET /site/a.txt", "Range: bytes=0-1,3-4\r\n", 200, "hello, world", ""},
		{"GET /site/a.txt", "Range: lines=0-1\r\n", 200, "hello, world", ""},
		{"GET /site/a.txt", "Range: bytes=a-b\r\n", 200, "hello, world", ""},
		{"HEAD /site/a.txt", "Range: bytes=0-4\r\n", 200, "", "Content-Length: 12"},
		{"GET /site/large.png", "Range: bytes=600000-600009\r\n", 206, large[600000:600010], "Content-Length: 10"},
		{"GET /site/large.txt", "Range: bytes=0-9\r\nAccept-Encoding: br\r\n", 206, large[:10], ""},
		{"GET /site/large.txt", "Accept-Encoding: br\r\n", 200, "*", "Content-Encoding: br"},
		{"GET /site/large.txt", "Accept-Encoding: gzip;q=0\r\n", 200, large, "Vary: Accept-Encoding"},
	} {
		method, target, _ := strings.Cut(c.request, " ")
		client := b.dial().say(method + " " + target + " HTTP/1.1\r\nHost: a\r\n" + c.fields + "\r\n")
		response, body := client.answer(method)
		if response.StatusCode != c.status || c.body != "*" && body != c.body {
			t.Errorf("%s %q: %s, %d bytes %.40q, want %d %.40q", c.request, c.fields, response.Status, len(body), body, c.status, c.body)
		}
		if name, value, ok := strings.Cut(c.header, ": "); ok && response.Header.Get(name) != value {
			t.Errorf("%s %q: %s: %q, want %q", c.request, c.fields, name, response.Header.Get(name), value)
		}
		if next, _ := client.say("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").answer("OPTIONS"); next.StatusCode != http.StatusNoContent {
			t.Errorf("%s %q: the connection is out of step", c.request, c.fields)
		}
	}
}

// A client that has the file already is told so, and one that builds on a part of
// another version is not.
func TestStaticConditions(t *testing.T) {
	b := openSites(t)
	response, _ := b.dial().say("GET /site/a.txt HTTP/1.1\r\nHost: a\r\n\r\n").answer("GET")
	etag, modified := response.Header.Get("ETag"), response.Header.Get("Last-Modified")
	const old = "Mon, 02 Jan 2006 15:04:05 GMT"
	for _, c := range []struct {
		fields string
		status int
	}{
		{"If-None-Match: " + etag, 304},
		{"If-None-Match: W/" + etag, 304},
		{`If-None-Match: "x", ` + etag, 304},
		{"If-None-Match: *", 304},
		{`If-None-Match: "x"`, 200},
		{`If-None-Match: "x"` + "\r\nIf-Modified-Since: " + modified, 200},
		{"If-Modified-Since: " + modified, 304},
		{"If-Modified-Since: " + old, 200},
		{"If-Modified-Since: nonsense", 200},
		{"If-Match: " + etag, 200},
		{`If-Match: "x"`, 412},
		{"If-Match: W/" + etag, 412},
		{"If-Unmodified-Since: " + modified, 200},
		{"If-Unmodified-Since: " + old, 412},
		{"Range: bytes=0-1\r\nIf-Range: " + etag, 206},
		{"Range: bytes=0-1\r\nIf-Range: " + modified, 206},
		{`Range: bytes=0-1` + "\r\n" + `If-Range: "x"`, 200},
		{"Range: bytes=0-1\r\nIf-Range: W/" + etag, 200},
		{"Range: bytes=0-1\r\nIf-Range: " + old, 200},
		{"Range: bytes=0-1\r\nIf-None-Match: " + etag, 304},
	} {
		response, body := b.dial().say("GET /site/a.txt HTTP/1.1\r\nHost: a\r\n" + c.fields + "\r\n\r\n").answer("GET")
		if response.StatusCode != c.status {
			t.Errorf("%q: %s, want %d", c.fields, response.Status, c.status)
		}
		if c.status == 304 && (body != "" || response.Header.Get("ETag") != etag || response.Header.Get("Content-Type") != "") {
			t.Errorf("%q: %q %v", c.fields, body, response.Header)
		}
	}
	brotli, _ := b.dial().say("GET /site/large.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n").answer("GET")
	plain, _ := b.dial().say("GET /site/large.txt HTTP/1.1\r\nHost: a\r\n\r\n").answer("GET")
	if brotli.Header.Get("ETag") == plain.Header.Get("ETag") {
		t.Error("two encodings have one entity tag")
	}
}

// A redirect stays on the host that it came from, whatever the path.
func TestRedirectsStay(t *testing.T) {
	b := open(t, nil, func(c *gateway.Config) { c.Options.Root = "site"; trustAll(c) })
	b.gateway.Update([]gateway.Function{site(t, "site", false, false, map[string]string{"index.html": "x", "evil.example/index.html": "y", "d/index.html": "z"})})
	for target, want := range map[string]string{"//evil.example": "", "/\\evil.example": "", "/evil.example": "/evil.example/", "/d": "/d/", "/site/d": "/site/d/", "/site//d": ""} {
		response, _ := b.dial().say("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n").answer("GET")
		location := response.Header.Get("Location")
		if location != want || strings.HasPrefix(location, "//") {
			t.Errorf("%s leads to %s %q, want %q", target, response.Status, location, want)
		}
	}
	response, _ := b.dial().say("GET /d HTTP/1.1\r\nHost: a\r\nX-Forwarded-Prefix: /front\r\n\r\n").answer("GET")
	if got := response.Header.Get("Location"); got != "/front/d/" {
		t.Errorf("behind a proxy that takes a prefix off: %q", got)
	}
}

func TestDamagedSite(t *testing.T) {
	b := open(t, nil, nil)
	f := site(t, "site", false, false, map[string]string{"a.png": large})
	b.gateway.Update([]gateway.Function{f})
	files, _ := filepath.Glob(filepath.Join(f.Dir, "static", "*"))
	for _, path := range files {
		os.Truncate(path, 10)
	}
	response, body := b.dial().say("GET /site/a.png HTTP/1.1\r\nHost: a\r\n\r\n").answer("GET")
	if response.StatusCode != http.StatusInternalServerError || strings.Contains(body, f.Dir) {
		t.Errorf("%s %q", response.Status, body)
	}
	if err := b.gateway.Update([]gateway.Function{{Release: &denofn.Release{Function: "other", ID: "9", Settings: denofn.Settings{Static: "p"}}, Dir: t.TempDir()}}); err == nil {
		t.Error("a release without its files is no error")
	}
	if response, _ := b.dial().say("GET /other/ HTTP/1.1\r\nHost: a\r\n\r\n").answer("GET"); response.StatusCode != http.StatusNotFound {
		t.Errorf("%s", response.Status)
	}
}
