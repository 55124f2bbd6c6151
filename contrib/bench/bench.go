package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// A bench is a denofn of its own and what is needed to talk to it.
type bench struct {
	dir    string
	deno   string
	daemon *exec.Cmd
	http   string // address
	ssh    string // address
	sshd   string // address of the peer, once it is needed
	client *http.Client
	ending []func()
}

// atClose has end called when the bench closes.
func (b *bench) atClose(end func()) { b.ending = append(b.ending, end) }

func newBench() (_ *bench, err error) {
	found, _ := filepath.Glob("node_modules/@deno/linux-*/deno")
	if len(found) == 0 {
		return nil, errors.New("no Deno here: run make deno at the project's root first")
	}
	deno, err := filepath.Abs(found[0])
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "b")
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, deno: deno, client: &http.Client{Timeout: 30 * time.Second}}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := b.command("", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", b.path("key")).Run(); err != nil {
		return nil, fmt.Errorf("ssh-keygen: %w", err)
	}
	config := fmt.Sprintf("state_dir = \"state\"\nruntime_dir = \"run\"\ndeno = %q\n[http]\nlisten = \"127.0.0.1:0\"\n[ssh]\nlisten = \"127.0.0.1:0\"\nauthorized_keys = \"key.pub\"\n[functions]\nidle_timeout = \"20ms\"\n", deno)
	if err := os.WriteFile(b.path("denofn.toml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	return b, b.start()
}

// start starts the daemon and learns its addresses from its log.
func (b *bench) start() error {
	b.daemon = exec.Command("bin/denofn", "serve", "--config", b.path("denofn.toml"))
	log, err := b.daemon.StderrPipe()
	if err != nil {
		return err
	}
	if err := b.daemon.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(log)
	pattern := regexp.MustCompile(`serving.*http=(\S+) ssh=(\S+)`)
	for lines.Scan() {
		if match := pattern.FindStringSubmatch(lines.Text()); match != nil {
			b.http, b.ssh = match[1], match[2]
			go io.Copy(io.Discard, log)
			return nil
		}
	}
	return errors.New("the daemon did not come up; run make build first")
}

func (b *bench) close() {
	for _, end := range b.ending {
		end()
	}
	if b.daemon != nil && b.daemon.Process != nil {
		b.daemon.Process.Signal(syscall.SIGTERM)
		b.daemon.Wait()
	}
	os.RemoveAll(b.dir)
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// command returns a command in a folder of the bench, with an environment of its
// own, so that nobody's git or ssh configuration shapes the numbers.
func (b *bench) command(dir, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(context.Background(), name, args...)
	c.Dir = b.path(dir)
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=bench", "GIT_AUTHOR_EMAIL=bench@localhost", "GIT_COMMITTER_NAME=bench", "GIT_COMMITTER_EMAIL=bench@localhost",
		"GIT_SSH_COMMAND=ssh -i " + b.path("key") + " -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=" + b.path("known_hosts") + " -o LogLevel=ERROR -o BatchMode=yes",
	}
	return c
}

func (b *bench) do(dir, name string, args ...string) error {
	if out, err := b.command(dir, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}

// get asks the gateway and returns the answer.
func (b *bench) get(path string) (string, error) {
	response, err := b.client.Get("http://" + b.http + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, response.Status, body)
	}
	return string(body), err
}
