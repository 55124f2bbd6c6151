package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// comparePush pushes the same commits to denofn and, through an sshd of its own,
// to a bare repository. A push to denofn is over when the function answers with
// what was pushed.
func comparePush(b *bench) (ours, peer measurement, err error) {
	sshd, err := b.startSSHD()
	if err != nil {
		return nil, nil, err
	}
	if err := b.repository("plain", 1); err != nil {
		return nil, nil, err
	}
	if err := b.do("", "git", "init", "-q", "--bare", "plain.git"); err != nil {
		return nil, nil, err
	}
	peer = func(round int) (time.Duration, error) {
		if err := b.change("plain", "f0", round); err != nil {
			return 0, err
		}
		return b.push("plain", fmt.Sprintf("ssh://root@%s%s", sshd, b.path("plain.git")))
	}
	ours = func(round int) (time.Duration, error) {
		took, err := b.push("plain", b.remote("plain"))
		if err != nil {
			return 0, err
		}
		return took, b.expect("/f0", round)
	}
	return ours, peer, nil
}

// compareMany changes the same function in a repository of 300 and in one that
// has just that one.
func compareMany(b *bench) (ours, peer measurement, err error) {
	const many = 300
	if err := b.repository("many", many); err != nil {
		return nil, nil, err
	}
	if err := b.repository("single", 1); err != nil {
		return nil, nil, err
	}
	if err := b.do("single", "git", "mv", "f0", "alone"); err != nil {
		return nil, nil, err
	}
	if err := b.do("many", "git", "mv", "f0", "one"); err != nil {
		return nil, nil, err
	}
	side := func(repository, function string) measurement {
		return func(round int) (time.Duration, error) {
			if err := b.change(repository, function, round); err != nil {
				return 0, err
			}
			took, err := b.push(repository, b.remote(repository))
			if err != nil {
				return 0, err
			}
			return took, b.expect("/"+function, round)
		}
	}
	return side("many", "one"), side("single", "alone"), nil
}

func (b *bench) remote(repository string) string { return "ssh://git@" + b.ssh + "/" + repository }

// repository makes a repository with n one-line functions.
func (b *bench) repository(name string, n int) error {
	if err := b.do("", "git", "init", "-q", "-b", "main", name); err != nil {
		return err
	}
	for i := range n {
		if err := b.write(name, fmt.Sprintf("f%d", i), -1); err != nil {
			return err
		}
	}
	return b.do(name, "git", "add", ".")
}

func (b *bench) write(repository, function string, round int) error {
	dir := filepath.Join(b.path(repository), function)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text := fmt.Sprintf("export default () => \"round %d\";\n", round)
	return os.WriteFile(filepath.Join(dir, "index.ts"), []byte(text), 0o644)
}

func (b *bench) change(repository, function string, round int) error {
	if err := b.write(repository, function, round); err != nil {
		return err
	}
	return b.do(repository, "git", "commit", "-q", "-a", "-m", fmt.Sprint("round ", round))
}

func (b *bench) push(repository, remote string) (time.Duration, error) {
	began := time.Now()
	err := b.do(repository, "git", "push", "-q", remote, "main")
	return time.Since(began), err
}

// expect checks that a push is live the moment git has returned.
func (b *bench) expect(path string, round int) error {
	body, err := b.get(path)
	if want := fmt.Sprint("round ", round); err == nil && body != want {
		err = fmt.Errorf("GET %s: %q, not %q", path, body, want)
	}
	return err
}

// startSSHD starts an OpenSSH server on a free port of the loopback, unless there
// is one already, and returns its address. It ends with the bench.
func (b *bench) startSSHD() (_ string, err error) {
	if b.sshd != "" {
		return b.sshd, nil
	}
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		if sshd, err = exec.LookPath("/usr/sbin/sshd"); err != nil {
			return "", fmt.Errorf("the peer is OpenSSH's server: run contrib/need sshd:openssh-server first: %w", err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address := l.Addr().String()
	l.Close()
	if err := b.do("", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", b.path("sshd_key")); err != nil {
		return "", err
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		return "", fmt.Errorf("sshd wants its folder, which needs root: %w", err)
	}
	server := b.command("", sshd, "-D", "-q", "-f", "/dev/null", "-h", b.path("sshd_key"),
		"-o", "ListenAddress="+address, "-o", "AuthorizedKeysFile="+b.path("key.pub"), "-o", "StrictModes=no",
		"-o", "PidFile=none", "-o", "PermitRootLogin=prohibit-password", "-o", "UsePAM=no")
	if err := server.Start(); err != nil {
		return "", err
	}
	b.atClose(func() {
		server.Process.Kill()
		server.Wait()
	})
	for range 500 {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			b.sshd = address
			return address, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "", fmt.Errorf("sshd does not listen on %s", address)
}
