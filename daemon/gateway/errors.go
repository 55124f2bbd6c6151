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
	"github.com/denofn/denofn/procman"
)

// A failure is what a client is told when no function answered.
type failure struct {
	status     int
	text       string        // one sentence that gives nothing internal away
	retryAfter time.Duration // 0: do not say
}

const textUnknown = "There is no function at this address."

func tooLarge(limit int64) failure {
	return failure{
		status: http.StatusRequestEntityTooLarge,
		text:   fmt.Sprintf("The request body is longer than the %s allowed.", denofn.Bytes(limit)),
	}
}

// failureOf is the one place that turns an error into a status.
func failureOf(err error) failure {
	if start, ok := errors.AsType[*procman.StartError](err); ok {
		f := failure{status: http.StatusBadGateway, text: "The function could not be started."}
		if start.RetryAfter > 0 {
			f.status, f.retryAfter = http.StatusServiceUnavailable, start.RetryAfter
		}
		return f
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(large.Limit)
	}
	switch {
	case errors.Is(err, procman.ErrUnknown):
		return failure{status: http.StatusNotFound, text: textUnknown}
	case errors.Is(err, procman.ErrBusy):
		return failure{http.StatusServiceUnavailable, "The function has too many requests waiting.", time.Second}
	case errors.Is(err, procman.ErrShuttingDown):
		return failure{http.StatusServiceUnavailable, "The server is restarting.", time.Second}
	case errors.Is(err, errTimeout), errors.Is(err, context.DeadlineExceeded):
		return failure{status: http.StatusGatewayTimeout, text: "The function did not answer in time."}
	}
	return failure{status: http.StatusBadGateway, text: "The function ended without an answer."}
}

// fail tells the client and the log that the function did not answer. A client
// that has left is told nothing and is nobody's fault.
func (g *Gateway) fail(w http.ResponseWriter, r *http.Request, name denofn.FunctionName, id string, err error) {
	if r.Context().Err() != nil {
		g.config.Logger.Debug("client left", "function", name, "request", id)
		return
	}
	f := failureOf(err)
	level := slog.LevelWarn
	if f.status == http.StatusNotFound {
		level = slog.LevelDebug
	}
	g.config.Logger.Log(r.Context(), level, "request failed", "function", name, "request", id, "status", f.status, "error", err)
	writeError(w, r, f)
}

// writeError answers in the type that the client prefers of text, JSON and HTML.
func writeError(w http.ResponseWriter, r *http.Request, f failure) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	}
	id := h.Get(headerRequestID)
	h.Add("Vary", "Accept")
	switch preferredType(r.Header.Get("Accept")) {
	case typeJSON:
		h.Set("Content-Type", typeJSON)
		w.WriteHeader(f.status)
		json.NewEncoder(w).Encode(map[string]any{"status": f.status, "error": f.text, "requestId": id})
	case typeHTML:
		h.Set("Content-Type", typeHTML+"; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		w.WriteHeader(f.status)
		fmt.Fprintf(w, errorPage, f.status, http.StatusText(f.status), html.EscapeString(f.text), html.EscapeString(id))
	default:
		h.Set("Content-Type", typeText+"; charset=utf-8")
		w.WriteHeader(f.status)
		fmt.Fprintf(w, "%d %s: %s\n", f.status, http.StatusText(f.status), f.text)
	}
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
	typeText = "text/plain"
	typeJSON = "application/json"
	typeHTML = "text/html"
)

// preferredType returns which of the three types an Accept header likes best.
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
		case typeText, typeJSON, typeHTML:
			if quality > bestQuality {
				best, bestQuality = t, quality
			}
		}
	}
	return best
}
