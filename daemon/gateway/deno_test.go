package gateway_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway"
	"github.com/denofn/denofn/daemon/metrics"
	"github.com/denofn/denofn/micro/denotest"
	"github.com/denofn/denofn/procman"
	"github.com/denofn/denofn/procman/sandbox"
)

func TestMain(m *testing.M) {
	if sandbox.IsHelper() {
		sandbox.Main()
	}
	os.Exit(m.Run())
}

// denoModule is a function in a real Deno. It remembers every request that it has
// seen, so that a test can tell what reached it from what was meant to.
const denoModule = `
const [socket] = Deno.args;
let seen = [];
async function answer(request) {
	const path = request.url.replace(/^[a-z+]*:\/\/[^\/]*/, "");
	if (path === "/seen") {
		const was = seen;
		seen = [];
		return Response.json(was);
	}
	if (request.headers.get("upgrade") === "websocket") {
		const { socket, response } = Deno.upgradeWebSocket(request);
		socket.binaryType = "arraybuffer";
		socket.onmessage = (e) => e.data === "close me" ? socket.close(4321, "as asked") : socket.send(e.data);
		socket.onclose = (e) => seen.push("closed " + e.code);
		return response;
	}
	if (path === "/wait" || path === "/endless") {
		request.signal.addEventListener("abort", () => seen.push("aborted " + path));
		seen.push("began " + path);
		if (path === "/wait") await new Promise(() => {});
		return new Response(new ReadableStream({
			start(c) { c.enqueue(new TextEncoder().encode("first")); },
			cancel() { seen.push("cancelled " + path); },
		}));
	}
	let body;
	try {
		body = await request.text();
	} catch (error) {
		seen.push("broken " + request.method + " " + path);
		throw error;
	}
	seen.push(request.method + " " + path + (body ? " " + body : ""));
	if (path === "/stream") {
		return new Response(new ReadableStream({
			start(c) { for (let i = 0; i < 100; i++) c.enqueue(new TextEncoder().encode("piece " + i + "\n")); c.close(); },
		}));
	}
	if (path === "/headers") return Response.json([...request.headers]);
	return new Response(request.method + " " + path, { status: path.startsWith("/status/") ? +path.slice(8) : 200 });
}
Deno.serve({ path: socket, onListen() { Deno.stdout.writeSync(new TextEncoder().encode("\x1edenofn/1 ready\n")); } }, answer);
`

// openDeno returns a gateway whose function hello runs in Deno, in the pool that
// the daemon uses.
func openDeno(t *testing.T, change func(*gateway.Config)) *box {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "g")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	release := filepath.Join(dir, "release")
	if err := os.MkdirAll(release, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(release, "main.js"), []byte(denoModule), 0o600); err != nil {
		t.Fatal(err)
	}
	pool, err := procman.New(procman.Config{
		DenoPath: denotest.Path(t), RuntimeDir: filepath.Join(dir, "r"), HomeDir: filepath.Join(dir, "home"), CacheDir: filepath.Join(dir, "cache"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Shutdown(context.Background()) })
	pool.Update(procman.Update{Set: []procman.Change{{Spec: procman.Spec{Release: &denofn.Release{Function: "hello", ID: "1"}, Dir: release}}}})
	return open(t, nil, func(c *gateway.Config) {
		c.Acquire = func(ctx context.Context, name denofn.FunctionName) (gateway.Lease, error) {
			lease, err := pool.Acquire(ctx, name)
			if err != nil {
				return nil, err
			}
			return lease, nil
		}
		if change != nil {
			change(c)
		}
	})
}

// seen returns what has reached the function since it was last asked.
func (b *box) seen() string { return get(b.t, b.url+"/hello/seen", http.StatusOK) }

