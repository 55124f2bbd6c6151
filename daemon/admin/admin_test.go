package admin_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/admin"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var now = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

// fake is an API with three functions.
type fake struct {
	functions []admin.Function
	checks    []admin.Check
	releases  []admin.Release
	entries   []admin.LogEntry
	query     admin.LogsQuery
	keys      *admin.Keys
	err       error
	asked     []string
	call      admin.Call
	result    *admin.Result
}

func newFake() *fake {
	return &fake{functions: []admin.Function{
		{
			Name: "broken", Repository: "app", Release: "00000000000000aa", Commit: "c1", Handler: denofn.HandlerHTTP, State: "failed", Requests: 3,
			Processes: []admin.Process{},
			Failure: &admin.Failure{Reason: "exited", Message: "the module ended while it was loaded: no \x1b[31mdatabase, and a good deal more to be said about that", Hint: "mend it",
				Output: []string{"error: no database"}, Time: now.Add(-90 * time.Second)},
		},
		{
			Name: "hello", Repository: "app", Release: "00000000000000bb", Commit: "c2", Handler: denofn.HandlerHTTP, State: "ready", Requests: 12345, Waiting: 1, MemoryBytes: 33 << 20,
			Processes: []admin.Process{{PID: 42, Release: "00000000000000bb", State: "ready", Active: 2, Requests: 12345, MemoryBytes: 33 << 20, Started: now.Add(-time.Hour)}},
		},
		{Name: "site", Repository: "web", Release: "00000000000000cc", Commit: "c3", Handler: admin.HandlerStatic, State: "stopped", Processes: []admin.Process{}},
	}, releases: []admin.Release{
		{ID: "00000000000000bb", Commit: "0123456789abcdef", Bytes: 6100, Made: now.Add(-time.Hour), Live: true},
		{ID: "00000000000000aa", Commit: "fedcba9876543210", Bytes: 463000, Made: now.Add(-72 * time.Hour)},
	}}
}

func (f *fake) Version(context.Context) (*admin.Version, error) {
	return &admin.Version{Denofn: "1.2.3", Bundler: "4", Deno: "2.9.6"}, f.err
}
func (f *fake) Functions(context.Context) ([]admin.Function, error) { return f.functions, f.err }
func (f *fake) Doctor(context.Context) ([]admin.Check, error)       { return f.checks, f.err }
func (f *fake) Warm(_ context.Context, name denofn.FunctionName) error {
	f.asked = append(f.asked, "warm "+string(name))
	return f.err
}
func (f *fake) Stop(_ context.Context, name denofn.FunctionName) error {
	f.asked = append(f.asked, "stop "+string(name))
	return f.err
}
func (f *fake) Invoke(_ context.Context, c admin.Call) (*admin.Result, error) {
	f.call = c
	return f.result, f.err
}

func (f *fake) Logs(_ context.Context, q admin.LogsQuery, each func(admin.LogEntry) error) error {
	f.query = q
	for _, e := range f.entries {
		if err := each(e); err != nil {
			return err
		}
	}
	return f.err
}
func (f *fake) Remove(_ context.Context, name denofn.FunctionName) error {
	f.asked = append(f.asked, "rm "+string(name))
	return f.err
}
func (f *fake) Redeploy(_ context.Context, name string) (string, error) {
	f.asked = append(f.asked, "redeploy "+name)
	return "  1 function unchanged\n", f.err
}
func (f *fake) Keys(context.Context) (*admin.Keys, error) { return f.keys, f.err }
func (f *fake) Releases(_ context.Context, name denofn.FunctionName) ([]admin.Release, error) {
	return f.releases, f.err
}
func (f *fake) Rollback(_ context.Context, name denofn.FunctionName, id string) (*admin.Release, error) {
	f.asked = append(f.asked, "rollback "+string(name)+" "+id)
	return &f.releases[1], f.err
}

