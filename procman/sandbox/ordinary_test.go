package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestOrdinaryFunctions(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
	defer server.Close()
	script, err := os.ReadFile("testdata/ordinary.js")
	if err != nil {
		t.Fatal(err)
	}
	h := openHost(t)
	for _, user := range users() {
		for _, network := range []bool{false, true} {
			t.Run(user.name+"/network="+strconv.FormatBool(network), func(t *testing.T) {
				b := newBox(t, user.credential)
				run := filepath.Join(b.dir(t), "run")
				b.mkdir(t, run)
				p := b.profile(t, string(script), toJSON(t, map[string]any{
					"network": network, "url": server.URL, "socket": filepath.Join(run, "http.sock"),
				}))
				p.ReadWrite = append(p.ReadWrite, run)
				p.Network = network
				stdout, stderr, code := runCommand(t, b.command(t, h, p))
				var failed map[string]string
				if err := json.Unmarshal([]byte(stdout), &failed); err != nil || code != 0 {
					t.Fatalf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
				}
				for name, why := range failed {
					t.Errorf("%s: %s", name, why)
				}
			})
		}
	}
}
