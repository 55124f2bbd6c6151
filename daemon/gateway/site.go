package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/denofn/denofn/daemon/gateway/http1"
	"github.com/denofn/denofn/daemon/static"
)

const (
	cacheForever = "public, max-age=31536000, immutable"
	cacheChecked = "no-cache" // keep it, but ask each time whether it is still that
)

// serveSite answers a request from the function's static files. Files win over the
// module; served is false for what is not theirs.
func (c *conn) serveSite(t *target) (keep, served bool) {
	m := string(c.head.Method)
	if m != http.MethodGet && m != http.MethodHead {
		return false, false
	}
	raw, query, hasQuery := bytes.Cut(c.route.path, []byte{'?'})
	path, ok := static.Unescape(raw)
	if !ok {
		if t.hasModule {
			return false, false
		}
		return c.fail(failure{status: http.StatusBadRequest, text: "The path is not percent-encoded as a URL's."}), true
	}
	f, isFolder := t.site.Find(path)
	if f != nil && path == "" { // /NAME, below which no relative link would work
		f, isFolder = nil, true
	}
	switch {
	case isFolder:
		return c.redirectToFolder(raw, query, hasQuery), true
	case f != nil:
		return c.sendFile(t, f, http.StatusOK), true
	case t.spa && t.site.Index() != nil && c.acceptsHTML():
		return c.sendFile(t, t.site.Index(), http.StatusOK), true
	}
	return false, false
}

// siteLacks answers a request to a function that has static files alone, for what
// is not among them.
func (c *conn) siteLacks(t *target) (keep bool) {
	if m := string(c.head.Method); m != http.MethodGet && m != http.MethodHead {
		return c.fail(notAllowed("GET, HEAD"))
	}
	if t.site != nil && t.site.NotFound() != nil && c.acceptsHTML() {
		return c.sendFile(t, t.site.NotFound(), http.StatusNotFound)
	}
	return c.fail(failure{status: http.StatusNotFound, text: textNothing})
}

func (c *conn) acceptsHTML() bool {
	for i := range c.head.Fields {
		if f := &c.head.Fields[i]; f.ID == http1.Accept && bytes.Contains(bytes.ToLower(f.Value), []byte(typeHTML)) {
			return true
		}
	}
	return false
}

