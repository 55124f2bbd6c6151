package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway"
	"github.com/denofn/denofn/daemon/static"
	"github.com/denofn/denofn/procman"
)

// roleFlag makes this program one of the proxies.
const roleFlag = "-as"

// module is the function behind every proxy.
const module = `
const [socket] = Deno.args;
const megabyte = new Uint8Array(1 << 20).fill(97);
const encoder = new TextEncoder();
const listeners = new Set();
setInterval(() => {
	const event = encoder.encode("data: " + Date.now() + "\n\n");
	for (const l of listeners) l.enqueue(event);
}, 100);
function events() {
	let mine;
	const body = new ReadableStream({
		start(controller) { listeners.add(mine = controller); controller.enqueue(encoder.encode(": hello\n\n")); },
		cancel() { listeners.delete(mine); },
	});
	return new Response(body, { headers: { "content-type": "text/event-stream" } });
}
Deno.serve({ path: socket, onListen() { Deno.stdout.writeSync(encoder.encode("\x1edenofn/1 ready\n")); } }, async (request) => {
	const url = request.url;
	if (url.endsWith("/mb")) return new Response(megabyte);
	if (url.endsWith("/up")) {
		let n = 0;
		for await (const chunk of request.body) n += chunk.byteLength;
		return new Response(String(n));
	}
	if (url.endsWith("/events")) return events();
	return new Response("Hello, World!");
});
`

func serveRole(args []string) error {
	role, dir, deno, socket := args[0], args[1], args[2], args[3]
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println(l.Addr())
	switch role {
	case "denofn":
		return serveDenofn(ctx, l, dir, deno)
	case "fasthttp":
		return serveFasthttp(ctx, l, socket)
	}
	target := func(pr *httputil.ProxyRequest) {
		pr.Out.URL.Scheme, pr.Out.URL.Host = "http", "function"
		pr.Out.URL.Path = strings.TrimPrefix(pr.Out.URL.Path, "/bench")
		pr.SetXForwarded()
	}
	transport := func() *http.Transport {
		return &http.Transport{
			MaxIdleConnsPerHost: 1024, DisableCompression: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			},
		}
	}
	quiet := log.New(io.Discard, "", 0)
	handler := http.Handler(&httputil.ReverseProxy{Rewrite: target, Transport: transport(), FlushInterval: -1, ErrorLog: quiet})
	if role == "smallweb" {
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t := transport()
			defer t.CloseIdleConnections()
			(&httputil.ReverseProxy{Rewrite: target, Transport: t, FlushInterval: -1, ErrorLog: quiet}).ServeHTTP(w, r)
		})
	}
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	<-ctx.Done()
	return server.Close()
}

// serveDenofn is the gateway and the pool as the daemon puts them together.
func serveDenofn(ctx context.Context, l net.Listener, dir, deno string) error {
	release := filepath.Join(dir, "release")
	site := filepath.Join(dir, "site")
	for _, d := range []string{release, filepath.Join(release, "static"), site} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(release, "main.js"), []byte(module), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(site, "file.txt"), []byte(strings.Repeat("0123456789", 1024)), 0o644); err != nil {
		return err
	}
	files, err := static.Build(ctx, os.DirFS(site), ".", "")
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(release, name), data, 0o600); err != nil {
			return err
		}
	}
	pool, err := procman.New(procman.Config{
		DenoPath: deno, RuntimeDir: filepath.Join(dir, "r"), HomeDir: filepath.Join(dir, "home"), CacheDir: filepath.Join(dir, "cache"),
		Concurrency: 4096, IdleTimeout: time.Hour,
	})
	if err != nil {
		return err
	}
	defer pool.Shutdown(context.Background())
	fn := &denofn.Release{ID: "bench", Function: "bench", BundleBytes: 1, Settings: denofn.Settings{Memory: 2 << 30}}
	pool.Update(procman.Update{Set: []procman.Change{{Spec: procman.Spec{Release: fn, Dir: release}}}})
	g, err := gateway.New(gateway.Config{
		Acquire: func(ctx context.Context, name denofn.FunctionName) (gateway.Lease, error) {
			lease, err := pool.Acquire(ctx, name)
			if err != nil {
				return nil, err
			}
			return lease, nil
		},
		Options: gateway.Options{MaxPerAddress: 8192},
	})
	if err != nil {
		return err
	}
	err = g.Update([]gateway.Function{
		{Release: fn, Dir: release},
		{Release: &denofn.Release{ID: "site", Function: "site", Settings: denofn.Settings{Static: "site"}}, Dir: release},
	})
	if err != nil {
		return err
	}
	server := gateway.NewServer(l, g)
	go server.Serve()
	<-ctx.Done()
	stopped, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	server.Shutdown(stopped)
	return nil
}

func serveFasthttp(ctx context.Context, l net.Listener, socket string) error {
	client := &fasthttp.HostClient{
		Addr: "function", MaxConns: 4096, StreamResponseBody: true,
		Dial: func(string) (net.Conn, error) { return net.Dial("unix", socket) },
	}
	server := &fasthttp.Server{
		MaxRequestBodySize: 100 << 20,
		Handler: func(ctx *fasthttp.RequestCtx) {
			uri := ctx.Request.URI()
			uri.SetPath(strings.TrimPrefix(string(uri.Path()), "/bench"))
			ctx.Request.Header.Set("X-Forwarded-For", ctx.RemoteIP().String())
			ctx.Request.Header.Del("Connection")
			if err := client.Do(&ctx.Request, &ctx.Response); err != nil {
				ctx.Error(err.Error(), http.StatusBadGateway)
			}
			ctx.Response.Header.Del("Connection")
		},
	}
	go server.Serve(l)
	<-ctx.Done()
	return nil
}
