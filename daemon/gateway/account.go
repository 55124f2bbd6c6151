package gateway

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// Keys of the access log.
const (
	keyFunction = "function"
	keyRequest  = "request"
	keyMethod   = "method"
	keyPath     = "path"
	keyStatus   = "status"
	keyBytes    = "bytes"
	keyDuration = "duration"
	keyQueue    = "queue"
	keyStart    = "start"
	keyCold     = "cold"
	keyCut      = "cut"
	keyClient   = "client"
)

// account tells the metrics and the access log of a request that has ended.
func (c *conn) account() {
	f := c.gateway.metrics.nowhere
	if t := c.route.target; t != nil {
		f = t.counts
	}
	f.observe(&c.request)
	switch c.options.AccessLog {
	case AccessLogOff:
		return
	case AccessLogErrors:
		if c.status < http.StatusInternalServerError && !c.cut {
			return
		}
	}
	attrs := make([]slog.Attr, 0, 12)
	if t := c.route.target; t != nil {
		attrs = append(attrs, slog.String(keyFunction, string(t.name)))
	}
	path, _, _ := bytes.Cut(c.head.Target, []byte{'?'}) // queries hold secrets
	attrs = append(attrs,
		slog.String(keyRequest, string(c.id)),
		slog.String(keyMethod, string(c.head.Method)),
		slog.String(keyPath, string(path)),
		slog.Int(keyStatus, c.status),
		slog.Int64(keyBytes, c.sent),
		slog.Duration(keyDuration, time.Since(c.began)),
		slog.String(keyClient, string(appendAddress(nil, c.address, false))),
	)
	if c.lease != nil {
		attrs = append(attrs,
			slog.Duration(keyQueue, c.waited.Queue),
			slog.Duration(keyStart, c.waited.Start),
			slog.Bool(keyCold, c.waited.Start > 0))
	}
	if c.cut {
		attrs = append(attrs, slog.Bool(keyCut, true))
	}
	c.gateway.config.Logger.LogAttrs(context.Background(), slog.LevelInfo, "request", attrs...)
}

// appendTiming appends what the request waited for, in milliseconds.
func (c *conn) appendTiming(b []byte) []byte {
	if c.lease == nil {
		return b
	}
	b = append(b, "Server-Timing: "...)
	add := func(name string, d time.Duration) {
		b = append(b, name...)
		b = append(b, ";dur="...)
		b = strconv.AppendFloat(b, milliseconds(d), 'f', -1, 64)
	}
	add("queue", c.waited.Queue)
	b = append(b, ", "...)
	add("start", c.waited.Start)
	b = append(b, ", "...)
	add("handler", max(0, c.latency-c.waited.Queue-c.waited.Start))
	return append(b, '\r', '\n')
}
