package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway"
)

// raw answers every request to hello with text, on a connection of its own.
func (b *box) raw(text string) {
	b.serveRaw(func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		io.Copy(io.Discard, r.Body)
		io.WriteString(conn, text)
	})
}

// headers returns what the function sees.
func headers(t *testing.T, change func(*gateway.Config), request string) http.Header {
	t.Helper()
	seen := make(chan http.Header, 1)
	b := open(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Header.Set("Host", r.Host)
		seen <- r.Header
	}), change)
	if response, body := b.dial().say(request).answer(http.MethodGet); response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", response.Status, body)
	}
	return <-seen
}

func trustAll(c *gateway.Config) {
	c.Options.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

const forwardingRequest = "GET /hello/x HTTP/1.1\r\nHost: front.example\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 10.0.0.1\r\n" +
	"X-Forwarded-Host: shop.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /api\r\nX-Forwarded-Port: 443\r\nX-Real-IP: 203.0.113.9\r\n" +
	"Forwarded: for=203.0.113.9;proto=https\r\nX-Request-Id: abc-123\r\nVia: 1.1 front\r\n\r\n"

// Who a client is, it may not say itself.
func TestForwardingOfStrangers(t *testing.T) {
	h := headers(t, nil, forwardingRequest)
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "front.example", "X-Forwarded-Proto": "http", "X-Forwarded-Prefix": "/hello",
		"X-Forwarded-Port": "", "X-Real-Ip": "", "Forwarded": `for=127.0.0.1;host="front.example";proto=http`, "Via": "1.1 front, 1.1 denofn", "Host": "front.example",
	} {
		if got := strings.Join(h.Values(name), "|"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if id := h.Get("X-Request-Id"); len(id) != 16 {
		t.Errorf("X-Request-Id: %q", id)
	}
}

// A trusted proxy may, and is added to what it says.
func TestForwardingOfTrustedProxies(t *testing.T) {
	h := headers(t, trustAll, forwardingRequest)
	for name, want := range map[string]string{
		"X-Forwarded-For": "203.0.113.9, 10.0.0.1, 127.0.0.1", "X-Forwarded-Host": "shop.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/api/hello",
		"X-Forwarded-Port": "443", "X-Real-Ip": "203.0.113.9", "Forwarded": `for=203.0.113.9;proto=https, for=127.0.0.1;host="shop.example";proto=https`, "X-Request-Id": "abc-123",
	} {
		if got := strings.Join(h.Values(name), "|"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	h = headers(t, trustAll, "GET /hello HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: a b\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Prefix: //evil\r\nX-Request-Id: \"<x>\"\r\n\r\n")
	if h.Get("X-Forwarded-Host") != "a" || h.Get("X-Forwarded-Proto") != "http" || h.Get("X-Forwarded-Prefix") != "/hello" || strings.Contains(h.Get("X-Request-Id"), "<") {
		t.Errorf("what is malformed was kept: %v", h)
	}
}

// What is for one hop does not go on to the next, in either direction.
func TestHopByHop(t *testing.T) {
	h := headers(t, nil, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: X-Hop, keep-alive, X-Forwarded-For, Host\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nProxy-Connection: close\r\nTE: trailers, deflate\r\nUpgrade: h2c\r\nTrailer: X-T\r\nX-Stays: 1\r\n\r\n")
	for name, want := range map[string]string{
		"Connection": "", "X-Hop": "", "Keep-Alive": "", "Proxy-Authorization": "", "Proxy-Connection": "", "Te": "trailers", "Upgrade": "", "X-Stays": "1", "X-Forwarded-For": "127.0.0.1", "Host": "a",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	b := open(t, nil, nil)
	b.raw("HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Request-Id: forged\r\nContent-Length: 2\r\nX-Stays: 1\r\n\r\nok")
	c := b.dial()
	for range 2 { // the client's connection is not the function's
		response, body := c.say("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").answer(http.MethodGet)
		if body != "ok" || response.Header.Get("X-Hop")+response.Header.Get("Keep-Alive")+response.Header.Get("Connection") != "" || response.Header.Get("X-Stays") != "1" ||
			len(response.Header.Values("X-Request-Id")) != 1 || response.Header.Get("X-Request-Id") == "forged" {
			t.Errorf("%q %v", body, response.Header)
		}
	}
}

func TestHost(t *testing.T) {
	b := open(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil)
	for host, status := range map[string]int{
		"example.org": 200, "EXAMPLE.org:80": 200, "example.org.": 200, "127.0.0.1:8000": 200, "[::1]:80": 200, "a_b-c.example": 200, "localhost": 200, "xn--bcher-kva.example": 200,
		"..": 400, "a..": 400, ".": 400, "": 400, "a..b": 400, ".a": 400, "-a": 400, "a/b": 400, "a b": 400, "a@b": 400, "a:b": 400, "a:99999": 400, "a:80:80": 400, "[::1": 400, "[x]": 400, "[::1]x": 400, "[[::1]]": 400,
		"[fe80::1%25eth0]": 400, "a,b": 400, "b\xc3\xbccher.example": 400, "a\\b": 400, "a%2e": 400, "*": 400, strings.Repeat("a", 64): 400, strings.Repeat("a.", 127) + "aa": 400, strings.Repeat("a", 5000): 400, "../../etc": 400,
	} {
		response, _ := b.dial().say("GET /hello HTTP/1.1\r\nHost: " + host + "\r\n\r\n").answer(http.MethodGet)
		if response.StatusCode != status {
			t.Errorf("Host: %.40q: %s, want %d", host, response.Status, status)
		}
	}
	if response, _ := b.dial().say("GET /hello HTTP/1.0\r\n\r\n").answer(http.MethodGet); response.StatusCode != http.StatusOK {
		t.Errorf("HTTP/1.0 without Host: %s", response.Status)
	}
}

func TestRoutesByHost(t *testing.T) {
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.RequestURI, " ", r.Header.Get("X-Forwarded-Prefix"))
	}), func(c *gateway.Config) {
		c.Options.Domain = "fn.example"
		c.Options.Root = "hello"
	})
	b.update(map[denofn.FunctionName]denofn.Settings{"hello": {Hosts: []string{"shop.example"}}})
	for _, c := range []struct{ host, path, want string }{
		{"shop.example", "/a?b", "/a?b "},
		{"SHOP.example.:443", "/hello/a", "/hello/a "},
		{"hello.fn.example", "/a", "/a "},
		{"upper_case.fn.example", "/a", "/a "},
		{"HELLO.FN.EXAMPLE", "/", "/ "},
		{"fn.example", "/hello/a", "/a /hello"},
		{"fn.example", "/other", "/other "}, // the root function
		{"127.0.0.1", "/", "/ "},
		{"127.0.0.1", "/Upper_Case/x", "/x /Upper_Case"},
		{"nobody.fn.example", "/hello", ""},
		{"a.hello.fn.example", "/", ""},
		{"evilfn.example", "/a", "/a "}, // no name below the domain: the root function again
	} {
		response, body := b.dial().say("GET " + c.path + " HTTP/1.1\r\nHost: " + c.host + "\r\n\r\n").answer(http.MethodGet)
		if c.want == "" {
			if response.StatusCode != http.StatusNotFound {
				t.Errorf("%s%s: %s", c.host, c.path, response.Status)
			}
		} else if body != c.want {
			t.Errorf("%s%s: %q, want %q", c.host, c.path, body, c.want)
		}
	}
	response, _ := b.dial().say("GET /_denofn/health HTTP/1.1\r\nHost: shop.example\r\n\r\n").answer(http.MethodGet)
	if response.StatusCode != http.StatusOK {
		t.Errorf("health by a function's host: %s", response.Status)
	}
}

// A connection takes requests until one side says that it does not.
func TestKeepAlive(t *testing.T) {
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }), nil)
	c := b.dial().say("GET /hello/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /hello/2 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /hello/3 HTTP/1.1\r\nHost: a\r\n\r\n")
	for i, method := range []string{"GET", "GET", "HEAD"} {
		response, body := c.answer(method)
		if want := fmt.Sprintf("/%d", i+1); method == "GET" && body != want || response.ContentLength != 2 {
			t.Errorf("%s %s: %q, length %d", method, want, body, response.ContentLength)
		}
	}
	c.say("GET /hello/4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if response, _ := c.answer("GET"); !response.Close {
		t.Error("the answer does not say close")
	}
	c.ended()

	c = b.dial().say("GET /hello/1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if response, _ := c.answer("GET"); response.Header.Get("Connection") != "keep-alive" {
		t.Errorf("HTTP/1.0: %v", response.Header)
	}
	c.say("GET /hello/2 HTTP/1.0\r\n\r\n")
	c.answer("GET")
	c.ended()

	response, _ := b.dial().say("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").answer("OPTIONS")
	if response.StatusCode != http.StatusNoContent || response.Header.Get("Allow") == "" {
		t.Errorf("OPTIONS *: %s %v", response.Status, response.Header)
	}
}

