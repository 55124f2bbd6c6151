package http1_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/denofn/denofn/daemon/gateway/http1"
)

// parse reads a request from text, as a server does.
func parse(text string) (*http1.Request, error) {
	scanned := 0
	n, err := http1.HeadEnd([]byte(text), &scanned)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errIncomplete
	}
	r := new(http1.Request)
	return r, r.Parse([]byte(text[:n]))
}

var errIncomplete = errors.New("incomplete")

func statusOf(err error) int {
	if e, ok := errors.AsType[*http1.Error](err); ok {
		return e.Status
	}
	return 0
}

func TestParseRequest(t *testing.T) {
	r, err := parse("POST /a%2Fb?c=d HTTP/1.1\r\nHost: Example.org:80\r\nContent-Length: 5\r\nX-Y:  z \t\r\nConnection: keep-alive, X-Y\r\nTE: trailers\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%s %s %s 1.%d body %d close %t hops %t trailers %t %q", r.Method, r.Target, r.Host, r.Minor, r.Body, r.Close, r.NamesHops, r.Trailers, r.Fields[2].Value)
	want := `POST /a%2Fb?c=d Example.org:80 1.1 body 5 close false hops true trailers true "z"`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !http1.NamedByConnection(r.Fields, []byte("x-y")) || http1.NamedByConnection(r.Fields, []byte("host")) {
		t.Error("Connection names X-Y and nothing else")
	}
}

func TestConnectionLifetime(t *testing.T) {
	for head, closes := range map[string]bool{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":                                       false,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n":                  true,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n": true,
		"GET / HTTP/1.0\r\n\r\n":                                                  true,
		"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n":                        false,
	} {
		r, err := parse(head)
		if err != nil || r.Close != closes {
			t.Errorf("%q: close %t, %v", head, r.Close, err)
		}
	}
}

