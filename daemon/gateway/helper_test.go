package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway"
	"github.com/denofn/denofn/procman"
)

// patience bounds every wait of a test.
const patience = 30 * time.Second

// A lease sends requests to a socket that stands for a function's process.
type lease struct {
	socket  string
	timeout time.Duration
	waited  procman.Wait
	leaving *atomic.Bool
	release func()
}

func (l *lease) Do(ctx context.Context, x procman.Exchange) error {
	socket := procman.NewSocket(l.socket)
	socket.Close() // no connection is kept
	return socket.Do(ctx, x)
}

func (l *lease) Timeout() time.Duration { return l.timeout }
func (l *lease) Waited() procman.Wait   { return l.waited }
func (l *lease) Leaving() bool          { return l.leaving.Load() }
func (l *lease) Release()               { l.release() }

// A box is a gateway whose functions are handlers of the test.
type box struct {
	t       *testing.T
	gateway *gateway.Gateway
	server  *gateway.Server
	address string
	url     string
	leaving atomic.Bool    // of every process
	leases  sync.WaitGroup // that have not been released
	sockets map[denofn.FunctionName]string
	timeout time.Duration
	log     lockedBuffer
	served  chan error
}

// A lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// open returns a gateway with the functions hello, which handler answers, and
// those of more.
func open(t *testing.T, handler http.Handler, change func(*gateway.Config)) *box {
	t.Helper()
	b := &box{t: t, sockets: make(map[denofn.FunctionName]string), timeout: 5 * time.Second}
	dir, err := os.MkdirTemp("/tmp", "g") // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if handler != nil {
		b.serveFunction(filepath.Join(dir, "hello"), handler)
	}
	b.sockets["hello"] = filepath.Join(dir, "hello")
	config := gateway.Config{Acquire: b.acquire, Logger: slog.New(slog.NewTextHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	config.Options.MaxBody = 1 << 20
	if change != nil {
		change(&config)
	}
	if b.gateway, err = gateway.New(config); err != nil {
		t.Fatal(err)
	}
	b.update(nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.serve(l)
	return b
}

func (b *box) serve(l net.Listener) {
	b.server = gateway.NewServer(l, b.gateway)
	b.address = l.Addr().String()
	b.url = "http://" + b.address
	server, served := b.server, make(chan error, 1)
	b.served = served
	go func() { served <- server.Serve() }()
	b.t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		server.Shutdown(ctx)
		b.leases.Wait()
	})
}

// update makes the functions live that tests know, and more.
func (b *box) update(settings map[denofn.FunctionName]denofn.Settings, more ...gateway.Function) {
	functions := more
	for _, name := range []denofn.FunctionName{"hello", "broken", "crashing", "busy", "Upper_Case"} {
		functions = append(functions, gateway.Function{Release: &denofn.Release{Function: name, ID: "1", BundleBytes: 1, Settings: settings[name]}})
	}
	if err := b.gateway.Update(functions); err != nil {
		b.t.Fatal(err)
	}
}

// serveFunction serves handler on a socket, as a process would.
func (b *box) serveFunction(socket string, handler http.Handler) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		b.t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	b.t.Cleanup(func() { server.Close() })
}

// serveRaw answers every connection to the function hello with f, which may speak
// as it likes.
func (b *box) serveRaw(f func(net.Conn)) {
	l, err := net.Listen("unix", b.sockets["hello"])
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				f(conn)
			}()
		}
	}()
}

func (b *box) acquire(_ context.Context, name denofn.FunctionName) (gateway.Lease, error) {
	switch name {
	case "hello", "both", "Upper_Case":
		b.leases.Add(1)
		return &lease{socket: b.sockets["hello"], timeout: b.timeout, leaving: &b.leaving, release: b.leases.Done}, nil
	case "broken":
		return nil, &procman.StartError{Function: name, Message: "secret reason", Output: []string{"secret stack"}}
	case "crashing":
		return nil, &procman.StartError{Function: name, RetryAfter: 3 * time.Second}
	case "busy":
		return nil, procman.ErrBusy
	}
	return nil, fmt.Errorf("acquire %s: %w", name, procman.ErrUnknown)
}

// A client is a connection to the gateway on which a test says what it likes.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (b *box) dial() *client {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &client{conn, b.t, bufio.NewReader(conn)}
}

func (c *client) say(text string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// answer reads one answer to a request with the method.
func (c *client) answer(method string) (*http.Response, string) {
	c.t.Helper()
	response, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response, string(body)
}

// ended waits for the gateway to close the connection, and returns what came before.
func (c *client) ended() string {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		c.t.Fatalf("the connection is still open: %v", err)
	}
	return string(rest)
}

// until waits for check.
func until(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}
