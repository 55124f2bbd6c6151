// Command procman measures what running a function through package procman costs
// against the same module in a bare `deno run`, in one run on one machine, taking
// turns, so that only the ratios need to be believed.
//
//	go run ./contrib/bench/procman [-n 40]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
	"github.com/denofn/denofn/procman/sandbox"
)

func main() {
	if sandbox.IsHelper() {
		sandbox.Main()
	}
	n := flag.Int("n", 40, "cold starts of each kind")
	requests := flag.Int("requests", 5000, "requests to a warm process of each kind")
	deno := flag.String("deno", "", "the Deno to run; default: the pinned one below the current folder")
	flag.Parse()
	if err := run(*n, *requests, *deno); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(n, requests int, deno string) error {
	if deno == "" {
		found, _ := filepath.Glob("node_modules/@deno/linux-*/deno")
		if len(found) == 0 {
			return errors.New("no Deno: run `make deno` at the project's root and start there, or use -deno")
		}
		deno = found[0]
	}
	deno, err := filepath.Abs(deno)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "b") // short: the path of a socket has 107 bytes
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, m := range []module{small, large} {
		if err := measure(filepath.Join(dir, m.name[:1]), deno, m, n, requests); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// measure compares the ways for one module and prints what it finds.
func measure(dir, deno string, m module, n, requests int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "main.js"), []byte(m.text), 0o600); err != nil {
		return err
	}
	pool, err := procman.New(procman.Config{
		DenoPath:   deno,
		RuntimeDir: filepath.Join(dir, "r"),
		HomeDir:    filepath.Join(dir, "home"),
		CacheDir:   filepath.Join(dir, "cache"),
	})
	if err != nil {
		return err
	}
	defer pool.Shutdown(context.Background())
	release := &denofn.Release{ID: "bench", Function: "bench"}
	pool.Update(procman.Update{Set: []procman.Change{{Spec: procman.Spec{Release: release, Dir: dir}}}})

	pooled := &pooled{pool: pool}
	ways := []way{
		&bare{deno: deno, dir: dir, listen: "unix"},
		pooled,
		&bare{deno: deno, dir: dir, listen: "tcp"},
	}
	fmt.Printf("%s module, %d bytes\n", m.name, len(m.text))
	cold, err := coldStarts(ways, n)
	if err != nil {
		return err
	}
	warm, memory, err := warmRequests(ways, requests)
	if err != nil {
		return err
	}
	for i, w := range ways {
		fmt.Printf("  %-24s cold p50 %7.2f ms (%.2f)  p99 %7.2f ms (%.2f)  request p50 %4.0f µs (+%.0f)  private %5.1f MB (%.2f)\n", w.name(),
			ms(quantile(cold[i], 50)), ratio(quantile(cold[i], 50), quantile(cold[0], 50)),
			ms(quantile(cold[i], 99)), ratio(quantile(cold[i], 99), quantile(cold[0], 99)),
			us(quantile(warm[i], 50)), us(quantile(warm[i], 50))-us(quantile(warm[0], 50)),
			float64(memory[i])/1e6, float64(memory[i])/float64(memory[0]))
	}
	return nil
}

// A way is one way to run the module.
type way interface {
	name() string
	// start returns when the process has answered its first request.
	start() error
	pid() int
	request() error
	stop() error
}

// coldStarts starts every way n times, in turns. The first two starts of each fill
// caches and do not count.
func coldStarts(ways []way, n int) ([][]time.Duration, error) {
	took := make([][]time.Duration, len(ways))
	for round := range n + 2 {
		for i, w := range ways {
			began := time.Now()
			if err := w.start(); err != nil {
				return nil, fmt.Errorf("start %s: %w", w.name(), err)
			}
			if round > 1 {
				took[i] = append(took[i], time.Since(began))
			}
			if err := w.stop(); err != nil {
				return nil, fmt.Errorf("stop %s: %w", w.name(), err)
			}
		}
	}
	return took, nil
}

// warmRequests sends requests to a warm process of each way, in turns, and reads
// what memory each has to itself when it has just become ready.
func warmRequests(ways []way, n int) (took [][]time.Duration, memory []int64, err error) {
	took, memory = make([][]time.Duration, len(ways)), make([]int64, len(ways))
	for i, w := range ways {
		if err := w.start(); err != nil {
			return nil, nil, err
		}
		defer w.stop()
		if memory[i], err = privateBytes(w.pid()); err != nil {
			return nil, nil, err
		}
	}
	for range n {
		for i, w := range ways {
			began := time.Now()
			if err := w.request(); err != nil {
				return nil, nil, err
			}
			took[i] = append(took[i], time.Since(began))
		}
	}
	return took, memory, nil
}

func quantile(took []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

func ms(d time.Duration) float64       { return float64(d) / 1e6 }
func us(d time.Duration) float64       { return float64(d) / 1e3 }
func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func check(response *http.Response, err error) error {
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return response.Body.Close()
}
