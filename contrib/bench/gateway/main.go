// Command gateway measures what a request pays on its way through denofn's gateway
// against other proxies in front of the same Deno process: nginx and Caddy, a
// proxy of fasthttp, net/http's ReverseProxy, and smallweb's way of a new
// transport for each request. All take turns on one machine in one run, so that
// only the ratios need to be believed.
//
//	go run ./contrib/bench/gateway [-seconds 5] [-rounds 3] [LOAD…]
//
// It needs wrk and nginx, and shows Caddy where that is installed
// (contrib/need wrk:wrk nginx:nginx-core caddy:caddy). It exits with 1 when a ratio
// to nginx is worse than its limit.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/denofn/denofn/procman/sandbox"
)

func main() {
	if sandbox.IsHelper() {
		sandbox.Main()
	}
	if len(os.Args) > 1 && os.Args[1] == roleFlag {
		fail(serveRole(os.Args[2:]))
	}
	seconds := flag.Int("seconds", 5, "how long each load lasts")
	rounds := flag.Int("rounds", 3, "how often each load is put on each proxy; the best counts")
	only := flag.String("proxy", "", "measure this one alone")
	flag.Parse()
	fail(run(time.Duration(*seconds)*time.Second, *rounds, *only, flag.Args()))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A load is something to ask of every proxy.
type load struct {
	name    string
	least   float64 // of nginx's rate; 0: no goal
	mostP99 float64 // of nginx's 99th percentile; 0: no goal
	run     func(b *bench, p *proxy, d time.Duration) (result, error)
}

// A result is what a proxy made of a load.
type result struct {
	rate float64       // requests or events a second
	p99  time.Duration // 0: not measured
	cpu  time.Duration // of the proxy, for each request or event
	rss  int64         // of the proxy at the end, bytes
}

var loads = []load{
	{"get-1", 0.8, 1.5, wrk("/bench", 1)},
	{"get-32", 0.8, 1.5, wrk("/bench", 32)},
	{"get-512", 0.8, 1.5, wrk("/bench", 512)},
	{"down-1m", 0.9, 0, wrk("/bench/mb", 16)},
	{"up-1m", 0.9, 0, wrkUpload("/bench/up", 16)},
	{"static-10k", 0.7, 0, wrk("/site/file.txt", 32)},
	{"sse-1000", 0, 0, eventFanOut("/bench/events", 1000)},
}

func run(d time.Duration, rounds int, only string, names []string) error {
	found, _ := filepath.Glob("node_modules/@deno/linux-*/deno")
	if len(found) == 0 {
		return errors.New("no Deno here: run make deno at the project's root first")
	}
	b, err := newBench(found[0])
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.startAll(); err != nil {
		return err
	}
	missed := 0
	for _, l := range loads {
		if len(names) > 0 && !slices.Contains(names, l.name) {
			continue
		}
		best := make(map[string]result)
		for range rounds {
			for _, p := range b.proxies {
				if only != "" && p.name != only || l.name == "static-10k" && !p.serves {
					continue
				}
				r, err := l.run(b, p, d)
				if err != nil && p.name == "denofn" {
					return fmt.Errorf("%s through %s: %w", l.name, p.name, err)
				}
				if err != nil {
					fmt.Printf("%s through %s failed: %v\n", l.name, p.name, err)
				}
				if r.rate > best[p.name].rate {
					best[p.name] = r
				}
			}
		}
		missed += report(l, b.proxies, best)
	}
	if missed > 0 {
		return fmt.Errorf("%d missed", missed)
	}
	return nil
}

// report prints what came of a load and returns how many goals were missed.
func report(l load, proxies []*proxy, best map[string]result) (missed int) {
	fmt.Printf("%s\n", l.name)
	peer := best["nginx"]
	for _, p := range proxies {
		r, ok := best[p.name]
		if !ok {
			continue
		}
		verdict := ""
		if p.name == "denofn" && peer.rate > 0 {
			if l.least > 0 && r.rate < l.least*peer.rate || l.mostP99 > 0 && float64(r.p99) > l.mostP99*float64(peer.p99) {
				missed++
				verdict = fmt.Sprintf("  MISSED: at least %.1f of the rate, at most %.1f of the p99", l.least, l.mostP99)
			} else if l.least > 0 {
				verdict = "  ok"
			}
		}
		fmt.Printf("  %-14s %9.0f /s  (%.2f)   p99 %8.2f ms (%.2f)   cpu %6.1f µs   rss %3.0f MB%s\n", p.name, r.rate, r.rate/max(peer.rate, 1),
			float64(r.p99.Microseconds())/1000, float64(r.p99)/max(float64(peer.p99), 1), float64(r.cpu.Nanoseconds())/1000, float64(r.rss)/1e6, verdict)
	}
	return missed
}
