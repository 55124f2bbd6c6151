package daemon_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/denofn/denofn/daemon"
	"github.com/denofn/denofn/micro/denotest"
)

// Metrics are at an address of their own when the configuration names one, and
// never on the public side.
func TestMetricsAddress(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "m") // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "denofn.toml")
	config := func(metrics string) {
		text := fmt.Sprintf("state_dir = \"state\"\nruntime_dir = \"r\"\ndeno = %q\n[http]\nlisten = \"127.0.0.1:0\"\nmetrics = %q\n[ssh]\nlisten = \"127.0.0.1:0\"\nauthorized_keys = \"keys\"\n", denotest.Path(t), metrics)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config("127.0.0.1:0")
	if err := os.WriteFile(filepath.Join(dir, "keys"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer // written by Open alone, until it has returned
	d, err := daemon.Open(t.Context(), daemon.Options{ConfigPath: path, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	started := log.String()
	address := func(pattern string) string {
		match := regexp.MustCompile(pattern + `=(\S+)`).FindStringSubmatch(started)
		if match == nil {
			t.Fatalf("no %s in the log:\n%s", pattern, started)
		}
		return match[1]
	}
	if status, text := ask(t, "http://"+address("address")+"/metrics"); status != http.StatusOK || !strings.Contains(text, "denofn_functions 0") {
		t.Errorf("%d %.300s", status, text)
	}
	for _, path := range []string{"/metrics", "/_denofn/metrics"} {
		if status, _ := ask(t, "http://"+address("http")+path); status != http.StatusNotFound {
			t.Errorf("the public side answers %s with %d", path, status)
		}
	}
	if err := d.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	config(taken.Addr().String())
	if _, err := daemon.Open(t.Context(), daemon.Options{ConfigPath: path, Logger: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "http.metrics") {
		t.Errorf("an address that is taken: %v", err)
	}
}

func ask(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
