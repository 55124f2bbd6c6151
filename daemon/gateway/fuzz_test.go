package gateway_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway"
	"github.com/denofn/denofn/daemon/gateway/http1"
)

// Whatever is accepted as a host is safe to look up and to write anywhere, and is
// its own canonical form.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{"example.org:80", "..", "[::1]:8000", "A.b-c_d.", "127.0.0.1", "[[::1]]", "a:99999", "xn--bcher-kva"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		name, port, err := gateway.ParseHost(b)
		if err != nil {
			return
		}
		if strings.ContainsAny(name, "/\\ @%,\"'<>\r\n\t\x00") || strings.Contains(name, "..") || name == "" || name != strings.ToLower(name) || strings.HasPrefix(name, ".") {
			t.Fatalf("%q has the name %q", b, name)
		}
		for _, c := range port {
			if c < '0' || c > '9' {
				t.Fatalf("%q has the port %q", b, port)
			}
		}
		if again, _, err := gateway.ParseHost([]byte(name)); err != nil || again != name {
			t.Fatalf("%q is %q, which is %q, %v", b, name, again, err)
		}
	})
}

// A route leads to a function that there is or to none, and the path that the
// function sees is an end of what was sent, byte for byte.
func FuzzRoute(f *testing.F) {
	names := []denofn.FunctionName{"hello", "Upper_Case", "a-b"}
	for _, seed := range []string{"/hello/x", "/hello", "/%68ello?x", "/../hello", "//hello", "/_denofn/health", "/Upper_Case/%2f/..", "/hell%", "/hello%2fx"} {
		f.Add("localhost", seed)
		f.Add("hello.fn.example", seed)
		f.Add("shop.example", seed)
	}
	f.Fuzz(func(t *testing.T, host, target string) {
		h, _, err := gateway.ParseHost([]byte(host))
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		name, prefix, path, own := gateway.RouteOf(names, h, target)
		if own {
			if !strings.HasPrefix(target, "/_denofn/") || name != "" {
				t.Fatalf("%s is the daemon's own", target)
			}
			return
		}
		if name == "" {
			return
		}
		if prefix+path != target {
			t.Fatalf("%s was taken apart into %q and %q", target, prefix, path)
		}
		if prefix == "" {
			if h != "shop.example" && h != strings.ToLower(string(name))+".fn.example" {
				t.Fatalf("host %s leads to %s", h, name)
			}
			return
		}
		decoded := strings.TrimPrefix(prefix, "/")
		if !strings.Contains(decoded, "%") && decoded != string(name) || strings.ContainsAny(decoded, "/?") || path != "" && path[0] != '/' && path[0] != '?' {
			t.Fatalf("%s leads to %s with %q", target, name, path)
		}
	})
}

// However a client writes its head, the function sees one that cannot be
// misunderstood, with one of each field that is ours, and nothing of a stranger's
// in those.
func FuzzForward(f *testing.F) {
	for _, seed := range []string{
		"GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
		forwardingRequest,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: x-y, host, content-length\r\nX-Y: 1\r\nTE: trailers\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
		"POST / HTTP/1.0\r\nContent-Length: 5\r\nX-Forwarded-Zzz: evil\r\n\r\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, trusted bool) {
		scanned := 0
		n, err := http1.HeadEnd(data, &scanned)
		if n == 0 || err != nil {
			return
		}
		var sent http1.Request
		if sent.Parse(data[:n]) != nil || string(sent.Target) == "*" {
			return
		}
		head, err := gateway.Forward(data[:n], trusted)
		if err != nil {
			return
		}
		var got http1.Request
		if err := got.Parse(head); err != nil {
			t.Fatalf("%q is not a head: %v", head, err)
		}
		if !bytes.Equal(got.Method, sent.Method) || !bytes.Equal(got.Target, sent.Target) || got.Body != sent.Body || got.Close {
			t.Fatalf("%q became %q", data[:n], head)
		}
		counts := make(map[string]int)
		for _, field := range got.Fields {
			name := strings.ToLower(string(field.Name))
			counts[name]++
			if !trusted && strings.HasPrefix(name, "x-forwarded-") && counts[name] > 1 {
				t.Fatalf("two of %s in %q", name, head)
			}
			switch name {
			case "x-forwarded-for":
				if !trusted && string(field.Value) != "192.0.2.1" {
					t.Fatalf("%s: %s", name, field.Value)
				}
			case "connection":
				if string(field.Value) != "Upgrade" {
					t.Fatalf("%s: %s", name, field.Value)
				}
			case "keep-alive", "proxy-connection", "proxy-authorization", "trailers":
				t.Fatalf("%s goes on to the function", name)
			}
		}
		for _, name := range []string{"host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-prefix", "x-request-id", "via", "forwarded"} {
			if counts[name] != 1 {
				t.Fatalf("%d of %s in %q", counts[name], name, head)
			}
		}
		if _, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head))); err != nil && !strings.Contains(err.Error(), "UR") && !strings.Contains(err.Error(), "Host") {
			t.Fatalf("net/http refuses %q: %v", head, err)
		}
	})
}
