package gitreceive_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/denofn/denofn/gitreceive"
)

func (s *site) ssh(host string, args ...string) (string, error) {
	return s.run(".", "ssh", append([]string{"-F", s.path("ssh_config"), host}, args...)...)
}

func TestRoles(t *testing.T) {
	t.Parallel()
	commands := &fakeCommands{}
	s := newSite(t, func(c *gitreceive.Config) { c.Commands = commands })
	s.key("stranger")
	s.authorize(
		s.read("key.pub"),
		`denofn-role="read" `+s.key("reader"),
		`denofn-role="admin",denofn-repositories="app,web-*,!web-secret" `+s.key("admin"),
	)
	s.repository("app")
	s.git("app", "push", "denofn", "main")

	// Read: fetch and not push.
	s.git("app", "fetch", "ssh://git@reader/app")
	s.refused("may read and not push", "app", "push", "ssh://git@reader/app", "main:other")

	// Patterns of repositories.
	s.git("app", "push", "ssh://git@admin/web-shop", "main")
	s.refused("this key is not for the repository web-secret", "app", "push", "ssh://git@admin/web-secret", "main")
	s.refused("this key is not for the repository other", "app", "fetch", "ssh://git@admin/other")

	// Commands: admin alone.
	if out, err := s.ssh("denofn", "ps", "--json"); err == nil || !strings.Contains(out, `"ps" needs a key with the role admin, and this one has deploy`) {
		t.Errorf("ps with deploy: %v\n%s", err, out)
	}
	out, err := s.ssh("admin", "ps", "--json", "'a b'")
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 7 || out != "ps|--json|a b for admin@test\n" {
		t.Errorf("ps with admin: %v\n%s", err, out)
	}

	// Without a command: who am I, and what can I do.
	for host, want := range map[string][]string{
		"reader": {"You are reader@test, with the key SHA256:", "role read", "You can clone and fetch every repository", "  app\n", "  web-shop\n"},
		"denofn": {"role deploy", "a push to main goes live", "  app\n"},
		"admin":  {"role admin", "the repositories app, web-*, !web-secret", "Commands:\n  ps ", "list the functions"},
	} {
		out, err := s.ssh(host)
		if err != nil {
			t.Errorf("%s: %v", host, err)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: no %q in\n%s", host, w, out)
			}
		}
	}

	// A stranger learns nothing, and is in the log.
	out, err = s.run("app", "git", "fetch", "ssh://git@stranger/app")
	if err == nil || !strings.Contains(out, "Permission denied (publickey)") || strings.Contains(out, "SHA256") {
		t.Errorf("a stranger: %v\n%s", err, out)
	}
	fingerprint := strings.Fields(s.runOrFail("ssh-keygen", "-l", "-f", s.path("stranger.pub")))[1]
	if log := s.log.String(); !strings.Contains(log, `msg="key refused"`) || !strings.Contains(log, fingerprint) {
		t.Errorf("%s is not in the log\n%s", fingerprint, log)
	}
}

func (s *site) runOrFail(name string, args ...string) string {
	s.t.Helper()
	out, err := s.run(".", name, args...)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return out
}

type fakeCommands struct{}

func (fakeCommands) List() []gitreceive.CommandInfo {
	return []gitreceive.CommandInfo{{Name: "ps", Summary: "list the functions"}}
}

func (fakeCommands) Run(_ context.Context, c *gitreceive.Command) int {
	fmt.Fprintf(c.Stdout, "%s for %s\n", strings.Join(c.Args, "|"), c.Key.Name)
	return 7
}

