package systemd_test

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A passed socket is what a socket unit would make.
type passed struct {
	name string
	file *os.File
}

// child runs this test binary with the sockets passed as systemd passes them and
// returns what it says, after the requests have been made.
func child(t *testing.T, env []string, sockets []passed, requests ...func() string) (said string, answers []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	var names []string
	for _, s := range sockets {
		cmd.ExtraFiles = append(cmd.ExtraFiles, s.file)
		names = append(names, s.name)
	}
	cmd.Env = []string{childEnv + "=listeners", "LISTEN_PID=self", "LISTEN_FDS=" + strconv.Itoa(len(sockets)), "LISTEN_FDNAMES=" + strings.Join(names, ":")}
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, s := range sockets {
		s.file.Close()
	}
	for _, request := range requests {
		answers = append(answers, request())
	}
	text, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text)), answers
}

func file(t *testing.T, l interface{ File() (*os.File, error) }) *os.File {
	t.Helper()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := l.(io.Closer); ok {
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		c.Close()
	}
	return f
}

// tcp returns a listening socket and its address.
func tcp(t *testing.T, network, address string) (*os.File, string) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, l.(*net.TCPListener)), l.Addr().String()
}

func unixSocket(t *testing.T) (*os.File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, l.(*net.UnixListener)), path
}

func ask(t *testing.T, network, address string) func() string {
	return func() string {
		conn, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
}

func TestListenersByName(t *testing.T) {
	http, httpAddr := tcp(t, "tcp4", "127.0.0.1:0")
	admin, path := unixSocket(t)
	said, answers := child(t, nil, []passed{{"admin", admin}, {"http", http}},
		ask(t, "tcp", httpAddr), ask(t, "unix", path))
	if said != "listeners: admin=1 http=1" {
		t.Errorf("said %q", said)
	}
	for i, want := range []string{"http", "admin"} {
		if answers[i] != want {
			t.Errorf("the socket %s answered %q", want, answers[i])
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("closing a listener removed systemd's socket: %v", err)
	}
}

func TestListenersOfOneName(t *testing.T) {
	f1, a1 := tcp(t, "tcp4", "127.0.0.1:0")
	f2, a2 := tcp(t, "tcp4", "127.0.0.2:0")
	said, _ := child(t, nil, []passed{{"http", f1}, {"http", f2}}, ask(t, "tcp", a1), ask(t, "tcp", a2))
	if said != "listeners: http=2" {
		t.Errorf("said %q", said)
	}
}

func TestNoListeners(t *testing.T) {
	f, _ := tcp(t, "tcp4", "127.0.0.1:0")
	for _, c := range []struct {
		why     string
		env     []string
		sockets []passed
	}{
		{"none were passed", []string{"LISTEN_PID=", "LISTEN_FDS="}, nil},
		{"they are another process's", []string{"LISTEN_PID=1"}, []passed{{"http", f}}},
	} {
		if said, _ := child(t, c.env, c.sockets); said != "listeners:" {
			t.Errorf("%s: said %q", c.why, said)
		}
	}
}

func TestUnusableSockets(t *testing.T) {
	datagram := func() *os.File {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return file(t, conn.(*net.UDPConn))
	}
	connection := func() *os.File {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(pair[1])
		return os.NewFile(uintptr(pair[0]), "pair")
	}
	ordinary := func() *os.File {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	port := func() *os.File {
		f, _ := tcp(t, "tcp4", "127.0.0.1:0")
		return f
	}
	twice := port()
	again := os.NewFile(uintptr(dup(t, twice)), "again")
	for _, c := range []struct {
		why     string
		env     []string
		sockets []passed
		want    string
	}{
		{"unknown name", nil, []passed{{"web", port()}}, `named "web", which denofn does not know: set FileDescriptorName=`},
		{"no name", []string{"LISTEN_FDNAMES="}, []passed{{"", port()}}, "set FileDescriptorName="},
		{"fewer names", []string{"LISTEN_FDNAMES=http"}, []passed{{"http", port()}, {"ssh", port()}}, "LISTEN_FDNAMES names 1"},
		{"datagram", nil, []passed{{"http", datagram()}}, "use ListenStream= in its unit, not ListenDatagram="},
		{"connection", nil, []passed{{"http", connection()}}, "set Accept=no"},
		{"file", nil, []passed{{"http", ordinary()}}, "not a socket"},
		{"admin over TCP", nil, []passed{{"admin", port()}}, "ListenStream=/run/denofn-admin.sock"},
		{"twice", nil, []passed{{"http", twice}, {"ssh", again}}, `twice, as "http" and as "ssh"`},
		{"one good, one bad", nil, []passed{{"http", port()}, {"admin", port()}}, "ListenStream=/run/denofn-admin.sock"},
	} {
		if said, _ := child(t, c.env, c.sockets); !strings.HasPrefix(said, "error: ") || !strings.Contains(said, c.want) {
			t.Errorf("%s: said %q, which has no %q", c.why, said, c.want)
		}
	}
}

func dup(t *testing.T, f *os.File) int {
	t.Helper()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return fd
}
