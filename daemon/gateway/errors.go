package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway/http1"
	"github.com/denofn/denofn/procman"
)

// A failure is what a client is told when no function answered.
type failure struct {
	status     int
	text       string        // one sentence that gives nothing internal away
	retryAfter time.Duration // 0: do not say
	fields     []http1.Field // beside those that every failure has
}

const textUnknown = "There is no function at this address."

func tooLarge(limit int64) failure {
	return failure{
		status: http.StatusRequestEntityTooLarge,
		text:   fmt.Sprintf("The request body is longer than the %s allowed.", denofn.Bytes(limit)),
	}
}

// failureOf is the one place that turns an error into a status.
func failureOf(err error, limit int64) failure {
	if start, ok := errors.AsType[*procman.StartError](err); ok {
		f := failure{status: http.StatusBadGateway, text: "The function could not be started."}
		if start.RetryAfter > 0 {
			f.status, f.retryAfter = http.StatusServiceUnavailable, start.RetryAfter
		}
		return f
	}
	if bad, ok := errors.AsType[badBody](err); ok {
		return failure{status: http.StatusBadRequest, text: bad.Error() + "."}
	}
	switch {
	case errors.Is(err, procman.ErrUnknown):
		return failure{status: http.StatusNotFound, text: textUnknown}
	case errors.Is(err, procman.ErrBusy):
		return failure{status: http.StatusServiceUnavailable, text: "The function has too many requests waiting.", retryAfter: time.Second}
	case errors.Is(err, procman.ErrShuttingDown), errors.Is(err, errStopping):
		return failure{status: http.StatusServiceUnavailable, text: "The server is restarting.", retryAfter: time.Second}
	case errors.Is(err, errBodyTooLarge):
		return tooLarge(limit)
	case errors.Is(err, errClientSlow):
		return failure{status: http.StatusRequestTimeout, text: "The request body took too long."}
	case errors.Is(err, errBodyCut):
		return failure{status: http.StatusBadRequest, text: "The request body ended before its end."}
	case errors.Is(err, errTimeout), errors.Is(err, context.DeadlineExceeded):
		return failure{status: http.StatusGatewayTimeout, text: "The function did not answer in time."}
	}
	return failure{status: http.StatusBadGateway, text: "The function ended without an answer."}
}

// failed answers a request that the function has not answered. A client that has
// left is told nothing and is nobody's fault.
func (c *conn) failed(err error) (keep bool) {
	if cause := c.reason(); cause != nil {
		err = cause
	}
	c.failure = err
	name, id := c.route.target.name, string(c.id)
	if errors.Is(err, errClientLeft) {
		c.gateway.config.Logger.Debug("client left", "function", name, "request", id)
		c.cut = true
		return false
	}
	f := failureOf(err, c.options.MaxBody)
	level := slog.LevelWarn
	if f.status < http.StatusInternalServerError {
		level = slog.LevelDebug
	}
	attrs := []any{"function", name, "request", id, "status", f.status, "error", err}
	if start, ok := errors.AsType[*procman.StartError](err); ok && len(start.Output) > 0 {
		attrs = append(attrs, "output", strings.Join(start.Output[max(0, len(start.Output)-lastLines):], "\n"))
	}
	c.gateway.config.Logger.Log(context.Background(), level, "request failed", attrs...)
	c.nc.SetDeadline(time.Time{}) // that have been made to pass
	return c.fail(f)
}

// lastLines are how many of a function's last words are beside the request that was
// refused for them.
const lastLines = 5

// fail answers in the type that the client prefers of text, JSON and HTML.
func (c *conn) fail(f failure) (keep bool) {
	var fields []byte
	add := func(name, value string) { fields = http1.AppendField(fields, name, value) }
	add("X-Content-Type-Options", "nosniff")
	add("Cache-Control", "no-store")
	add("Vary", "Accept")
	if f.retryAfter > 0 {
		add("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	}
	for _, field := range f.fields {
		fields = http1.AppendField(fields, field.Name, field.Value)
	}
	title := http.StatusText(f.status)
	var body []byte
	switch mediaType := preferredType(string(c.head.Get(http1.Accept))); mediaType {
	case typeProblem, typeJSON:
		add("Content-Type", mediaType)
		body, _ = json.Marshal(problem{Type: "about:blank", Title: title, Status: f.status, Detail: f.text, RequestID: string(c.id)})
		body = append(body, '\n')
	case typeHTML:
		add("Content-Type", typeHTML+"; charset=utf-8")
		add("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		body = fmt.Appendf(nil, errorPage, f.status, title, html.EscapeString(f.text), html.EscapeString(string(c.id)))
	default:
		add("Content-Type", typeText+"; charset=utf-8")
		body = fmt.Appendf(nil, "%d %s: %s\nRequest: %s\n", f.status, title, f.text, c.id)
	}
	return c.send(f.status, string(fields), body)
}

// A problem is a failure in the form of RFC 9457.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	RequestID string `json:"requestId"`
}

const errorPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>%[1]d %[2]s</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:20vh auto;padding:0 1rem}small{opacity:.7}</style>
<h1>%[1]d %[2]s</h1>
<p>%[3]s</p>
<p><small>%[4]s</small></p>
</html>
`

const (
	typeText    = "text/plain"
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
	typeHTML    = "text/html"
)

// preferredType returns which of these types an Accept header likes best.
// The earlier of two that it likes the same wins; text is for those who do not
// say, such as curl.
func preferredType(accept string) string {
	best, bestQuality := typeText, 0.0
	for item := range strings.SplitSeq(accept, ",") {
		mediaType, params, _ := strings.Cut(item, ";")
		quality := 1.0
		for param := range strings.SplitSeq(params, ";") {
			if value, ok := strings.CutPrefix(strings.TrimSpace(param), "q="); ok {
				quality, _ = strconv.ParseFloat(value, 64)
			}
		}
		switch t := strings.ToLower(strings.TrimSpace(mediaType)); t {
		case typeText, typeJSON, typeProblem, typeHTML:
			if quality > bestQuality {
				best, bestQuality = t, quality
			}
		}
	}
	return best
}