// redirectToFolder adds the slash that makes the relative links of an index.html
// work. The path begins with one slash and not two, so that it stays on this host.
func (c *conn) redirectToFolder(raw, query []byte, hasQuery bool) (keep bool) {
	location := append([]byte(nil), '/')
	if c.trusted {
		if p := c.head.Get(http1.XForwardedPrefix); isPathPrefix(p) {
			location = append(p[:len(p):len(p)], '/')
		}
	}
	whole := append(append([]byte(nil), c.route.prefix...), raw...)
	location = append(location, bytes.TrimLeft(whole, `/\`)...)
	location = append(location, '/')
	if hasQuery {
		location = append(append(location, '?'), query...)
	}
	return c.send(http.StatusPermanentRedirect, string(http1.AppendField(nil, "Location", location)), nil)
}

// sendFile sends a file, or the part of it that was asked for, or says that the
// client has it already.
func (c *conn) sendFile(t *target, f *static.File, status int) (keep bool) {
	encoding := static.Identity
	if c.head.Get(http1.Range) == nil { // ranges are of the file as it is
		encoding = f.Negotiate(c.head.Get(http1.AcceptEncoding))
	}
	etag, modified := f.ETag(encoding), t.site.Modified()
	fields := http1.AppendField(nil, "ETag", etag)
	fields = http1.AppendField(fields, "Last-Modified", modified.Format(http.TimeFormat))
	cache := cacheChecked
	if f.Immutable && status == http.StatusOK {
		cache = cacheForever
	}
	fields = http1.AppendField(fields, "Cache-Control", cache)
	if f.Varies() {
		fields = append(fields, "Vary: Accept-Encoding\r\n"...)
	}
	if status == http.StatusOK {
		switch c.precondition(etag, modified) {
		case http.StatusNotModified:
			return c.send(http.StatusNotModified, string(fields), nil)
		case http.StatusPreconditionFailed:
			return c.send(http.StatusPreconditionFailed, string(fields), nil)
		}
	}
	fields = http1.AppendField(fields, "Content-Type", f.Type)
	fields = append(fields, "X-Content-Type-Options: nosniff\r\n"...)
	if encoding != static.Identity {
		fields = http1.AppendField(fields, "Content-Encoding", encoding.String())
	}
	size := f.Size(encoding)
	from, n := int64(0), size
	if status == http.StatusOK {
		fields = append(fields, "Accept-Ranges: bytes\r\n"...)
		switch start, length, result := c.rangeOf(size, etag, modified); result {
		case http.StatusPartialContent:
			from, n, status = start, length, http.StatusPartialContent
			fields = fmt.Appendf(fields, "Content-Range: bytes %d-%d/%d\r\n", from, from+n-1, size)
		case http.StatusRequestedRangeNotSatisfiable:
			fields = fmt.Appendf(fields, "Content-Range: bytes */%d\r\n", size)
			return c.send(http.StatusRequestedRangeNotSatisfiable, string(fields), nil)
		}
	}
	data, err := t.site.Content(f, encoding)
	if err != nil {
		return c.siteBroken(t, err)
	}
	if data != nil {
		return c.send(status, string(fields), data[from:from+n])
	}
	return c.sendLargeFile(t, f, encoding, status, fields, from, n)
}

// filePiece is how much of a file is handed to the kernel at once: the unit in
// which a client's slowness is measured.
const filePiece = 128 << 10

func (c *conn) sendLargeFile(t *target, f *static.File, encoding static.Encoding, status int, fields []byte, from, n int64) (keep bool) {
	file, err := t.site.OpenFile(f, encoding)
	if err == nil {
		defer file.Close()
		_, err = file.Seek(from, io.SeekStart)
	}
	if err != nil {
		return c.siteBroken(t, err)
	}
	keep = c.dropBody() && !c.closes()
	c.status = status
	b := append(c.beginHead(nil, status), fields...)
	b = c.endHead(appendLength(b, n), keep)
	if err := c.write(b); err != nil {
		c.cut, c.failure = true, err
		return false
	}
	if http1.IsHead(c.head.Method) {
		return keep
	}
	for c.sent < n {
		piece := min(filePiece, n-c.sent)
		c.takes.set(c.server.watch.after(c.patience(int(piece))))
		sent, err := io.CopyN(c.nc, file, piece) // sendfile(2), where the client's connection has it
		if !c.takes.clear() {
			err = errClientSlow
		}
		c.sent += sent
		if err != nil {
			c.cut, c.failure = true, err
			return false
		}
	}
	return keep
}

// siteBroken answers when a stored file is not what it should be.
func (c *conn) siteBroken(t *target, err error) (keep bool) {
	c.failure = err
	c.gateway.config.Logger.Error("static file not readable", "function", t.name, "request", string(c.id), "error", err)
	return c.fail(failure{status: http.StatusInternalServerError, text: "The file could not be read."})
}

// precondition evaluates what RFC 9110 lets a client demand of the file, in its
// order. It returns 0 if nothing stands against sending it.
func (c *conn) precondition(etag string, modified time.Time) int {
	if match := c.head.Get(http1.IfMatch); match != nil {
		if !matchesETag(match, etag, false) {
			return http.StatusPreconditionFailed
		}
	} else if since := c.head.Get(http1.IfUnmodifiedSince); since != nil {
		if t, err := http.ParseTime(string(since)); err == nil && modified.After(t) {
			return http.StatusPreconditionFailed
		}
	}
	if match := c.head.Get(http1.IfNoneMatch); match != nil {
		if matchesETag(match, etag, true) {
			return http.StatusNotModified
		}
	} else if since := c.head.Get(http1.IfModifiedSince); since != nil {
		if t, err := http.ParseTime(string(since)); err == nil && !modified.After(t) {
			return http.StatusNotModified
		}
	}
	return 0
}

// matchesETag reports whether a list of entity tags has ours, which is strong. A
// weak one of the client's counts where weak is enough.
func matchesETag(list []byte, etag string, weak bool) bool {
	for item := range strings.SplitSeq(string(list), ",") { // our tags have no comma
		item = strings.TrimSpace(item)
		if item == "*" {
			return true
		}
		if weak {
			item = strings.TrimPrefix(item, "W/")
		}
		if item == etag {
			return true
		}
	}
	return false
}

// rangeOf reads Range. It returns the status 206 and the part of the file, 416, or
// 200 where the whole file is to be sent: also for several ranges, which nobody
// needs and a server may ignore.
func (c *conn) rangeOf(size int64, etag string, modified time.Time) (from, n int64, status int) {
	spec, ok := strings.CutPrefix(string(c.head.Get(http1.Range)), "bytes=")
	if !ok || strings.Contains(spec, ",") || string(c.head.Method) != http.MethodGet {
		return 0, size, http.StatusOK
	}
	if condition := c.head.Get(http1.IfRange); condition != nil {
		t, err := http.ParseTime(string(condition))
		if string(condition) != etag && (err != nil || !t.Equal(modified)) {
			return 0, size, http.StatusOK
		}
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return 0, size, http.StatusOK
	}
	if first == "" { // the last so many
		suffix, ok := number(last)
		if !ok {
			return 0, size, http.StatusOK
		}
		if suffix == 0 || size == 0 {
			return 0, 0, http.StatusRequestedRangeNotSatisfiable
		}
		n = min(suffix, size)
		return size - n, n, http.StatusPartialContent
	}
	from, ok = number(first)
	if !ok {
		return 0, size, http.StatusOK
	}
	end := size - 1
	if last != "" {
		if end, ok = number(last); !ok || end < from {
			return 0, size, http.StatusOK
		}
	}
	if from >= size {
		return 0, 0, http.StatusRequestedRangeNotSatisfiable
	}
	return from, min(end, size-1) - from + 1, http.StatusPartialContent
}

// number reads the digits of a range. One that no file is as long as counts as the
// longest.
func number(s string) (int64, bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	if s == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1<<62 - 1, true
	}
	return n, true
}