// serve returns a client of the API on a real socket, and the socket's path.
func serve(t *testing.T, api admin.API, log io.Writer) (*admin.Client, string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "a") // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "admin.sock")
	l, err := admin.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := admin.NewServer(admin.Config{
		API: api, MaxInput: 1000, Logger: slog.New(slog.NewTextHandler(log, nil)),
		Handlers: map[string]http.Handler{"GET /metrics": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "up 1\n") })},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("the socket is left: %v", err)
		}
	})
	return admin.NewClient(path), path
}

// What the API says is what the client at the other end of the socket says.
func TestClientIsTheAPI(t *testing.T) {
	f := newFake()
	f.checks = []admin.Check{{Name: "deno", State: admin.Good, Detail: "2.9.6"}}
	f.result = &admin.Result{Output: []byte{0, 1, 255}, ContentType: "application/x-bytes", Status: 201, ExitCode: 3}
	c, _ := serve(t, f, io.Discard)
	ctx := t.Context()
	if v, err := c.Version(ctx); err != nil || *v != (admin.Version{Denofn: "1.2.3", Bundler: "4", Deno: "2.9.6"}) {
		t.Errorf("version %v, %v", v, err)
	}
	if functions, err := c.Functions(ctx); err != nil || !reflect.DeepEqual(functions, f.functions) {
		t.Errorf("functions %+v, %v", functions, err)
	}
	if checks, err := c.Doctor(ctx); err != nil || !reflect.DeepEqual(checks, f.checks) {
		t.Errorf("checks %+v, %v", checks, err)
	}
	if err := errors.Join(c.Warm(ctx, "hello"), c.Stop(ctx, "hello"), c.Remove(ctx, "hello")); err != nil || !reflect.DeepEqual(f.asked, []string{"warm hello", "stop hello", "rm hello"}) {
		t.Errorf("asked %q, %v", f.asked, err)
	}
	if releases, err := c.Releases(ctx, "hello"); err != nil || !reflect.DeepEqual(releases, f.releases) {
		t.Errorf("releases %+v, %v", releases, err)
	}
	f.keys = &admin.Keys{Path: "/k", Keys: []admin.Key{{Name: "ada", Role: "admin", Repositories: []string{"a*"}, Fingerprint: "SHA256:x"}}, Wrong: []string{"line 2: no"}}
	if keys, err := c.Keys(ctx); err != nil || !reflect.DeepEqual(keys, f.keys) {
		t.Errorf("keys %+v, %v", keys, err)
	}
	f.entries = []admin.LogEntry{{Time: now, Level: "info", Text: "one"}, {Time: now, Release: "00000000000000bb", Stream: "stderr", Level: "error", Request: "r1", Text: "two\nlines"}}
	var entries []admin.LogEntry
	query := admin.LogsQuery{Function: "hello", Most: 7, Follow: true}
	if err := c.Logs(ctx, query, func(e admin.LogEntry) error { entries = append(entries, e); return nil }); err != nil || !reflect.DeepEqual(entries, f.entries) || f.query != query {
		t.Errorf("entries %+v of %+v, %v", entries, f.query, err)
	}
	f.entries = nil
	if err := c.Logs(ctx, query, func(admin.LogEntry) error { return errors.New("none") }); err != nil {
		t.Errorf("no entries: %v", err)
	}
	f.asked = nil
	if report, err := c.Redeploy(ctx, "app"); err != nil || report != "  1 function unchanged\n" || f.asked[0] != "redeploy app" {
		t.Errorf("redeploy %q, %q, %v", report, f.asked, err)
	}
	f.asked = nil
	if r, err := c.Rollback(ctx, "hello", "a&b"); err != nil || !reflect.DeepEqual(*r, f.releases[1]) || f.asked[0] != "rollback hello a&b" {
		t.Errorf("rollback %+v, %q, %v", r, f.asked, err)
	}
	call := admin.Call{Function: "hello", Input: []byte(`{"a":1}`), ContentType: "application/json"}
	if r, err := c.Invoke(ctx, call); err != nil || !reflect.DeepEqual(r, f.result) || !reflect.DeepEqual(f.call, call) {
		t.Errorf("result %+v of %+v, %v", r, f.call, err)
	}
}

