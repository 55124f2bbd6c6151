package systemd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/denofn/denofn/systemd"
)

// record is a log with everything that has a form of its own.
func record(h slog.Handler) {
	l := slog.New(h)
	l.Info("deployed", "repository", "blog", "commit", "", "took", 1234567*time.Microsecond, "error", errors.New(`no "x"`))
	l.With("function", "hello").WithGroup("limits").Warn("process failed", "memory", 256, slog.Group("cpu", "share", 0.5))
	l.Debug("nobody reads this")
	l.LogAttrs(context.Background(), slog.LevelDebug, "for me", slog.String("function", "hello"), slog.String("release", "0011"), slog.String("stream", "stdout"))
	l.LogAttrs(context.Background(), slog.LevelError, "TypeError: \x1b[31mred\n    at x", slog.String("function", "hello"), slog.String("stream", "stderr"), slog.String("request", "cafe"))
}

func TestText(t *testing.T) {
	var buf bytes.Buffer
	record(systemd.NewLogHandler(&buf))
	got := regexp.MustCompile(`(?m)^[0-9-]{10}T[0-9:.]{12}Z`).ReplaceAllString(buf.String(), "TIME")
	want := `TIME INFO  deployed repository=blog commit="" took=1.23s error="no \"x\""
TIME WARN  process failed function=hello limits.memory=256 limits.cpu.share=0.5
TIME DEBUG hello: for me
TIME ERROR hello: TypeError: \x1b[31mred
        at x
`
	if got != want {
		t.Errorf("the log is\n%s\nnot\n%s", got, want)
	}
}

// An entry of one function must not look like one of the daemon or of another.
func TestTextIsOneEntry(t *testing.T) {
	var buf bytes.Buffer
	forged := "done\n2026-01-01T00:00:00.000Z ERROR serving\r\n2026"
	slog.New(systemd.NewLogHandler(&buf)).Info(forged, "function", "f", "stream", "stdout", "x", "a\nb")
	for i, line := range strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n") {
		if i > 0 && !strings.HasPrefix(line, "    ") || strings.Contains(line, "\r") {
			t.Errorf("line %d is %q", i, line)
		}
	}
}

// stderrAt returns a file and the JOURNAL_STREAM that describes it.
func stderrAt(t *testing.T) (*os.File, string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return f, fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// parseEntry reads journald's native protocol.
func parseEntry(datagram []byte) (fields []string, err error) {
	for len(datagram) > 0 {
		line, rest, ok := bytes.Cut(datagram, []byte("\n"))
		if !ok {
			return nil, fmt.Errorf("field %q does not end", line)
		}
		if bytes.IndexByte(line, '=') > 0 {
			fields, datagram = append(fields, string(line)), rest
			continue
		}
		if len(rest) < 8 {
			return nil, fmt.Errorf("field %q has no length", line)
		}
		n := binary.LittleEndian.Uint64(rest)
		rest = rest[8:]
		if uint64(len(rest)) <= n || rest[n] != '\n' {
			return nil, fmt.Errorf("field %q is not %d long", line, n)
		}
		fields, datagram = append(fields, string(line)+"="+string(rest[:n])), rest[n+1:]
	}
	return fields, nil
}

func TestJournalFields(t *testing.T) {
	socket, _, next := datagrams(t)
	stderr, stream := stderrAt(t)
	record(systemd.NewLogHandlerAt(stderr, stream, socket))
	for _, want := range [][]string{
		{"MESSAGE=deployed repository=blog commit=\"\" took=1.23s error=\"no \\\"x\\\"\"", "PRIORITY=6", "SYSLOG_IDENTIFIER=denofn",
			"MESSAGE_ID=" + systemd.Messages()["deployed"], "DENOFN_REPOSITORY=blog", "DENOFN_COMMIT=", "DENOFN_TOOK=1.23s", `DENOFN_ERROR=no "x"`},
		{"MESSAGE=process failed function=hello limits.memory=256 limits.cpu.share=0.5", "PRIORITY=4", "SYSLOG_IDENTIFIER=denofn",
			"MESSAGE_ID=" + systemd.Messages()["process failed"], "DENOFN_FUNCTION=hello", "DENOFN_LIMITS_MEMORY=256", "DENOFN_LIMITS_CPU_SHARE=0.5"},
		{"MESSAGE=for me", "PRIORITY=7", "SYSLOG_IDENTIFIER=denofn/hello", "DENOFN_FUNCTION=hello", "DENOFN_RELEASE=0011", "DENOFN_STREAM=stdout"},
		{"MESSAGE=TypeError: \x1b[31mred\n    at x", "PRIORITY=3", "SYSLOG_IDENTIFIER=denofn/hello", "DENOFN_FUNCTION=hello", "DENOFN_STREAM=stderr", "DENOFN_REQUEST_ID=cafe"},
	} {
		got, err := parseEntry([]byte(next()))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("the journal got %q (%v), not %q", got, err, want)
		}
	}
	if text, _ := os.ReadFile(stderr.Name()); len(text) > 0 {
		t.Errorf("standard error has %q", text)
	}
}

