package gateway_test

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway"
	"github.com/denofn/denofn/procman"
)

// warmLease is of a process that is always there.
type warmLease struct{ *procman.Socket }

func (warmLease) Timeout() time.Duration { return time.Minute }
func (warmLease) Waited() procman.Wait   { return procman.Wait{} }
func (warmLease) Leaving() bool          { return false }
func (warmLease) Release()               {}

// A small request through the gateway costs few allocations: this holds what the
// gateway itself allocates, between a client and a function that allocate nothing.
func TestAllocations(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-length: 5\r\n\r\nhello"
	b := open(t, nil, nil)
	b.serveRaw(func(conn net.Conn) {
		buffer := make([]byte, 4096)
		for {
			if _, err := conn.Read(buffer); err != nil {
				return
			}
			if _, err := io.WriteString(conn, answer); err != nil {
				return
			}
		}
	})
	lease := warmLease{procman.NewSocket(b.sockets["hello"])}
	t.Cleanup(lease.Close)
	g, err := gateway.New(gateway.Config{Acquire: func(context.Context, denofn.FunctionName) (gateway.Lease, error) { return lease, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Update([]gateway.Function{{Release: &denofn.Release{Function: "hello", ID: "1", BundleBytes: 1}}}); err != nil {
		t.Fatal(err)
	}
	b.gateway = g
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.serve(l)
	c := b.dial()
	request := []byte("GET /hello/path?query HTTP/1.1\r\nHost: example.org\r\nUser-Agent: test\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n")
	buffer := make([]byte, 4096)
	once := func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(buffer); err != nil || string(buffer[9:12]) != "200" || string(buffer[n-5:n]) != "hello" {
			t.Fatalf("%q, %v", buffer[:n], err)
		}
	}
	for range 100 {
		once()
	}
	var before, after runtime.MemStats
	const n = 2000
	runtime.ReadMemStats(&before)
	for range n {
		once()
	}
	runtime.ReadMemStats(&after)
	per := float64(after.Mallocs-before.Mallocs) / n
	t.Logf("%.2f allocations a request", per)
	if per > 6 {
		t.Errorf("%.2f allocations a request, more than 6", per)
	}
}
