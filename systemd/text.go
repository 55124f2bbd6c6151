package systemd

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// A textSink writes entries as lines for people:
//
//	2026-07-29T10:11:12.345Z INFO  deployed repository=blog changed=2
//	2026-07-29T10:11:13.001Z ERROR hello: TypeError: x is not a function
//	    at file:///…/main.js:3:7
//
// A message of several lines goes on indented, and control characters are escaped,
// so that no function can write what looks like an entry of the daemon.
type textSink struct {
	prefixed bool // with the priority in front, for a journal that takes text only

	mu sync.Mutex // serialises writes to w
	w  io.Writer
}

const continuation = "\n    "

func (s *textSink) write(e *entry) error {
	var b strings.Builder
	if s.prefixed {
		fmt.Fprintf(&b, "<%d>", priority(e.level))
	} else {
		fmt.Fprintf(&b, "%s %-5s ", e.time.UTC().Format("2006-01-02T15:04:05.000Z"), levelName(e.level))
	}
	message := e.message
	if function, ok := e.output(); ok {
		message = function + ": " + message
	} else {
		message = withFields(message, e.fields)
	}
	b.WriteString(strings.ReplaceAll(strings.TrimRight(escaped(message), "\n"), "\n", continuation))
	b.WriteByte('\n')
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := io.WriteString(s.w, b.String())
	return err
}

// levelName returns one of the four names, whatever lies between them.
func levelName(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "ERROR"
	case level >= slog.LevelWarn:
		return "WARN"
	case level >= slog.LevelInfo:
		return "INFO"
	}
	return "DEBUG"
}

// quoted returns a value as it is where it is one word, and quoted otherwise.
func quoted(value string) string {
	plain := func(r rune) bool {
		return r != '"' && r != '=' && r != '\\' && !unicode.IsSpace(r) && unicode.IsPrint(r)
	}
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return !plain(r) }) {
		return strconv.Quote(value)
	}
	return value
}

// escaped writes control characters other than tabs and line ends as Go does.
func escaped(s string) string {
	unsafe := func(r rune) bool {
		return r != '\n' && r != '\t' && (unicode.IsControl(r) || r == unicode.ReplacementChar)
	}
	if !strings.ContainsFunc(s, unsafe) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unsafe(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
