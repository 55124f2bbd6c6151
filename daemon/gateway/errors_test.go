package gateway_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// What people and programs read when a function has not answered.
func TestErrorPages(t *testing.T) {
	b := open(t, nil, nil)
	var got strings.Builder
	for _, path := range []string{"/nobody", "/crashing"} {
		for _, accept := range []string{"*/*", "application/problem+json", "application/json", "text/html"} {
			c := b.dial().say("GET " + path + " HTTP/1.1\r\nHost: a\r\nAccept: " + accept + "\r\n\r\n")
			response, body := c.answer(http.MethodGet)
			id := response.Header.Get("X-Request-Id")
			if len(id) != 16 || !strings.Contains(body, id) {
				t.Errorf("%s: the body has no %q", path, id)
			}
			fmt.Fprintf(&got, "GET %s  Accept: %s\n%s\n", path, accept, response.Status)
			for _, name := range []string{"Content-Type", "Retry-After", "Cache-Control", "Vary", "X-Content-Type-Options", "Content-Security-Policy"} {
				if value := response.Header.Get(name); value != "" {
					fmt.Fprintf(&got, "%s: %s\n", name, value)
				}
			}
			fmt.Fprintf(&got, "\n%s\n", strings.ReplaceAll(body, id, "0123456789abcdef"))
		}
	}
	const golden = "testdata/errors.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("%s does not fit: run go test ./daemon/gateway -run TestErrorPages -update and read the difference\n%s", golden, got.String())
	}
}