// What a client sends to make the gateway and Deno see different requests is
// refused, or comes out as one request that both see. Whatever it is, the
// connections to Deno stay in step: the function sees no request that the gateway
// has not answered, and the next one gets its own answer.
func TestSmuggling(t *testing.T) {
	b := openDeno(t, nil)
	const host = "Host: a\r\n"
	const smuggled = "GET /hello/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, c := range []struct {
		name, text string
		statuses   string // of the answers on the connection, in order
		seen       string
	}{
		{"CL.TE", "POST /hello/x HTTP/1.1\r\n" + host + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "400", "[]"},
		{"TE.CL", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n" + smuggled + "0\r\n\r\n", "400", "[]"},
		{"TE.TE", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + smuggled, "400", "[]"},
		{"TE.TE twice", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "400", "[]"},
		{"TE with space before colon", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled, "400", "[]"},
		{"TE folded", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + smuggled, "400", "[]"},
		{"TE with vertical tab", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding:\vchunked\r\n\r\n0\r\n\r\n" + smuggled, "400", "[]"},
		{"TE after bare LF", "POST /hello/x HTTP/1.1\r\n" + host + "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "400", "[]"},
		{"TE after bare CR", "POST /hello/x HTTP/1.1\r\n" + host + "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "400", "[]"},
		{"TE in HTTP/1.0", "POST /hello/x HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n" + smuggled, "400", "[]"},
		{"two lengths", "POST /hello/x HTTP/1.1\r\n" + host + "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + smuggled, "400", "[]"},
		{"equal lengths", "POST /hello/x HTTP/1.1\r\n" + host + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab" + smuggled, "400", "[]"},
		{"length in a list", "POST /hello/x HTTP/1.1\r\n" + host + "Content-Length: 0, 44\r\n\r\n" + smuggled, "400", "[]"},
		{"length with plus", "POST /hello/x HTTP/1.1\r\n" + host + "Content-Length: +44\r\n\r\n" + smuggled, "400", "[]"},
		{"length named by Connection", "POST /hello/x HTTP/1.1\r\n" + host + "Content-Length: 45\r\nConnection: Content-Length\r\n\r\n" + strings.Repeat("z", 45), "200", `["POST /x ` + strings.Repeat("z", 45) + `"]`},
		{"TE named by Connection", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding\r\n\r\n2\r\nab\r\n0\r\n\r\n", "200", `["POST /x ab"]`},
		{"body of a GET", "GET /hello/x HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nab" + "GET /hello/y HTTP/1.1\r\n" + host + "\r\n", "200 200", `["GET /x","GET /y"]`},
		{"chunk with bare LF", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n" + smuggled, "400", ""},
		{"chunk longer than it says", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n" + smuggled, "400", ""},
		{"chunk size with sign", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n" + smuggled, "400", ""},
		{"chunk size that overflows", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab\r\n0\r\n\r\n" + smuggled, "400", ""},
		{"chunk extension", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\nab\r\n0;c\r\n\r\n", "200", `["POST /x ab"]`},
		{"chunk extension with bare LF", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2;a\nab\r\n0\r\n\r\n" + smuggled, "400", ""},
		{"chunk extension with bare CR", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2;a\rX\r\nab\r\n0\r\n\r\n" + smuggled, "400", ""},
		{"trailer that frames", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nContent-Length: 44\r\nHost: evil\r\n\r\n" + "GET /hello/y HTTP/1.1\r\n" + host + "\r\n", "200 200", `["POST /x ab","GET /y"]`},
		{"next request right behind chunks", "POST /hello/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nGET /hello/y HTTP/1.1\r\n" + host + "\r\n", "200 200", `["POST /x ab","GET /y"]`},
		{"empty line between requests", "POST /hello/x HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nab\r\nGET /hello/y HTTP/1.1\r\n" + host + "\r\n", "200 200", `["POST /x ab","GET /y"]`},
		{"absolute form with another host", "GET http://a/hello/x HTTP/1.1\r\nHost: b\r\n\r\n", "200", `["GET /x"]`},
		{"request line in the path", "GET /hello/x%20HTTP/1.1%0d%0aHost:%20b%0d%0a%0d%0a HTTP/1.1\r\n" + host + "\r\n", "200", `["GET /x%20HTTP/1.1%0d%0aHost:%20b%0d%0a%0d%0a"]`},
		{"upgrade to h2c", "GET /hello/x HTTP/1.1\r\n" + host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", "200", `["GET /x"]`},
		{"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", "[]"},
		{"websocket without a key", "GET /hello/x HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "500", ""},
		{"websocket with a body", "POST /hello/x HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab", "200", `["POST /x ab"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := b.dial().say(c.text)
			var statuses []string
			for range strings.Fields(c.statuses) {
				response, body := client.answer(http.MethodGet)
				statuses = append(statuses, fmt.Sprint(response.StatusCode))
				if strings.Contains(body, "smuggled") {
					t.Errorf("an answer says %q", body)
				}
			}
			client.Conn.(*net.TCPConn).CloseWrite()
			if rest := client.ended(); rest != "" {
				t.Errorf("there is more: %q", rest)
			}
			if got := strings.Join(statuses, " "); got != c.statuses {
				t.Errorf("answered with %s, want %s", got, c.statuses)
			}
			// More requests than there are connections to Deno: each of them is used again.
			for i := range 4 {
				if got := get(t, fmt.Sprintf("%s/hello/after/%d", b.url, i), http.StatusOK); got != fmt.Sprintf("GET /after/%d", i) {
					t.Errorf("the next request was answered with %q", got)
				}
			}
			seen := b.seen()
			if strings.Contains(seen, "smuggled") {
				t.Errorf("the function saw %s", seen)
			}
			seen = strings.ReplaceAll(seen, `"GET /after/0","GET /after/1","GET /after/2","GET /after/3"`, "")
			seen = strings.ReplaceAll(seen, ",]", "]")
			if c.seen != "" && seen != c.seen {
				t.Errorf("the function saw %s, want %s", seen, c.seen)
			}
		})
	}
}

// A path reaches Deno as it was sent, or is refused. It never reaches a file.
func TestPathsReachDeno(t *testing.T) {
	b := openDeno(t, nil)
	long := "/" + strings.Repeat("long", 5000)
	for _, c := range []struct {
		sent, seen string
		status     int
	}{
		{"/hello", "GET /", 200},
		{"/hello?", "GET /?", 200},
		{"/hello?a=b&c", "GET /?a=b&c", 200},
		{"/hello/", "GET /", 200},
		{"/hello//", "GET //", 200},
		{"/hello//a//b", "GET //a//b", 200},
		{"/hello/a%2Fb%2f", "GET /a%2Fb%2f", 200},
		{"/hello/%00", "GET /%00", 200},
		{"/hello/%zz", "GET /%zz", 200},
		{"/hello/a;b=c,d:e@f", "GET /a;b=c,d:e@f", 200},
		{"/hello/?/../x", "GET /?/../x", 200},
		{"/hello/%2e%2e/x", "", 200}, // Deno's URL takes dots away, as every URL does
		{"/hello/../../etc/passwd", "", 200},
		{"/hello" + long, "GET " + long, 200},
		{"/hello/" + strings.Repeat("x", 40<<10), "", 431},
		{"/%68ello/x", "GET /x", 200},
		{"/hello%2Fx", "", 404},
		{"/Hello", "", 404},
		{"/./hello", "", 404},
		{"/../hello", "", 404},
		{"//hello", "", 404},
		{"/", "", 404},
		{"/hell\xc3\xb6", "", 404},
		{"/hello/#x", "", 400},
		{"/hello/a b", "", 400},
	} {
		client := b.dial().say("GET " + c.sent + " HTTP/1.1\r\nHost: a\r\n\r\n")
		response, body := client.answer(http.MethodGet)
		if response.StatusCode != c.status || c.seen != "" && body != c.seen {
			t.Errorf("%.60s: %d %.60q, want %d %.60q", c.sent, response.StatusCode, body, c.status, c.seen)
		}
		if strings.Contains(body, "root:") {
			t.Errorf("%s reached a file", c.sent)
		}
	}
}

// A stream of Deno's arrives whole, for clients of either version.
func TestStreamFromDeno(t *testing.T) {
	b := openDeno(t, nil)
	for _, version := range []string{"1.1", "1.0"} {
		response, body := b.dial().say("GET /hello/stream HTTP/" + version + "\r\nHost: a\r\n\r\n").answer(http.MethodGet)
		if strings.Count(body, "piece ") != 100 || !strings.HasSuffix(body, "piece 99\n") {
			t.Errorf("HTTP/%s: %d bytes: %.100q", version, len(body), body)
		}
		if chunked := len(response.TransferEncoding) == 1; chunked != (version == "1.1") {
			t.Errorf("HTTP/%s: transfer encoding %q", version, response.TransferEncoding)
		}
	}
}

// A client that leaves is noticed by the function, whether it still waits for the
// answer, reads it, or has only half sent its request.
func TestClientLeavesDeno(t *testing.T) {
	b := openDeno(t, nil)
	sawOf := func(what string) {
		t.Helper()
		all := ""
		until(t, "the function saw "+what, func() bool {
			all += b.seen()
			return strings.Contains(all, what)
		})
	}
	c := b.dial().say("GET /hello/wait HTTP/1.1\r\nHost: a\r\n\r\n")
	sawOf("began /wait")
	c.Close()
	sawOf("aborted /wait")

	c = b.dial().say("GET /hello/endless HTTP/1.1\r\nHost: a\r\n\r\n")
	sawOf("began /endless")
	c.Close()
	sawOf("cancelled /endless")

	c = b.dial().say("POST /hello/half HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
	until(t, "the request is in flight", func() bool { return strings.Contains(b.scrape(), `denofn_http_requests_in_flight{function="hello"} 1`) })
	c.Close()
	sawOf("broken POST /half")
	until(t, "nothing is in flight", func() bool { return strings.Contains(b.scrape(), `denofn_http_requests_in_flight{function="hello"} 0`) })
}

// scrape returns the gateway's metrics as Prometheus reads them.
func (b *box) scrape() string {
	handler, err := metrics.Handler(b.gateway.Metrics()...)
	if err != nil {
		b.t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// Deno's own WebSocket, which is another implementation than the test's, talks to a
// function through the gateway as it would without.
func TestDenoTalksToDeno(t *testing.T) {
	b := openDeno(t, nil)
	script := filepath.Join(t.TempDir(), "client.js")
	text := `
const ws = new WebSocket(Deno.args[0]);
ws.binaryType = "arraybuffer";
await new Promise((done, failed) => { ws.onopen = done; ws.onerror = (e) => failed(e.message); });
const next = () => new Promise((done) => ws.onmessage = (e) => done(e.data));
for (const n of [0, 1, 125, 126, 65535, 65536, 300000]) {
	for (const sent of ["\u00fc".repeat(n), new Uint8Array(n).fill(n & 255)]) {
		const answer = next();
		ws.send(sent);
		const got = await answer;
		const same = typeof sent === "string" ? got === sent : got.byteLength === n && new Uint8Array(got).every((b) => b === (n & 255));
		if (!same) throw new Error("message of " + n + " came back as " + (got.length ?? got.byteLength));
	}
}
ws.send("close me");
const { code, reason, wasClean } = await new Promise((done) => ws.onclose = done);
console.log(code, reason, wasClean);
`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(denotest.Path(t), "run", "--quiet", "--no-prompt", "--no-config", "--allow-net", script, "ws://"+b.address+"/hello/ws")
	command.Env = []string{"DENO_DIR=" + t.TempDir(), "NO_COLOR=1"}
	out, err := command.CombinedOutput()
	if err != nil || string(out) != "4321 as asked true\n" {
		t.Errorf("%q, %v", out, err)
	}
}