// The answer tells the client what its head says, whatever way the function sent it.
func TestAnswersAsTheFunctionSendsThem(t *testing.T) {
	for _, c := range []struct {
		name, answer, method string
		status               int
		body                 string
		length               int64
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, "hello", 5},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "GET", 200, "hello world", -1},
		{"until close", "HTTP/1.1 200 OK\r\n\r\nhello", "GET", 200, "hello", -1},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, "hello", 5},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, "", 0},
		{"not modified", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "GET", 304, "", 0},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", 200, "", 5},
		{"HEAD of chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", 200, "", -1},
		{"own reason", "HTTP/1.1 299 My Own\r\nContent-Length: 0\r\n\r\n", "GET", 299, "", 0},
		{"no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", 200, "", 0},
		{"large", "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("x", 300000), "GET", 200, strings.Repeat("x", 300000), 300000},
		{"large chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + strings.Repeat("x", 300000) + "\r\n0\r\n\r\n", "GET", 200, strings.Repeat("x", 300000), -1},
		{"long head", "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("y", 30000) + "\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, "hello", 5},
		{"no HTTP", "hello", "GET", 502, "", -2},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "GET", 502, "", -2},
		{"length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "GET", 502, "", -2},
		{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "GET", 502, "", -2},
		{"endless head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 100000), "GET", 502, "", -2},
		{"101 unasked", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "GET", 502, "", -2},
		{"nothing", "", "GET", 502, "", -2},
	} {
		b := open(t, nil, nil)
		b.raw(c.answer)
		client := b.dial().say(c.method + " /hello HTTP/1.1\r\nHost: a\r\n\r\n")
		response, body := client.answer(c.method)
		if response.StatusCode != c.status || c.length != -2 && (body != c.body || response.ContentLength != c.length) {
			t.Errorf("%s: %s, length %d, %.50q", c.name, response.Status, response.ContentLength, body)
		}
		if response.Header.Get("Date") == "" {
			t.Errorf("%s: no Date", c.name)
		}
		if response, _ := client.say("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").answer("OPTIONS"); response.StatusCode != http.StatusNoContent {
			t.Errorf("%s: the connection is out of step", c.name)
		}
	}
}

// An answer that breaks off is seen to, by every kind of client.
func TestBrokenAnswers(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
	} {
		for _, version := range []string{"1.1", "1.0"} {
			b := open(t, nil, nil)
			b.raw(answer)
			c := b.dial().say("GET /hello HTTP/" + version + "\r\nHost: a\r\n\r\n")
			response, err := http.ReadResponse(c.r, nil)
			if err == nil {
				_, err = io.ReadAll(response.Body)
			}
			if err == nil {
				t.Errorf("%q to HTTP/%s looks whole", answer, version)
			}
		}
	}
}

