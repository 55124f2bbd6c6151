// Package gateway is the public HTTP side of denofn: it finds the function that
// a request is for, waits for a process of it, and passes the request and the
// answer through without holding either in memory.
//
// A request for /NAME/rest reaches the function as /rest, with the prefix in
// X-Forwarded-Prefix. Everything below /_denofn/ is the daemon's own. What a
// client is told of a failure is a status and one sentence; what happened
// exactly goes to the log, under the request's ID.
package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/denofn/denofn"
)

// A Lease is the right to send one request to a process of a function. It must
// be released after the body of the answer has been read.
type Lease interface {
	http.RoundTripper
	Timeout() time.Duration // longest time to the head of the answer
	Release()
}

// Config is what a Gateway needs.
type Config struct {
	// Acquire waits for a process of the function that can take a request. The
	// errors are procman's.
	Acquire func(ctx context.Context, name denofn.FunctionName) (Lease, error)
	MaxBody int64 // longest request body, bytes
	Logger  *slog.Logger
}

// A Gateway is the http.Handler of the public side. It is safe for concurrent
// use and holds no state between requests.
type Gateway struct {
	config Config
}

// New returns a Gateway.
func New(c Config) *Gateway {
	return &Gateway{c}
}

// errTimeout is the cause with which a request is cancelled whose function did
// not begin its answer in time.
var errTimeout = errors.New("function did not answer in time")

const (
	ownPrefix       = "/_denofn/"
	headerRequestID = "X-Request-Id"
	headerPrefix    = "X-Forwarded-Prefix"
)

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, ownPrefix) {
		g.serveOwn(w, r)
		return
	}
	id := newRequestID()
	w.Header().Set(headerRequestID, id)
	name, rest, ok := route(r.URL.EscapedPath())
	if !ok {
		writeError(w, r, failure{status: http.StatusNotFound, text: textUnknown})
		return
	}
	if r.ContentLength > g.config.MaxBody {
		writeError(w, r, tooLarge(g.config.MaxBody))
		return
	}
	if err := g.pass(w, r, name, rest, id); err != nil {
		g.fail(w, r, name, id, err)
	}
}

func (g *Gateway) serveOwn(w http.ResponseWriter, r *http.Request) {
	switch strings.TrimPrefix(r.URL.Path, ownPrefix) {
	case "health":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintln(w, "ok")
	default:
		writeError(w, r, failure{status: http.StatusNotFound, text: "Nothing is here."})
	}
}

// pass hands the request to a process of the function and its answer to the
// client. An error means that nothing has been written yet.
func (g *Gateway) pass(w http.ResponseWriter, r *http.Request, name denofn.FunctionName, rest *url.URL, id string) error {
	lease, err := g.config.Acquire(r.Context(), name)
	if err != nil {
		return err
	}
	defer lease.Release()

	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	timer := time.AfterFunc(lease.Timeout(), func() { cancel(errTimeout) })
	defer timer.Stop()

	var failed error
	proxy := httputil.ReverseProxy{
		Transport:     lease,
		FlushInterval: -1,
		Rewrite:       func(pr *httputil.ProxyRequest) { rewrite(pr, name, rest, id) },
		ModifyResponse: func(*http.Response) error {
			timer.Stop()
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			failed = err
		},
		ErrorLog: slog.NewLogLogger(g.config.Logger.With("function", name, "request", id).Handler(), slog.LevelWarn),
	}
	in := r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		in.Body = http.MaxBytesReader(w, r.Body, g.config.MaxBody)
	}
	proxy.ServeHTTP(w, in)
	return failed
}

// rewrite makes the request that the function sees out of the client's. Its
// forwarding headers are ours alone: a client cannot pretend to be a proxy.
func rewrite(pr *httputil.ProxyRequest, name denofn.FunctionName, rest *url.URL, id string) {
	pr.Out.URL.Scheme = "http"
	pr.Out.URL.Host = string(name)
	pr.Out.URL.Path, pr.Out.URL.RawPath = rest.Path, rest.RawPath
	pr.Out.URL.RawQuery = pr.In.URL.RawQuery
	pr.Out.Host = pr.In.Host
	pr.SetXForwarded()
	pr.Out.Header.Set(headerPrefix, "/"+string(name))
	pr.Out.Header.Set(headerRequestID, id)
}

// route splits an escaped path into the function's name and the URL that the
// function sees. /NAME and /NAME/ are the same to it.
func route(escapedPath string) (name denofn.FunctionName, rest *url.URL, ok bool) {
	segment, tail, _ := strings.Cut(strings.TrimPrefix(escapedPath, "/"), "/")
	segment, err := url.PathUnescape(segment)
	if err != nil {
		return "", nil, false
	}
	name, err = denofn.ParseFunctionName(segment)
	if err != nil {
		return "", nil, false
	}
	raw := "/" + tail
	path, err := url.PathUnescape(raw)
	if err != nil {
		return "", nil, false
	}
	return name, &url.URL{Path: path, RawPath: raw}, true
}

// newRequestID returns 16 hexadecimal digits that no other request has.
func newRequestID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
