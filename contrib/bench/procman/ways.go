package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

// A way is one way to run the module.
type way interface {
	name() string
	// start returns when the process has answered its first request.
	start() error
	pid() int
	request() error
	stop() error
}

// bare is `deno run` with nothing around it. It listens on a Unix socket, or on a
// TCP port with a READY line, as other platforms do it.
type bare struct {
	deno, dir string
	listen    string // "unix" or "tcp"
	process   *exec.Cmd
	client    *http.Client
	url       string
}

func (b *bare) name() string { return "deno run, " + b.listen }
func (b *bare) pid() int     { return b.process.Process.Pid }

func (b *bare) start() error {
	socket := filepath.Join(b.dir, b.listen+".sock")
	os.Remove(socket)
	args := []string{"run", "--allow-net", "--allow-read", "--allow-write", filepath.Join(b.dir, "main.js"), socket}
	if b.listen == "tcp" {
		args[len(args)-2] = filepath.Join(b.dir, "tcp.js")
	}
	b.process = exec.Command(b.deno, args...)
	b.process.Env = []string{"HOME=" + b.dir, "PATH=/usr/bin:/bin", "NO_COLOR=1", "DENO_NO_UPDATE_CHECK=1", "DENO_DIR=" + filepath.Join(b.dir, "bare-"+b.listen)}
	stdout, err := b.process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := b.process.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return fmt.Errorf("wait until ready: %w", err)
	}
	network, address := "unix", socket
	b.url = "http://bench/"
	if b.listen == "tcp" {
		network, address = "tcp", strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:])
	}
	b.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}}
	return b.request()
}

func (b *bare) request() error { return check(b.client.Get(b.url)) }

func (b *bare) stop() error {
	b.client.CloseIdleConnections()
	b.process.Process.Kill()
	b.process.Wait()
	return nil
}

// pooled is the function in a procman.Pool, with the sandbox that this machine has.
type pooled struct{ pool *procman.Pool }

func (p *pooled) name() string { return "procman" }
func (p *pooled) start() error { return p.request() }
func (p *pooled) stop() error  { return p.pool.Stop(context.Background(), "bench") }
func (p *pooled) pid() int     { return p.pool.Snapshot()[0].Processes[0].PID }

func (p *pooled) request() error { return send(p.pool, "bench", "/") }

// send sends a GET to a function of the pool.
func send(pool *procman.Pool, name denofn.FunctionName, path string) error {
	lease, err := pool.Acquire(context.Background(), name)
	if err != nil {
		return err
	}
	defer lease.Release()
	r, err := http.NewRequest(http.MethodGet, "http://bench"+path, nil)
	if err != nil {
		return err
	}
	return check(lease.RoundTrip(r))
}

func check(response *http.Response, err error) error {
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return response.Body.Close()
}

// standby is pooled with a process that stands by. It stops by being idle.
type standby struct{ pooled }

func (s *standby) name() string { return "procman, standby" }

func (s *standby) stop() error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		status := s.pool.Snapshot()[0]
		if status.State == procman.Standby && status.Processes[0].PID != 0 {
			time.Sleep(50 * time.Millisecond) // until it has really come to rest
			return nil
		}
	}
	return errors.New("no process stands by")
}

// privateBytes returns the memory that the process shares with no other.
func privateBytes(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	var total int64
	for line := range strings.Lines(string(text)) {
		var kB int64
		if strings.HasPrefix(line, "Private_") {
			fmt.Sscanf(line[strings.IndexByte(line, ':')+1:], "%d", &kB)
			total += kB << 10
		}
	}
	return total, nil
}
