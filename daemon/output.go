package daemon

import (
	"context"
	"log/slog"

	"github.com/denofn/denofn/procman"
)

// output puts what functions write into the daemon's log, one record a line, so
// that one place shows both, and into the logbook. It implements procman.LogSink.
type output struct {
	logger *slog.Logger
	book   *logbook
}

func (o output) Write(r procman.LogRecord) {
	o.book.Write(r)
	attrs := []slog.Attr{
		slog.String("function", string(r.Function)),
		slog.String("release", string(r.Release)),
		slog.String("stream", r.Stream),
	}
	if r.RequestID != "" {
		attrs = append(attrs, slog.String("request", r.RequestID))
	}
	o.logger.LogAttrs(context.Background(), levelOf(r.Priority), r.Text, attrs...)
}

// levelOf turns a syslog priority, 0 to 7, into a level.
func levelOf(priority int) slog.Level {
	switch {
	case priority <= 3:
		return slog.LevelError
	case priority == 4:
		return slog.LevelWarn
	case priority <= 6:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
