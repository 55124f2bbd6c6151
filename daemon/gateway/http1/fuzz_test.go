package http1_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/denofn/denofn/daemon/gateway/http1"
)

// Whatever is accepted as a request is one for net/http too, which is not as
// strict, and says the same there: the same method, host, framing and fields.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /a?b HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"GET http://b/x HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\nX: y\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nExpect: 100-continue\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		scanned := 0
		n, err := http1.HeadEnd(data, &scanned)
		if n == 0 || err != nil {
			return
		}
		var r http1.Request
		if r.Parse(data[:n]) != nil {
			return
		}
		if !bytes.HasSuffix(data[:n], []byte("\r\n\r\n")) {
			t.Fatalf("a head ends with %q", data[max(0, n-4):n])
		}
		peer, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			// What it refuses beyond us is in the target and Host, which go on as they are.
			if strings.Contains(err.Error(), "URI") || strings.Contains(err.Error(), "URL") || strings.Contains(err.Error(), "Host") {
				return
			}
			t.Fatalf("net/http refuses it: %v", err)
		}
		length := int64(r.Body)
		if peer.Method != string(r.Method) || peer.ContentLength != length && !(length == 0 && peer.ContentLength <= 0) {
			t.Fatalf("net/http reads %s with a body of %d, not %s and %d", peer.Method, peer.ContentLength, r.Method, r.Body)
		}
		for _, field := range r.Fields {
			if bytes.ContainsAny(field.Name, "\r\n: ") || bytes.ContainsAny(field.Value, "\r\n\x00") {
				t.Fatalf("field %q: %q", field.Name, field.Value)
			}
		}
	})
}

// Chunks are taken apart as net/http does, wherever the pieces that they come in
// end, and put together again they say the same.
func FuzzChunks(f *testing.F) {
	for _, seed := range []string{"5\r\nhello\r\n0\r\n\r\nrest", "1;a=b\r\nx\r\n0\r\nX: y\r\n\r\n", "a\r\n0123456789\r\n00\r\n\r\n"} {
		f.Add(seed, 3)
	}
	f.Fuzz(func(t *testing.T, text string, n int) {
		n = max(1, min(n, 64))
		data, rest, c, err := takeApart(text, n)
		whole, restWhole, cWhole, errWhole := takeApart(text, len(text)+1)
		if (err == nil) != (errWhole == nil) || err == nil && (data != whole || rest != restWhole || c.Done() != cWhole.Done()) {
			t.Fatalf("in pieces of %d: %q, %v; at once: %q, %v", n, data, err, whole, errWhole)
		}
		if err != nil || !c.Done() {
			return
		}
		trailers, err := c.Trailers()
		if err != nil {
			return
		}
		var again []byte
		if data != "" {
			again = append(append(http1.AppendChunkHead(again, len(data)), data...), "\r\n"...)
		}
		again = http1.AppendLastChunk(again, trailers)
		head := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		peer, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + string(again))))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(peer.Body)
		if err != nil || string(body) != data {
			t.Fatalf("%q was read as %q, %v", again, body, err)
		}
	})
}

// A response that a function made by hand cannot break out of its head either.
func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), false)
	f.Add([]byte("HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, head bool) {
		scanned := 0
		n, err := http1.HeadEnd(data, &scanned)
		if n == 0 || err != nil {
			return
		}
		var r http1.Response
		if r.Parse(data[:n], head) != nil {
			return
		}
		if r.Status < 100 || r.Status > 999 || bytes.ContainsAny(r.Line, "\r\n") {
			t.Fatalf("status line %q", r.Line)
		}
		for _, field := range r.Fields {
			if bytes.ContainsAny(field.Name, "\r\n: ") || bytes.ContainsAny(field.Value, "\r\n\x00") {
				t.Fatalf("field %q: %q", field.Name, field.Value)
			}
		}
	})
}