func TestInformationalAnswers(t *testing.T) {
	const answer = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	b := open(t, nil, nil)
	b.raw(answer)
	c := b.dial().say("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
	hints, err := http.ReadResponse(c.r, nil)
	if err != nil || hints.StatusCode != 103 || hints.Header.Get("Link") != "</a.css>" {
		t.Fatalf("%v %v", hints, err)
	}
	if _, body := c.answer("GET"); body != "ok" {
		t.Errorf("then %q", body)
	}
	if response, body := b.dial().say("GET /hello HTTP/1.0\r\n\r\n").answer("GET"); response.StatusCode != 200 || body != "ok" {
		t.Errorf("HTTP/1.0 got %s %q", response.Status, body)
	}
}

func TestTrailers(t *testing.T) {
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprint(w, "body, ", r.Trailer.Get("X-Up"))
		w.Header().Set("X-Sum", "42")
	}), nil)
	c := b.dial().say("POST /hello HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Up\r\n\r\n2\r\nab\r\n0\r\nX-Up: 7\r\n\r\n")
	response, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	if string(body) != "body, 7" || response.Trailer.Get("X-Sum") != "42" {
		t.Errorf("%q %v", body, response.Trailer)
	}
}

// A client that asks first is told to send its body when the function reads it, and
// not before; one that is refused never sends it.
func TestExpectContinue(t *testing.T) {
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "got %s", body)
	}), func(c *gateway.Config) { c.Options.MaxBody = 1000 })
	head := func(path, length string) string {
		return "POST /hello" + path + " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: " + length + "\r\n\r\n"
	}
	c := b.dial().say(head("/", "4"))
	if response, err := http.ReadResponse(c.r, nil); err != nil || response.StatusCode != http.StatusContinue {
		t.Fatalf("%v %v", response, err)
	}
	if _, body := c.say("body").answer("POST"); body != "got body" {
		t.Errorf("%q", body)
	}
	if _, body := c.say("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").answer("GET"); body != "got " {
		t.Errorf("next on the connection: %q", body)
	}
	c = b.dial().say(head("/no", "4"))
	if response, _ := c.answer("POST"); response.StatusCode != http.StatusForbidden {
		t.Errorf("%s", response.Status)
	}
	c.ended()
	c = b.dial().say(head("/", "4000"))
	if response, _ := c.answer("POST"); response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%s", response.Status)
	}
	c.ended()
	if response, body := b.dial().say(head("/", "4") + "body").answer("POST"); response.StatusCode == 200 && body != "got body" {
		t.Errorf("a client that does not wait: %q", body)
	}
}