// authorized_keys is read again when it changes, and by Reload.
func TestKeysChange(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.git("app", "push", "denofn", "main")
	s.authorize("# nobody\n")
	s.refused("Permission denied", "app", "fetch", "denofn")
	s.authorize("not a key\n", `command="sh" `+s.key("reader"), `from="10.0.0.0/8" `+s.key("admin"), `expiry-time="20200101" `+s.key("stranger"), s.read("key.pub"))
	s.git("app", "fetch", "denofn")
	for _, host := range []string{"reader", "admin", "stranger"} {
		s.refused("Permission denied", "app", "fetch", "ssh://git@"+host+"/app")
	}
	for _, want := range []string{"line=1", "this is not a public key", "line=2", "command", "may not be used from this address", "has expired"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("no %q in the log\n%s", want, s.log)
		}
	}
	s.authorize(`from="127.0.0.0/8,!127.0.0.2",expiry-time="20990101Z",no-pty,restrict ` + s.read("admin.pub"))
	if err := s.server.Reload(); err != nil {
		t.Fatal(err)
	}
	s.git("app", "fetch", "ssh://git@admin/app")
	s.refused("Permission denied", "app", "fetch", "denofn")
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		testKey + " ada":                                          "ada deploy []",
		`denofn-role="read" ` + testKey + " a":                    "a read []",
		`DENOFN-ROLE="admin" ` + testKey + " a":                   "a admin []",
		`denofn-role=admin ` + testKey + " a":                     "a admin []",
		`denofn-role="root" ` + testKey:                           `denofn-role is read, deploy or admin, not "root"`,
		`denofn-repositories="a, b-*" ` + testKey:                 " deploy [a b-*]",
		`denofn-repositories="a[" ` + testKey:                     "malformed pattern",
		`denofn-repositories="" ` + testKey:                       "malformed pattern",
		`command="rm" ` + testKey:                                 "cannot be kept",
		`cert-authority ` + testKey:                               "cannot be kept",
		`denofn-rolle="read" ` + testKey:                          "cannot be kept",
		`expiry-time="tomorrow" ` + testKey:                       "expiry-time is",
		`no-pty,no-X11-forwarding,tunnel="1" ` + testKey + " a b": "a b deploy []",
		"ssh-ed25519 AAAA":                                        "not a public key",
		"ssh-dss AAAAB3NzaC1kc3M= a":                              "DSA keys are too weak",
		"nonsense":                                                "not a public key",
		testKey + " esc\x1b[31m":                                  `"esc\x1b[31m" deploy []`,
	} {
		keys, errs := gitreceive.ParseKeys([]byte("# first\n\n" + line + "\n"))
		got := ""
		for _, k := range keys {
			got += fmt.Sprintf("%s %s %v", k.Name, k.Role, k.Repositories)
		}
		for _, e := range errs {
			if e.Line != 3 {
				t.Errorf("%q: the error is in line %d", line, e.Line)
			}
			got += e.Error()
		}
		if len(keys)+len(errs) != 1 || !strings.Contains(got, want) {
			t.Errorf("%q: %q, not %q", line, got, want)
		}
	}
}

func TestMatchAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		patterns, address string
		want              bool
	}{
		{"10.0.0.0/8", "10.1.2.3", true}, {"10.0.0.0/8", "11.1.2.3", false}, {"10.0.0.0/8,!10.1.0.0/16", "10.1.2.3", false},
		{"!10.1.0.0/16,10.0.0.0/8", "10.2.2.3", true}, {"192.168.1.*", "192.168.1.7", true}, {"192.168.1.?", "192.168.1.77", false},
		{"2001:db8::/32", "2001:db8::1", true}, {"::1", "::1", true}, {"10.0.0.1", "::ffff:10.0.0.1", true}, {"example.org", "10.0.0.1", false}, {"", "10.0.0.1", false},
	} {
		if got := gitreceive.MatchAddress(strings.Split(c.patterns, ","), c.address); got != c.want {
			t.Errorf("%s in %s: %v", c.address, c.patterns, got)
		}
	}
}

