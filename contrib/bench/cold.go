package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// compareCold asks a function whose process has been idle and gone, and starts
// bare Deno on the same bundle. Both end with the first answer.
func compareCold(b *bench) (ours, peer measurement, err error) {
	if err := b.repository("cold", 0); err != nil {
		return nil, nil, err
	}
	if err := b.write("cold", "cold", 0); err != nil {
		return nil, nil, err
	}
	if err := b.do("cold", "git", "add", "."); err != nil {
		return nil, nil, err
	}
	if err := b.change("cold", "cold", 1); err != nil {
		return nil, nil, err
	}
	if _, err := b.push("cold", b.remote("cold")); err != nil {
		return nil, nil, err
	}
	bundles, err := filepath.Glob(b.path("state/registry/releases/cold/*/main.js"))
	if err != nil || len(bundles) != 1 {
		return nil, nil, fmt.Errorf("bundle of the pushed function: %v %v", bundles, err)
	}
	ours = func(int) (time.Duration, error) {
		if err := b.untilStopped("cold"); err != nil {
			return 0, err
		}
		began := time.Now()
		_, err := b.get("/cold")
		return time.Since(began), err
	}
	peer = func(round int) (time.Duration, error) { return b.bareDeno(bundles[0], round) }
	return ours, peer, nil
}

// untilStopped waits for the function's process to be gone, by the socket folder
// in its arguments.
func (b *bench) untilStopped(function string) error {
	mark := b.path("run/"+function) + "-"
	for range 3000 {
		lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			return err
		}
		running := false
		for _, path := range lines {
			line, _ := os.ReadFile(path)
			running = running || strings.Contains(string(line), mark)
		}
		if !running {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("the process of %s does not go", function)
}

// bareDeno runs a bundle as somebody would by hand and returns the time from the
// start of the process to its first answer.
func (b *bench) bareDeno(bundle string, round int) (time.Duration, error) {
	socket := b.path(fmt.Sprintf("bare%d.sock", round))
	deno := b.command("", b.deno, "run", "--no-prompt", "--allow-net=unix:"+socket, "--allow-read="+socket, "--allow-write="+socket, bundle, socket)
	deno.Env = append(deno.Env, "DENO_DIR="+b.path("bare"), "DENO_NO_UPDATE_CHECK=1")
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	began := time.Now()
	if err := deno.Start(); err != nil {
		return 0, err
	}
	defer func() {
		deno.Process.Kill()
		if _, ok := errors.AsType[*exec.ExitError](deno.Wait()); !ok {
			fmt.Fprintln(os.Stderr, "bench: bare deno ended by itself")
		}
	}()
	for time.Since(began) < 10*time.Second {
		response, err := client.Get("http://bare/")
		if err != nil {
			time.Sleep(100 * time.Microsecond)
			continue
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		return time.Since(began), err
	}
	return 0, errors.New("bare deno did not answer")
}