func TestErrors(t *testing.T) {
	f := newFake()
	var log bytes.Buffer
	c, _ := serve(t, f, &log)
	for _, code := range []admin.Code{admin.CodeUnknown, admin.CodeConflict, admin.CodeStartFailed, admin.CodeBusy, admin.CodeUnavailable, admin.CodeTimeout} {
		want := &admin.Error{Code: code, Message: "what", Hint: "do", Output: []string{"line"}}
		f.err = want
		if err := c.Warm(t.Context(), "hello"); !reflect.DeepEqual(err, error(want)) {
			t.Errorf("error is %v, not %v", err, want)
		}
	}
	// What is the daemon's own goes to the log, and not to the client.
	f.err = errors.New("secret path")
	_, err := c.Functions(t.Context())
	if admin.CodeOf(err) != admin.CodeInternal || strings.Contains(err.Error(), "secret") {
		t.Errorf("error is %v", err)
	}
	if !strings.Contains(log.String(), "secret path") {
		t.Errorf("the log has not got it: %s", log.String())
	}
	f.err = nil
	if _, err := c.Invoke(t.Context(), admin.Call{Function: "hello", Input: make([]byte, 1001)}); admin.CodeOf(err) != admin.CodeInvalid || !strings.Contains(err.Error(), "longer than 1000 bytes") {
		t.Errorf("a long input: %v", err)
	}
	if err := c.Warm(t.Context(), "..%2F.."); admin.CodeOf(err) != admin.CodeInvalid {
		t.Errorf("a name that is none: %v", err)
	}
}

// Programs may speak HTTP to the socket by themselves.
func TestHTTP(t *testing.T) {
	_, path := serve(t, newFake(), io.Discard)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/metrics", 200, "up 1\n"},
		{"GET", "/v1/version", 200, `{"denofn":"1.2.3","bundler":"4","deno":"2.9.6"}` + "\n"},
		{"POST", "/v1/functions/hello/warm", 200, "{}\n"},
		{"POST", "/v1/functions/-x/warm", 400, `{"error":{"code":"invalid",`},
		{"GET", "/v1/functions/hello/warm", 404, `{"error":`},
		{"GET", "/v2/functions", 404, `{"error":{"code":"unknown","message":"there is no GET /v2/functions in this version of the API"}}` + "\n"},
	} {
		r, err := http.NewRequest(c.method, "http://denofn"+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != c.status || !strings.HasPrefix(string(body), c.body) {
			t.Errorf("%s %s: %s %q, %v", c.method, c.path, response.Status, body, err)
		}
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	l, err := admin.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if l.Addr().String() != path {
		t.Errorf("address is %s", l.Addr())
	}
	if _, err := admin.Listen(path); err == nil || !strings.Contains(err.Error(), "another daemon") {
		t.Errorf("a socket in use is taken: %v", err)
	}
	// A daemon that was killed leaves its socket.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "stale")})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	l2, err := admin.Listen(filepath.Join(dir, "stale"))
	if err != nil {
		t.Fatalf("a socket that nobody listens on: %v", err)
	}
	l2.Close()
	l.Close()
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Listen(path); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file is taken: %v", err)
	}
	os.Remove(path)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

func TestClientWithoutDaemon(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	for _, path := range []string{filepath.Join(dir, "none"), stale} {
		_, err := admin.NewClient(path).Functions(t.Context())
		if admin.CodeOf(err) != admin.CodeUnavailable || !strings.Contains(err.Error(), "does not run") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestNewServerValidates(t *testing.T) {
	if _, err := admin.NewServer(admin.Config{}); err == nil {
		t.Error("a server of nothing is made")
	}
}