func TestLongEntryIsAFile(t *testing.T) {
	socket, conn, _ := datagrams(t)
	stderr, stream := stderrAt(t)
	long := strings.Repeat("0123456789", 100_000)
	slog.New(systemd.NewLogHandlerAt(stderr, stream, socket)).Info(long, "stream", "stdout")

	control := make([]byte, unix.CmsgSpace(4))
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, controls, _, _, err := conn.ReadMsgUnix(make([]byte, 10), control)
	if err != nil || n != 0 {
		t.Fatalf("the datagram has %d bytes: %v", n, err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:controls])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d control messages: %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatalf("%d descriptors: %v", len(fds), err)
	}
	f := os.NewFile(uintptr(fds[0]), "entry")
	defer f.Close()
	if seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err != nil || seals&unix.F_SEAL_WRITE == 0 {
		t.Errorf("journald refuses a file with the seals %#x (%v)", seals, err)
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	fields, err := parseEntry(text)
	if err != nil || fields[0] != "MESSAGE="+long {
		t.Errorf("the file holds %.40q… (%v)", fields, err)
	}
}

// What is redirected elsewhere is written there, although the variable is set.
func TestJournalIsNotOurs(t *testing.T) {
	socket, _, _ := datagrams(t)
	stderr, stream := stderrAt(t)
	other, _ := stderrAt(t)
	for why, h := range map[string]slog.Handler{
		"not under systemd": systemd.NewLogHandlerAt(stderr, "", socket),
		"malformed":         systemd.NewLogHandlerAt(stderr, "x:y", socket),
		"redirected":        systemd.NewLogHandlerAt(other, stream, socket),
		"no journal":        systemd.NewLogHandlerAt(stderr, stream, socket+"-missing"),
		"not a file at all": systemd.NewLogHandlerAt(io.MultiWriter(stderr), stream, socket),
	} {
		stderr.Truncate(0)
		other.Truncate(0)
		slog.New(h).Info(why)
		a, _ := os.ReadFile(stderr.Name())
		b, _ := os.ReadFile(other.Name())
		if !strings.Contains(string(a)+string(b), why) {
			t.Errorf("%s: standard error has %q", why, a)
		}
	}
}

// Where the journal takes text only, the level is in the prefix that it reads.
func TestPrefixWithoutSocket(t *testing.T) {
	stderr, stream := stderrAt(t)
	slog.New(systemd.NewLogHandlerAt(stderr, stream, "/nowhere")).Error("broken", "a", 1)
	if text, _ := os.ReadFile(stderr.Name()); string(text) != "<3>broken a=1\n" {
		t.Errorf("standard error has %q", text)
	}
}

// journald may be restarted; nothing is lost and nothing waits.
func TestJournalIsReplaced(t *testing.T) {
	socket, conn, next := datagrams(t)
	stderr, stream := stderrAt(t)
	l := slog.New(systemd.NewLogHandlerAt(stderr, stream, socket))
	l.Info("first")
	next()
	conn.Close()
	os.Remove(socket)
	l.Info("between")
	if text, _ := os.ReadFile(stderr.Name()); !strings.Contains(string(text), "between") {
		t.Errorf("standard error has %q", text)
	}
	again, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	l.Info("second")
	again.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 4096)
	n, err := again.Read(buf)
	if err != nil || !strings.Contains(string(buf[:n]), "MESSAGE=second\n") {
		t.Errorf("the new journal got %q (%v)", buf[:n], err)
	}
}

// Whatever a function writes arrives as one MESSAGE and no other field.
func FuzzJournalEntry(f *testing.F) {
	f.Add("hello", "function", "x")
	f.Add("two\nlines", "re quest", "MESSAGE=forged\n")
	f.Add("\nPRIORITY=0\n", "_UID", "\x00\xff")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, message, key, value string) {
		if key == "stream" || key == "function" {
			t.Skip()
		}
		fields, err := parseEntry(systemd.EncodeEntry(message, key, value))
		if err != nil {
			t.Fatal(err)
		}
		names := make(map[string]string)
		for _, field := range fields {
			name, text, _ := strings.Cut(field, "=")
			if !regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`).MatchString(name) {
				t.Errorf("field name %q", name)
			}
			names[name] = text
		}
		if !strings.HasPrefix(names["MESSAGE"], message) || names["SYSLOG_IDENTIFIER"] != "denofn" || len(fields) > 5 {
			t.Errorf("fields %q", fields)
		}
	})
}
