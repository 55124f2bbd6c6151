package systemd

import (
	"context"
	"encoding"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// journalSocket is where journald takes entries.
const journalSocket = "/run/systemd/journal/socket"

// identifier is SYSLOG_IDENTIFIER of the daemon's own entries.
const identifier = "denofn"

// Keys of attributes that have a meaning here.
const (
	keyFunction = "function"
	keyRequest  = "request"
	keyStream   = "stream" // only what functions write has it
)

// NewLogHandler returns the daemon's log. When stderr is connected to the journal,
// entries go there with fields; otherwise they are lines of text on stderr.
//
// Each attribute becomes a field: function is DENOFN_FUNCTION, request is
// DENOFN_REQUEST_ID, any other KEY is DENOFN_KEY. An entry with the attribute
// stream is the output of a function and is shown as it was written; of all
// others the message has the attributes behind it, in both forms, so that it can
// be read without knowing about fields.
//
// The level is info for the daemon's own entries and debug for what functions
// write. The handler is safe for concurrent use.
func NewLogHandler(stderr io.Writer) slog.Handler {
	return newLogHandler(stderr, os.Getenv("JOURNAL_STREAM"), journalSocket)
}

func newLogHandler(stderr io.Writer, stream, socket string) slog.Handler {
	text := &textSink{w: stderr}
	if isStream(stderr, stream) {
		if j, err := openJournal(socket, text); err == nil {
			return &handler{sink: j}
		}
		text.prefixed = true
	}
	return &handler{sink: text}
}

// IsJournal reports whether what is written to stderr goes to the journal.
func IsJournal(stderr io.Writer) bool { return isStream(stderr, os.Getenv("JOURNAL_STREAM")) }

// isStream reports whether w is the descriptor that stream, the value of
// JOURNAL_STREAM, describes as DEVICE:INODE. A daemon whose standard error was
// redirected has the variable too and must not write to the journal.
func isStream(w io.Writer, stream string) bool {
	f, ok := w.(*os.File)
	if !ok || stream == "" {
		return false
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// An entry is one record, with its attributes as text.
type entry struct {
	time    time.Time
	level   slog.Level
	message string
	fields  []field
}

// A field is an attribute. Groups are joined to its key by dots.
type field struct{ key, value string }

// output returns the function whose output the entry is, or false for an entry of
// the daemon itself.
func (e *entry) output() (function string, ok bool) {
	for _, f := range e.fields {
		switch f.key {
		case keyStream:
			ok = true
		case keyFunction:
			function = f.value
		}
	}
	return function, ok
}

// A sink writes entries.
type sink interface {
	write(*entry) error
}

// A handler turns records into entries. It implements slog.Handler.
type handler struct {
	sink   sink
	fields []field // of With
	group  string  // prefix of keys: "a.b."
}

// Enabled implements slog.Handler. Records of level debug are looked at, because
// only their attributes tell whose they are.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelDebug }

// Handle implements slog.Handler.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	e := &entry{time: r.Time, level: r.Level, message: r.Message, fields: slices.Clip(h.fields)}
	r.Attrs(func(a slog.Attr) bool {
		e.fields = appendAttr(e.fields, h.group, a)
		return true
	})
	if _, isOutput := e.output(); r.Level < slog.LevelInfo && !isOutput {
		return nil
	}
	return h.sink.write(e)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	fields := slices.Clip(h.fields)
	for _, a := range attrs {
		fields = appendAttr(fields, h.group, a)
	}
	return &handler{h.sink, fields, h.group}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{h.sink, h.fields, h.group + name + "."}
}

func appendAttr(fields []field, group string, a slog.Attr) []field {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, member := range v.Group() {
			fields = appendAttr(fields, group, member)
		}
		return fields
	}
	if a.Key == "" {
		return fields
	}
	return append(fields, field{group + a.Key, valueText(v)})
}

func valueText(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().UTC().Format(time.RFC3339Nano)
	case slog.KindDuration:
		return shortDuration(v.Duration())
	case slog.KindAny:
		switch x := v.Any().(type) {
		case error:
			return x.Error()
		case fmt.Stringer:
			return x.String()
		case encoding.TextMarshaler:
			if text, err := x.MarshalText(); err == nil {
				return string(text)
			}
		}
	}
	return v.String()
}

// shortDuration leaves out digits that tell nobody anything: 1.283s, 14.2ms.
func shortDuration(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.String()
}

// priority returns the syslog priority of a level.
func priority(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return 3
	case level >= slog.LevelWarn:
		return 4
	case level >= slog.LevelInfo:
		return 6
	}
	return 7
}

// withFields returns the message with the attributes behind it, as key=value.
func withFields(message string, fields []field) string {
	var b strings.Builder
	b.WriteString(message)
	for _, f := range fields {
		b.WriteByte(' ')
		b.WriteString(f.key)
		b.WriteByte('=')
		b.WriteString(quoted(f.value))
	}
	return b.String()
}