// dial logs in as a program would.
func (s *site) dial(t *testing.T) *ssh.Client {
	t.Helper()
	signer, err := ssh.ParsePrivateKey([]byte(s.read("key")))
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", s.address, &ssh.ClientConfig{
		User: "anybody", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// There is nothing but git: no terminal, shell, subsystem, forwarding, agent or
// environment.
func TestNothingElse(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	client := s.dial(t)
	var last *ssh.Session
	session := func() *ssh.Session {
		t.Helper()
		if last != nil {
			last.Close()
		}
		var err error
		if last, err = client.NewSession(); err != nil {
			t.Fatal(err)
		}
		return last
	}
	if err := session().RequestPty("xterm", 24, 80, nil); err == nil {
		t.Error("there is a terminal")
	}
	if err := session().RequestSubsystem("sftp"); err == nil {
		t.Error("there is sftp")
	}
	for name, value := range map[string]string{"LD_PRELOAD": "/tmp/x", "LANG": "C", "GIT_DIR": "/", "GIT_PROTOCOL": strings.Repeat("x", 2000)} {
		if err := session().Setenv(name, value); err == nil {
			t.Errorf("%s can be set", name)
		}
	}
	if err := session().Setenv("GIT_PROTOCOL", "version=2"); err != nil {
		t.Error(err)
	}
	for _, request := range []string{"auth-agent-req@openssh.com", "x11-req", "signal", "window-change"} {
		if ok, err := session().SendRequest(request, true, nil); err != nil || ok {
			t.Errorf("%s: %v, %v", request, ok, err)
		}
	}
	if _, err := client.Dial("tcp", s.address); err == nil {
		t.Error("it forwards")
	}
	if _, err := client.Listen("tcp", "127.0.0.1:0"); err == nil {
		t.Error("it forwards back")
	}
	if ok, _, err := client.SendRequest("streamlocal-forward@openssh.com", true, nil); err != nil || ok {
		t.Errorf("it forwards sockets: %v, %v", ok, err)
	}
	for line, want := range map[string]string{
		"rm -rf /":                       `"rm" is not a command here`,
		"git-upload-archive 'app'":       "not served here",
		"git-receive-pack":               "takes the name of a repository",
		"git-receive-pack a b":           "takes the name of a repository",
		"git-receive-pack 'a":            "a quotation mark",
		"scp -t /tmp/x":                  "not a command",
		"git-receive-pack 'app'; reboot": "takes the name of a repository",
	} {
		out, err := session().CombinedOutput(line)
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	if _, err := ssh.Dial("tcp", s.address, &ssh.ClientConfig{User: "root", Auth: []ssh.AuthMethod{ssh.Password("x")}, HostKeyCallback: ssh.InsecureIgnoreHostKey()}); err == nil {
		t.Error("passwords are taken")
	}
	if _, err := ssh.Dial("tcp", s.address, &ssh.ClientConfig{User: "root", HostKeyCallback: ssh.InsecureIgnoreHostKey()}); err == nil {
		t.Error("nobody is asked for anything")
	}
}

func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *gitreceive.Config) {
		c.Limits.ConnectionsPerAddress = 3
		c.Limits.LoginTime = 300 * time.Millisecond
		c.Limits.IdleTime = 300 * time.Millisecond
	})
	// Who does not log in is let go, which makes room again.
	var silent []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "SSH-2.0-denofn") {
			t.Fatalf("%q, %v", line, err)
		}
	}
	fourth, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer fourth.Close()
	if _, err := fourth.Read(make([]byte, 1)); err == nil {
		t.Error("there is a fourth connection")
	}
	for _, conn := range silent {
		conn.SetReadDeadline(time.Now().Add(patience))
		for {
			if _, err := conn.Read(make([]byte, 4096)); err != nil {
				if e, ok := err.(net.Error); ok && e.Timeout() {
					t.Error("a silent connection stays")
				}
				break
			}
		}
	}
	// Who logs in and does nothing is let go too, though it answers keep-alives.
	var client *ssh.Client
	eventually(t, func() error {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			return err
		}
		conn.Close()
		if strings.Count(s.log.String(), "connection refused") < 1 {
			return errors.New("no refusal in the log")
		}
		return nil
	})
	eventually(t, func() error {
		signer, err := ssh.ParsePrivateKey([]byte(s.read("key")))
		if err != nil {
			return err
		}
		client, err = ssh.Dial("tcp", s.address, &ssh.ClientConfig{Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
		return err
	})
	ended := make(chan error, 1)
	go func() { ended <- client.Wait() }()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("an idle connection stays")
	}
}

// The host key stays, and Shutdown lets a push end.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	fingerprint := s.server.Fingerprint()
	if !strings.HasPrefix(fingerprint, "SHA256:") || !strings.Contains(s.log.String(), fingerprint) {
		t.Errorf("fingerprint %q, log\n%s", fingerprint, s.log)
	}
	s.repository("app")
	s.deployer.hold = make(chan struct{})
	pushed := make(chan error, 1)
	go func() {
		_, err := s.run("app", "git", "push", "denofn", "main")
		pushed <- err
	}()
	eventually(t, func() error {
		if !strings.Contains(fmt.Sprint(len(s.pushes())), "1") {
			return errors.New("no push")
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.server.Shutdown(ctx) }()
	eventually(t, func() error {
		if conn, err := net.Dial("tcp", s.address); err == nil {
			conn.Close()
			return errors.New("it still listens")
		}
		return nil
	})
	select {
	case err := <-stopped:
		t.Fatalf("Shutdown did not wait: %v", err)
	default:
	}
	close(s.deployer.hold)
	if err := <-pushed; err != nil {
		t.Errorf("the push was cut off: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-s.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	s.start()
	if again := s.server.Fingerprint(); again != fingerprint {
		t.Errorf("the host key changed from %s to %s", fingerprint, again)
	}
	s.sound("app")

	// A push that does not end in time is cut off, and leaves nothing.
	s.deployer.mu.Lock()
	s.deployer.hold = make(chan struct{})
	s.deployer.mu.Unlock()
	s.commit("app", "more")
	go func() {
		_, err := s.run("app", "git", "push", "denofn", "main")
		pushed <- err
	}()
	eventually(t, func() error {
		if len(s.pushes()) != 2 {
			return errors.New("no push")
		}
		return nil
	})
	short, cancelShort := context.WithCancel(context.Background())
	cancelShort()
	if err := s.server.Shutdown(short); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-pushed; err == nil {
		t.Error("a push that was cut off succeeded")
	}
	<-s.served
	s.start()
	s.sound("app")
}

func (s *site) pushes() []gitreceive.Push {
	s.deployer.mu.Lock()
	defer s.deployer.mu.Unlock()
	return s.deployer.pushes
}