// A function that answers before it has read the body is heard; the rest of the
// body does not get mixed up with the next request.
func TestEarlyAnswer(t *testing.T) {
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusUnauthorized)
	}), nil)
	c := b.dial().say("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 100000))
	if response, _ := c.answer("POST"); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s", response.Status)
	}
	c.ended()
}

// A task is run with the body of a POST, in whatever way that comes.
func TestTask(t *testing.T) {
	b := open(t, nil, func(c *gateway.Config) {
		c.Invoke = func(_ context.Context, call gateway.Call) (gateway.Result, error) {
			return gateway.Result{Status: 200, Type: "text/plain", Output: fmt.Appendf(nil, "%s ran with %s", call.Function, call.Input)}, nil
		}
	})
	b.update(map[denofn.FunctionName]denofn.Settings{"hello": {Handler: denofn.HandlerTask}})
	c := b.dial()
	for _, request := range []string{
		"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
		"POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
	} {
		if _, body := c.say(request).answer("POST"); body != "hello ran with ab" {
			t.Errorf("%q: %q", request, body)
		}
	}
	if response, _ := c.say("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").answer("GET"); response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %s", response.Status)
	}
	if response, _ := b.dial().say("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n").answer("POST"); response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("large input: %s", response.Status)
	}
}

// Event streams end between two events when the server stops, so that browsers
// connect again; the bytes before are whole.
func TestShutdownEndsEventStreams(t *testing.T) {
	events := make(chan string)
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for {
			w.(http.Flusher).Flush()
			select {
			case text := <-events:
				io.WriteString(w, text)
			case <-r.Context().Done():
				return
			}
		}
	}), nil)
	whole := b.dial().say("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
	response, err := http.ReadResponse(whole.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(response.Body)
	events <- "data: one\n\n"
	if line, err := body.ReadString('\n'); err != nil || line != "data: one\n" {
		t.Fatalf("%q %v", line, err)
	}
	body.ReadString('\n')
	events <- "data: t"
	if half, err := body.Peek(7); err != nil || string(half) != "data: t" {
		t.Fatalf("%q %v", half, err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- b.server.Shutdown(context.Background()) }()
	if err := <-b.served; err != nil {
		t.Fatal(err)
	}
	events <- "wo\n\ndata: never\n\n"
	rest, err := io.ReadAll(body)
	if text := string(rest); err != nil || !strings.HasPrefix(text, "data: two\n\n") || !strings.HasSuffix(text, "\n\n") {
		t.Errorf("the stream ended with %q, %v", text, err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// The access log has one entry a request and no query; ServerTiming tells what a
// request waited for.
func TestAccessLogAndTiming(t *testing.T) {
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }), func(c *gateway.Config) {
		c.Options.AccessLog = gateway.AccessLogAll
		c.Options.ServerTiming = true
	})
	response, _ := b.dial().say("GET /hello/path?token=secret HTTP/1.1\r\nHost: a\r\n\r\n").answer("GET")
	timing := response.Header.Get("Server-Timing")
	if !strings.HasPrefix(timing, "queue;dur=0, start;dur=0, handler;dur=") {
		t.Errorf("Server-Timing: %q", timing)
	}
	id := response.Header.Get("X-Request-Id")
	until(t, "the request is in the log", func() bool { return strings.Contains(b.log.String(), "request="+id) })
	line := b.log.String()
	for _, want := range []string{"msg=request", "function=hello", "method=GET", "path=/hello/path", "status=200", "bytes=5", "duration=", "queue=", "start=", "cold=false", "client=127.0.0.1"} {
		if !strings.Contains(line, want) {
			t.Errorf("the log has no %s: %s", want, line)
		}
	}
	if strings.Contains(line, "secret") {
		t.Errorf("the log has the query: %s", line)
	}
}

// Limits of connections count per address, and let go of those that end.
func TestConnectionLimits(t *testing.T) {
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}), func(c *gateway.Config) { c.Options.MaxPerAddress = 2 })
	request := "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
	first, second := b.dial().say(request), b.dial().say(request)
	first.answer("GET")
	second.answer("GET")
	third := b.dial()
	if response, body := third.answer("GET"); response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "Too many") {
		t.Errorf("%s %q", response.Status, body)
	}
	first.Close()
	until(t, "there is room again", func() bool {
		c := b.dial()
		defer c.Close()
		fmt.Fprint(c, request)
		response, err := http.ReadResponse(c.r, nil)
		return err == nil && response.StatusCode == http.StatusOK
	})
}