func TestAbsoluteForm(t *testing.T) {
	for target, want := range map[string]string{
		"http://b.example/x?y":  "b.example /x?y",
		"HTTPS://b.example:8/x": "b.example:8 /x",
		"http://b.example":      "b.example /",
	} {
		r, err := parse("GET " + target + " HTTP/1.1\r\nHost: a.example\r\n\r\n")
		if err != nil {
			t.Errorf("%s: %v", target, err)
		} else if got := string(r.Host) + " " + string(r.Target); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

// What two readers could understand differently is refused.
func TestRefusedRequests(t *testing.T) {
	const ok = "Host: a\r\n"
	for _, c := range []struct {
		name, text string
		status     int
	}{
		{"no target", "GET HTTP/1.1\r\n" + ok + "\r\n", 400},
		{"two spaces", "GET  / HTTP/1.1\r\n" + ok + "\r\n", 400},
		{"space in target", "GET /a b HTTP/1.1\r\n" + ok + "\r\n", 400},
		{"tab for space", "GET\t/\tHTTP/1.1\r\n" + ok + "\r\n", 400},
		{"empty line alone", "\r\n\r\n", 400},
		{"method is no token", "G@T / HTTP/1.1\r\n" + ok + "\r\n", 400},
		{"control in target", "GET /\x01 HTTP/1.1\r\n" + ok + "\r\n", 400},
		{"fragment", "GET /a#b HTTP/1.1\r\n" + ok + "\r\n", 400},
		{"no slash", "GET a HTTP/1.1\r\n" + ok + "\r\n", 400},
		{"star", "GET * HTTP/1.1\r\n" + ok + "\r\n", 400},
		{"other scheme", "GET ftp://a/ HTTP/1.1\r\n" + ok + "\r\n", 400},
		{"no authority", "GET http:///x HTTP/1.1\r\n" + ok + "\r\n", 400},
		{"CONNECT", "CONNECT a:80 HTTP/1.1\r\n" + ok + "\r\n", 501},
		{"HTTP/2.0", "GET / HTTP/2.0\r\n" + ok + "\r\n", 505},
		{"HTTP/1.2", "GET / HTTP/1.2\r\n" + ok + "\r\n", 505},
		{"http/1.1", "GET / http/1.1\r\n" + ok + "\r\n", 400},
		{"HTTP/0.9", "GET /\r\n\r\n", 400},
		{"bare LF ends request line", "GET / HTTP/1.1\n" + ok + "\r\n", 400},
		{"bare LF ends field", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
		{"bare LF ends head", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
		{"CR in value", "GET / HTTP/1.1\r\nX: a\rb\r\n" + ok + "\r\n", 400},
		{"CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400},
		{"NUL in value", "GET / HTTP/1.1\r\nX: a\x00b\r\n" + ok + "\r\n", 400},
		{"space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
		{"tab before colon", "GET / HTTP/1.1\r\nContent-Length\t: 5\r\n" + ok + "\r\n", 400},
		{"folded", "GET / HTTP/1.1\r\nX: a\r\n b\r\n" + ok + "\r\n", 400},
		{"folded first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
		{"no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", 400},
		{"no name", "GET / HTTP/1.1\r\n: a\r\n" + ok + "\r\n", 400},
		{"no host", "GET / HTTP/1.1\r\nX: a\r\n\r\n", 400},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
		{"expects more", "GET / HTTP/1.1\r\nExpect: tea\r\n" + ok + "\r\n", 417},

		{"two lengths", "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n" + ok + "\r\n", 400},
		{"two equal lengths", "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n" + ok + "\r\n", 400},
		{"list of lengths", "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n" + ok + "\r\n", 400},
		{"signed length", "POST / HTTP/1.1\r\nContent-Length: +5\r\n" + ok + "\r\n", 400},
		{"negative length", "POST / HTTP/1.1\r\nContent-Length: -5\r\n" + ok + "\r\n", 400},
		{"hexadecimal length", "POST / HTTP/1.1\r\nContent-Length: 0x5\r\n" + ok + "\r\n", 400},
		{"underscored length", "POST / HTTP/1.1\r\nContent-Length: 1_0\r\n" + ok + "\r\n", 400},
		{"empty length", "POST / HTTP/1.1\r\nContent-Length:\r\n" + ok + "\r\n", 400},
		{"overflowing length", "POST / HTTP/1.1\r\nContent-Length: 18446744073709551621\r\n" + ok + "\r\n", 400},
		{"length and chunked", "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n" + ok + "\r\n", 400},
		{"chunked and length", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n" + ok + "\r\n", 400},
		{"chunked twice", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" + ok + "\r\n", 400},
		{"chunked in a list", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n" + ok + "\r\n", 501},
		{"chunked not last", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n" + ok + "\r\n", 501},
		{"identity", "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n" + ok + "\r\n", 501},
		{"xchunked", "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n" + ok + "\r\n", 501},
		{"quoted chunked", "POST / HTTP/1.1\r\nTransfer-Encoding: \"chunked\"\r\n" + ok + "\r\n", 501},
		{"vertical tab chunked", "POST / HTTP/1.1\r\nTransfer-Encoding: \vchunked\r\n" + ok + "\r\n", 400},
		{"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"too many fields", "GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", http1.MaxFields) + ok + "\r\n", 431},
	} {
		if _, err := parse(c.text); statusOf(err) != c.status {
			t.Errorf("%s: %v, want %d", c.name, err, c.status)
		}
	}
}

func TestParseResponse(t *testing.T) {
	for _, c := range []struct {
		text  string
		head  bool
		body  http1.Body
		close bool
		ok    bool
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, 5, false, true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, 0, false, true},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, 0, false, true},
		{"HTTP/1.1 204 No Content\r\n\r\n", false, 0, false, true},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, http1.Chunked, false, true},
		{"HTTP/1.1 200 OK\r\n\r\n", false, http1.UntilClose, true, true},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, 5, true, true},
		{"HTTP/1.1 200\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false, 0, true, true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", false, 0, false, false},
		{"HTTP/1.1 2000 OK\r\n\r\n", false, 0, false, false},
		{"HTTP/1.1 20x OK\r\n\r\n", false, 0, false, false},
		{"HTTP/2.0 200 OK\r\n\r\n", false, 0, false, false},
		{"HTTP/1.1 099 OK\r\n\r\n", false, 0, false, false},
		{"HTTP/1.1 200 O\x01K\r\n\r\n", false, 0, false, false},
		{"\r\n\r\n", false, 0, false, false},
	} {
		var r http1.Response
		err := r.Parse([]byte(c.text), c.head)
		if (err == nil) != c.ok || c.ok && (r.Body != c.body || r.Close != c.close) {
			t.Errorf("%q: body %d close %t, %v", c.text, r.Body, r.Close, err)
		}
	}
}

// takeApart reads a body in chunks from pieces of n bytes.
func takeApart(text string, n int) (data string, rest string, c http1.Chunks, err error) {
	var b strings.Builder
	for len(text) > 0 && !c.Done() {
		piece := []byte(text[:min(n, len(text))])
		for r := 0; r < len(piece) && !c.Done(); {
			taken, some, err := c.Next(piece[r:])
			if err != nil {
				return b.String(), text, c, err
			}
			b.Write(some)
			r += taken
			text = text[taken:]
		}
	}
	return b.String(), text, c, nil
}

func TestChunks(t *testing.T) {
	for n := 1; n < 40; n++ {
		data, rest, c, err := takeApart("5\r\nhello\r\n6 ;a=\"b\"\r\n world\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\nGET /next", n)
		if err != nil || data != "hello world" || rest != "GET /next" || !c.Done() {
			t.Fatalf("in pieces of %d: %q, %q left, %v", n, data, rest, err)
		}
		trailers, err := c.Trailers()
		if err != nil || len(trailers) != 1 || string(trailers[0].Name) != "X-Sum" {
			t.Fatalf("trailers %q, %v", trailers, err)
		}
	}
}

func TestRefusedChunks(t *testing.T) {
	for _, text := range []string{
		"\r\n", "g\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", "1_0\r\n", " 1\r\n", "1 \r\n", "1\n", "1\r\r\n", "1;a\n", "1;\x00\r\n",
		"1\r\nab\r\n", "1\r\na\n", "1\r\na\rb", "ffffffffffffffffff\r\n", "0000000000000001\r\n", "0\r\nX: y\n\r\n", "0\r\n\n",
		"1;" + strings.Repeat("a", 5000) + "\r\n", "0\r\n" + strings.Repeat("X: y\r\n", 2000) + "\r\n", ";a\r\n",
	} {
		if data, _, c, err := takeApart(text, 3); err == nil {
			t.Errorf("%.20q was taken for %q, done %t", text, data, c.Done())
		}
	}
	_, _, c, err := takeApart("0\r\nX y\r\n\r\n", 100)
	if _, bad := c.Trailers(); err != nil || bad == nil {
		t.Errorf("a trailer without a colon: %v, %v", err, bad)
	}
}

func TestAppendChunk(t *testing.T) {
	for n, want := range map[int]string{1: "1\r\n", 16: "10\r\n", 65535: "ffff\r\n"} {
		if got := string(http1.AppendChunkHead(nil, n)); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}
