package gateway

import (
	"bytes"
	"net/http"
	"net/url"

	"github.com/denofn/denofn/daemon/gateway/http1"
)

const textNothing = "Nothing is here."

// serveOwn answers what is below /_denofn/. It is only ever asked for, so nothing
// but GET and HEAD is known here.
func (c *conn) serveOwn() (keep bool) {
	path, _, _ := bytes.Cut(c.head.Target, []byte{'?'})
	isHealth := string(path) == ownPrefix+"health"
	if !isHealth && c.gateway.config.Own == nil {
		return c.fail(failure{status: http.StatusNotFound, text: textNothing})
	}
	if m := string(c.head.Method); m != http.MethodGet && m != http.MethodHead {
		return c.fail(notAllowed("GET, HEAD"))
	}
	if isHealth {
		return c.send(http.StatusOK, "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n", []byte("ok\n"))
	}
	target, err := url.ParseRequestURI(string(c.head.Target))
	if err != nil {
		return c.fail(failure{status: http.StatusBadRequest, text: "The target is not a path."})
	}
	r := &http.Request{
		Method: string(c.head.Method), URL: target, RequestURI: string(c.head.Target), Host: string(c.head.Host),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header), Body: http.NoBody,
		RemoteAddr: c.nc.RemoteAddr().String(),
	}
	for i := range c.head.Fields {
		f := &c.head.Fields[i]
		r.Header.Add(string(f.Name), string(f.Value))
	}
	w := &ownWriter{header: make(http.Header), status: http.StatusOK}
	c.gateway.config.Own.ServeHTTP(w, r)
	if w.status == http.StatusNotFound {
		return c.fail(failure{status: http.StatusNotFound, text: textNothing})
	}
	var fields bytes.Buffer
	for _, name := range []string{"Connection", "Content-Length", "Transfer-Encoding", "Date", "X-Request-Id"} {
		w.header.Del(name)
	}
	w.header.Write(&fields)
	return c.send(w.status, fields.String(), w.body.Bytes())
}

func notAllowed(methods string) failure {
	return failure{
		status: http.StatusMethodNotAllowed, text: "The method is not one of " + methods + ".",
		fields: []http1.Field{{Name: []byte("Allow"), Value: []byte(methods)}},
	}
}

// An ownWriter holds the answer of the daemon's own handler, which is small.
type ownWriter struct {
	header http.Header
	status int
	begun  bool
	body   bytes.Buffer
}

func (w *ownWriter) Header() http.Header { return w.header }

func (w *ownWriter) WriteHeader(status int) {
	if !w.begun && status >= 200 {
		w.status, w.begun = status, true
	}
}

func (w *ownWriter) Write(b []byte) (int, error) {
	w.begun = true
	return w.body.Write(b)
}
