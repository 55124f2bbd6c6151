// Command procman measures what running functions through package procman costs,
// against the same module in a bare `deno run` and against the usual way of other
// platforms, in one run on one machine, taking turns, so that only the ratios need
// to be believed. Every number has a limit, and a limit that is missed is exit
// code 1.
//
//	go run ./contrib/bench/procman start        cold and standby starts, requests, memory
//	go run ./contrib/bench/procman many         200 warm functions
//	go run ./contrib/bench/procman neighbour    p99 of one function while another does its worst
//
// neighbour is about limits that only a control group enforces. Run it as root, or
// in a systemd service with Delegate=yes; it says which limits were in force.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
	"github.com/denofn/denofn/procman/sandbox"
)

func main() {
	deno := flag.String("deno", "", "the Deno to run; default: the pinned one below the current folder")
	n := flag.Int("n", 200, "start: how often each way is started")
	functions := flag.Int("functions", 200, "many: how many functions")
	window := flag.Duration("window", 5*time.Second, "neighbour: how long each measurement takes")
	flag.Parse()
	b := &bench{deno: *deno}
	err := b.open()
	if err == nil {
		switch flag.Arg(0) {
		case "", "start":
			err = b.start(*n)
		case "many":
			err = b.many(*functions)
		case "neighbour":
			err = b.neighbour(*window)
		default:
			err = fmt.Errorf("unknown measurement %q: start, many or neighbour", flag.Arg(0))
		}
	}
	b.close()
	if err == nil && b.missed > 0 {
		err = fmt.Errorf("%d missed", b.missed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "procman:", err)
		os.Exit(1)
	}
}

// A bench is what measurements have in common.
type bench struct {
	deno   string
	dir    string
	host   *sandbox.Host
	missed int
}

func (b *bench) open() error {
	if b.deno == "" {
		found, _ := filepath.Glob("node_modules/@deno/linux-*/deno")
		if len(found) == 0 {
			return errors.New("no Deno: run `make deno` at the project's root and start there, or use -deno")
		}
		b.deno = found[0]
	}
	var err error
	if b.deno, err = filepath.Abs(b.deno); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "b"); err != nil { // short: the path of a socket has 107 bytes
		return err
	}
	helper, err := b.helper()
	if err != nil {
		return err
	}
	b.host, err = sandbox.Open(sandbox.Config{Deno: b.deno, Helper: helper})
	return err
}

// helper returns the program that the package puts beside denofn: the one beside
// this program, or built now.
func (b *bench) helper() (string, error) {
	const name = "denofn-sandbox"
	if own, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(own), name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path := filepath.Join(b.dir, name)
	build := exec.Command("go", "build", "-o", path, "github.com/denofn/denofn/cmd/denofn-sandbox")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the helper, or put %s beside this program: %w\n%s", name, err, out)
	}
	return path, nil
}

func (b *bench) close() {
	if b.host != nil {
		b.host.Close()
	}
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
}

// judge prints a number beside its limit.
func (b *bench) judge(what string, got, limit float64) {
	verdict := "ok"
	if got > limit {
		verdict = "MISSED"
		b.missed++
	}
	fmt.Printf("  %-58s %6.2f of at most %.2f  %s\n", what, got, limit, verdict)
}

// pool opens a pool with folders of its own.
func (b *bench) pool(name string, change func(*procman.Config)) (*procman.Pool, error) {
	dir := filepath.Join(b.dir, name)
	c := procman.Config{
		DenoPath: b.deno, RuntimeDir: filepath.Join(dir, "r"), HomeDir: filepath.Join(dir, "home"), CacheDir: filepath.Join(dir, "cache"),
		StartTimeout: time.Minute, Sandbox: b.host,
	}
	if change != nil {
		change(&c)
	}
	return procman.New(c)
}

// layers says which layers of the sandbox are in force.
func layers(pool *procman.Pool) string {
	var names []string
	for _, l := range pool.Sandbox() {
		if l.InForce {
			names = append(names, l.Name)
		}
	}
	return strings.Join(names, ", ")
}

func set(pool *procman.Pool, dir string, r *denofn.Release) {
	pool.Update(procman.Update{Set: []procman.Change{{Spec: procman.Spec{Release: r, Dir: dir}}}})
}

func shutdown(pool *procman.Pool) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := pool.Shutdown(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "procman:", err)
	}
}

func quantile(took []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

func ms(d time.Duration) float64       { return float64(d) / 1e6 }
func us(d time.Duration) float64       { return float64(d) / 1e3 }
func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
