package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

// mostNeighbour is how much slower the p99 of a function may become while another
// does its worst.
const mostNeighbour = 2

// A flood is a function that wants all there is of something.
type flood struct {
	name   string
	module string
	change func(*denofn.Release)
}

var floods = []flood{
	{"processor", `export default () => { const end = Date.now() + 60e3; while (Date.now() < end); return new Response(); };`, nil},
	{"threads", `
		export default async () => {
			const url = URL.createObjectURL(new Blob(["while (true);"], { type: "text/javascript" }));
			for (let i = 0; i < 1000; i++) { try { new Worker(url, { type: "module" }); } catch { /* that was all */ } await new Promise((r) => setTimeout(r, 5)); }
			return new Response();
		};`, nil},
	{"memory", `export default async () => { const all = []; while (true) { all.push(new Uint8Array(1 << 20).fill(1)); await 0; } };`, nil},
	{"log", `export default async () => { while (true) { for (let i = 0; i < 100; i++) console.log("x".repeat(1000)); await new Promise((r) => setTimeout(r)); } };`, nil},
	{"descriptors", `
		export default async () => {
			const all = [];
			while (true) { try { all.push(Deno.openSync("data")); } catch { await new Promise((r) => setTimeout(r, 1)); } }
		};`, files},
	{"disk", `
		export default async () => {
			const block = new Uint8Array(1 << 20).fill(1);
			for (let i = 0; ; i++) { try { Deno.writeFileSync("data/" + i, block); } catch { /* full */ } await 0; }
		};`, files},
}

func files(r *denofn.Release) {
	r.Permissions.Read.Allow = []string{"./data"}
	r.Permissions.Write.Allow = []string{"./data"}
}

// limited reports whether limits of processors, memory and threads are enforced.
func limited(pool *procman.Pool) bool {
	for _, l := range pool.Sandbox() {
		if !l.InForce {
			return false
		}
	}
	return true
}

// neighbour measures the p99 of one function alone and during each flood. The
// flooding function is restarted whenever it is killed, as by somebody who means
// it.
func (b *bench) neighbour(window time.Duration) error {
	quiet := filepath.Join(b.dir, "q")
	if err := bundle(quiet, small().text); err != nil {
		return err
	}
	for i, f := range floods {
		if err := bundle(filepath.Join(b.dir, fmt.Sprint(i)), f.module); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	pool, err := b.pool("n", func(c *procman.Config) { c.IdleTimeout, c.Disk, c.CPU = time.Hour, 256<<20, 50 })
	if err != nil {
		return err
	}
	defer shutdown(pool)
	set(pool, quiet, &denofn.Release{ID: "quiet", Function: "quiet"})
	fmt.Printf("a neighbour's p99 during floods; sandbox: %s\n", layers(pool))
	if err := send(pool, "quiet", "/"); err != nil {
		return err
	}
	sample(pool, window)
	for i, f := range floods {
		best, err := b.flood(pool, i, window)
		for try := 1; err == nil && best > mostNeighbour && try < 3; try++ { // a busy machine disturbs too
			var again float64
			again, err = b.flood(pool, i, window)
			best = min(best, again)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if limited(pool) {
			b.judge("p99 during a flood of "+f.name+" : alone", best, mostNeighbour)
		} else {
			fmt.Printf("  p99 during a flood of %s : alone %.2f, not judged: this machine has no control groups for us\n", f.name, best)
		}
	}
	return nil
}

// flood returns how many times slower the p99 of the quiet function is during one
// flood than just before it.
func (b *bench) flood(pool *procman.Pool, i int, window time.Duration) (float64, error) {
	f := floods[i]
	alone := sample(pool, window)
	r := &denofn.Release{ID: denofn.ReleaseID(fmt.Sprint(i)), Function: "flood"}
	if f.change != nil {
		f.change(r)
	}
	set(pool, filepath.Join(b.dir, fmt.Sprint(i)), r)
	var over atomic.Bool
	var attackers sync.WaitGroup
	for range 4 {
		attackers.Go(func() {
			for !over.Load() {
				attack(pool)
			}
		})
	}
	sample(pool, window/5)
	during := sample(pool, window)
	over.Store(true)
	attackers.Wait()
	if err := pool.Stop(context.Background(), "flood"); err != nil {
		return 0, err
	}
	pool.Update(procman.Update{Remove: []denofn.FunctionName{"flood"}})
	fmt.Printf("  %-12s alone p50 %.2f ms, p99 %.2f ms; during it p50 %.2f ms, p99 %.2f ms, %d requests\n", f.name,
		ms(quantile(alone, 50)), ms(quantile(alone, 99)), ms(quantile(during, 50)), ms(quantile(during, 99)), len(during))
	return ratio(quantile(during, 99), quantile(alone, 99)), os.RemoveAll(filepath.Join(b.dir, "n", "home", "flood"))
}

// sample sends requests to the quiet function for as long as window, one every two
// milliseconds at most, and returns how long each took.
func sample(pool *procman.Pool, window time.Duration) []time.Duration {
	var took []time.Duration
	for end := time.Now().Add(window); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		began := time.Now()
		if err := send(pool, "quiet", "/"); err != nil {
			fmt.Println("  quiet function:", err)
		}
		took = append(took, time.Since(began))
	}
	return took
}

// attack sends one request to the flooding function and soon gives it up.
func attack(pool *procman.Pool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	lease, err := pool.Acquire(ctx, "flood")
	if err != nil {
		time.Sleep(5 * time.Millisecond)
		return
	}
	defer lease.Release()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://flood/", nil)
	if err != nil {
		return
	}
	if response, err := lease.RoundTrip(r); err == nil {
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}