// Slow clients are let go: one that does not finish its head, one that does not
// finish its body, and one that does not take its answer.
func TestSlowClients(t *testing.T) {
	aborted := make(chan struct{}, 1)
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					break
				}
			}
			aborted <- struct{}{}
			return
		}
		io.Copy(io.Discard, r.Body)
	}), func(c *gateway.Config) {
		c.Options.HeadTimeout, c.Options.StallTimeout, c.Options.IdleTimeout = 200*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
		c.Options.MinRate = 1 << 20
	})
	c := b.dial().say("GET /hello HTTP/1.1\r\nHost: ")
	if response, _ := c.answer("GET"); response.StatusCode != http.StatusRequestTimeout {
		t.Errorf("slow head: %s", response.Status)
	}
	c.ended()
	c = b.dial().say("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nxx")
	if response, _ := c.answer("POST"); response.StatusCode != http.StatusRequestTimeout {
		t.Errorf("slow body: %s", response.Status)
	}
	c.ended()
	b.dial().say("GET /hello/large HTTP/1.1\r\nHost: a\r\n\r\n") // and never reads
	select {
	case <-aborted:
	case <-time.After(patience):
		t.Error("slow read: the function is held")
	}
	if rest := b.dial().ended(); rest != "" { // says nothing at all
		t.Errorf("silent client: %q", rest)
	}
	c = b.dial().say("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
	c.answer("GET")
	if rest := c.ended(); rest != "" {
		t.Errorf("idle client: %q", rest)
	}
}

// Many requests, one after the other and side by side, on few connections.
func TestManyRequests(t *testing.T) {
	b := openDeno(t, nil)
	errs := make(chan error, 16)
	for i := range cap(errs) {
		go func() {
			client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: patience}
			defer client.CloseIdleConnections()
			errs <- func() error {
				for j := range 100 {
					body := strings.Repeat(fmt.Sprintf("%d.%d ", i, j), j*j)
					path := fmt.Sprintf("/%d/%d", i, j)
					response, err := client.Post(b.url+"/hello"+path, "text/plain", strings.NewReader(body))
					if err != nil {
						return err
					}
					text, err := io.ReadAll(response.Body)
					response.Body.Close()
					if err != nil || string(text) != "POST "+path {
						return fmt.Errorf("POST %s: %s %q %w", path, response.Status, text, err)
					}
				}
				return nil
			}()
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(b.seen(), "POST"); n != 1600 {
		t.Errorf("the function saw %d requests", n)
	}
}

// The daemon's own pages are an http.Handler's, answered in the gateway's way.
func TestOwnPages(t *testing.T) {
	b := open(t, nil, func(c *gateway.Config) {
		c.Own = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/_denofn/page" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("ETag", `"x"`)
			w.Header().Set("Connection", "close")
			if r.Header.Get("If-None-Match") != "" {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			fmt.Fprint(w, "page for ", r.Host, " ", r.URL.RawQuery)
		})
	})
	c := b.dial()
	if response, body := c.say("GET /_denofn/page?q HTTP/1.1\r\nHost: a\r\n\r\n").answer("GET"); body != "page for a q" || response.Header.Get("ETag") != `"x"` {
		t.Errorf("%s %q", response.Status, body)
	}
	if response, body := c.say("HEAD /_denofn/page HTTP/1.1\r\nHost: a\r\n\r\n").answer("HEAD"); response.ContentLength != 11 || body != "" {
		t.Errorf("HEAD: %s %d", response.Status, response.ContentLength)
	}
	if response, _ := c.say("GET /_denofn/page HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\"\r\n\r\n").answer("GET"); response.StatusCode != http.StatusNotModified {
		t.Errorf("%s", response.Status)
	}
	if response, body := c.say("GET /_denofn/none HTTP/1.1\r\nHost: a\r\nAccept: application/problem+json\r\n\r\n").answer("GET"); response.StatusCode != http.StatusNotFound || !strings.Contains(body, `"status":404`) {
		t.Errorf("%s %q", response.Status, body)
	}
	if response, _ := c.say("DELETE /_denofn/page HTTP/1.1\r\nHost: a\r\n\r\n").answer("DELETE"); response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("%s", response.Status)
	}
}
