package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/denofn/denofn/daemon/gateway"
)

// serve returns the address of a gateway whose only working function, hello, is
// handler.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	return open(t, handler, func(c *gateway.Config) { c.Options.MaxBody = 1 << 10 }).url
}

func TestFunctionSeesItsOwnURL(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.RequestURI, " ", r.Header.Get("X-Forwarded-Prefix"))
	})
	for path, want := range map[string]string{
		"/hello":              "/",
		"/hello/":             "/",
		"/hello/a/b?q=1":      "/a/b?q=1",
		"/hello/a%2Fb":        "/a%2Fb",
		"/hello//double":      "//double",
		"/%68ello/x":          "/x",
		"/hello?only=query":   "/?only=query",
		"/hello/%F0%9F%8E%89": "/%F0%9F%8E%89",
	} {
		if got := get(t, url+path, http.StatusOK); got != want+" /hello" {
			t.Errorf("GET %s: the function saw %q, want %q", path, got, want+" /hello")
		}
	}
}

// A client must not be able to pretend to be a proxy, or to choose the ID under
// which its request is logged.
func TestForwardingHeadersAreOurs(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded", "X-Request-Id"} {
			if strings.Contains(r.Header.Get(name), "forged") {
				fmt.Fprintln(w, name, r.Header.Get(name))
			}
		}
		fmt.Fprint(w, r.Host)
	})
	request, _ := http.NewRequest(http.MethodGet, url+"/hello", nil)
	request.Host = "example.org"
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded", "X-Request-Id"} {
		request.Header.Set(name, "forged")
	}
	if got := do(t, request, http.StatusOK); got != "example.org" {
		t.Errorf("the function saw %q", got)
	}
}

func TestFailures(t *testing.T) {
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/stuck":
			<-r.Context().Done()
		case "/gone":
			panic(http.ErrAbortHandler)
		}
		io.Copy(io.Discard, r.Body)
	}), func(c *gateway.Config) { c.Options.MaxBody = 1 << 10 })
	b.timeout = 200 * time.Millisecond
	url := b.url
	long := strings.Repeat("x", 2<<10)
	for _, c := range []struct {
		path, body string
		status     int
		retryAfter string
	}{
		{"/", "", 404, ""},
		{"/nobody", "", 404, ""},
		{"/_reserved", "", 404, ""},
		{"/_denofn/unknown", "", 404, ""},
		{"/bad%zz", "", 404, ""},
		{"/broken", "", 502, ""},
		{"/crashing", "", 503, "3"},
		{"/busy", "", 503, "1"},
		{"/hello/stuck", "", 504, ""},
		{"/hello/gone", "", 502, ""},
		{"/hello", long, 413, ""},
	} {
		request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		request.URL.Opaque = c.path
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Errorf("POST %s: %v", c.path, err)
			continue
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != c.status || response.Header.Get("Retry-After") != c.retryAfter {
			t.Errorf("POST %s: %s, Retry-After %q; want %d, %q", c.path, response.Status, response.Header.Get("Retry-After"), c.status, c.retryAfter)
		}
		if strings.Contains(string(body), "secret") {
			t.Errorf("POST %s told the client %q", c.path, body)
		}
	}
}

// A body whose length is not told in advance is cut off at the limit too.
func TestLongBodyOfUnknownLength(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	request, _ := http.NewRequest(http.MethodPost, url+"/hello", io.MultiReader(strings.NewReader(strings.Repeat("x", 2<<10))))
	do(t, request, http.StatusRequestEntityTooLarge)
}

func TestErrorInThePreferredType(t *testing.T) {
	url := serve(t, nil)
	for accept, want := range map[string]string{
		"":                         "text/plain; charset=utf-8",
		"*/*":                      "text/plain; charset=utf-8",
		"application/json":         "application/json",
		"application/problem+json": "application/problem+json",
		"text/html,application/xhtml+xml,*/*;q=0.8": "text/html; charset=utf-8",
		"text/html;q=0.1, application/json;q=0.9":   "application/json",
		"text/html;q=0": "text/plain; charset=utf-8",
		";;;,q=":        "text/plain; charset=utf-8",
	} {
		request, _ := http.NewRequest(http.MethodGet, url+"/nobody", nil)
		request.Header.Set("Accept", accept)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("Content-Type"); got != want {
			t.Errorf("Accept: %s: answered in %q, want %q", accept, got, want)
		}
	}
}

// What the function writes reaches the client when it is written, and what the
// client sends reaches the function when it is sent.
func TestStreamsBothWays(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintln(w, "echo", lines.Text())
			w.(http.Flusher).Flush()
		}
	})
	body, send := io.Pipe()
	request, _ := http.NewRequest(http.MethodPost, url+"/hello", body)
	go fmt.Fprintln(send, "one")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answers := bufio.NewScanner(response.Body)
	for _, word := range []string{"one", "two", "three"} {
		if word != "one" {
			fmt.Fprintln(send, word)
		}
		if !answers.Scan() || answers.Text() != "echo "+word {
			t.Fatalf("the answer to %q was %q, %v", word, answers.Text(), answers.Err())
		}
	}
	send.Close()
}

// The function learns that the client has left.
func TestClientLeaves(t *testing.T) {
	left := make(chan struct{})
	began := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		close(began)
		<-r.Context().Done()
		close(left)
	})
	ctx, cancel := context.WithCancel(t.Context())
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+"/hello", nil)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	<-began
	cancel()
	response.Body.Close()
	select {
	case <-left:
	case <-time.After(30 * time.Second):
		t.Fatal("the function was not told")
	}
}

func TestHealth(t *testing.T) {
	if got := get(t, serve(t, nil)+"/_denofn/health", http.StatusOK); got != "ok\n" {
		t.Errorf("health says %q", got)
	}
}

func get(t *testing.T, url string, status int) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, request, status)
}

func do(t *testing.T, request *http.Request, status int) string {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != status {
		t.Errorf("%s %s: %s, want %d", request.Method, request.URL, response.Status, status)
	}
	return string(body)
}

// A stop loses no request: not one that is being answered, and not one whose
// connection was accepted but whose first byte has not been read yet.
func TestShutdownLosesNothing(t *testing.T) {
	inRequest, finish := make(chan struct{}), make(chan struct{})
	b := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(inRequest)
			<-finish
		}
		fmt.Fprint(w, "done")
	}), nil)
	server, served := b.server, b.served

	late, err := net.Dial("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	slow := make(chan string, 1)
	go func() { slow <- get(t, b.url+"/hello/slow", http.StatusOK) }()
	<-inRequest

	stopped := make(chan error, 1)
	go func() { stopped <- server.Shutdown(context.Background()) }()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	fmt.Fprint(late, "GET /hello/late HTTP/1.1\r\nHost: x\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(late), nil)
	if err != nil {
		t.Fatalf("the late request was lost: %v", err)
	}
	if body, _ := io.ReadAll(response.Body); string(body) != "done" {
		t.Errorf("late request: %q", body)
	}
	close(finish)
	if got := <-slow; got != "done" {
		t.Errorf("slow request: %q", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// A request that does not end cannot keep the daemon from stopping for ever.
func TestShutdownIsBounded(t *testing.T) {
	began := make(chan struct{})
	b := open(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	}), nil)
	go http.Get(b.url + "/hello")
	<-began
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
}
