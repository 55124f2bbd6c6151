package gateway_test

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/denofn/denofn/daemon/gateway"
)

// A bug in one goroutine of a connection ends the connection, and not the daemon.
func TestPanicEndsItsConnectionAlone(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	var log bytes.Buffer
	err := gateway.RunOf(server, slog.New(slog.NewTextHandler(&log, nil)), func() { panic("a bug") })
	if err == nil {
		t.Error("the request goes on")
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
	if !strings.Contains(log.String(), "a bug") || !strings.Contains(log.String(), "stack=") {
		t.Errorf("the log does not tell: %s", &log)
	}
	if err := gateway.RunOf(server, slog.New(slog.DiscardHandler), func() {}); err != nil {
		t.Errorf("without a bug: %v", err)
	}
}
