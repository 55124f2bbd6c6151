package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

// many starts functions until so many are warm, and asks each of them again.
func (b *bench) many(functions int) error {
	dir := filepath.Join(b.dir, "m")
	if err := bundle(dir, small().text); err != nil {
		return err
	}
	alone := &bare{deno: b.deno, dir: dir, listen: "unix"}
	for range 2 { // which fill its caches
		if err := alone.start(); err != nil {
			return err
		}
		alone.stop()
	}
	if err := alone.start(); err != nil {
		return err
	}
	defer alone.stop()
	pool, err := b.pool("p", func(c *procman.Config) { c.IdleTimeout = time.Hour })
	if err != nil {
		return err
	}
	defer shutdown(pool)
	began := time.Now()
	name := func(i int) denofn.FunctionName { return denofn.FunctionName(fmt.Sprintf("f%d", i)) }
	for i := range functions {
		set(pool, dir, &denofn.Release{ID: "bench", Function: name(i)})
		if err := send(pool, name(i), "/"); err != nil {
			return fmt.Errorf("%s: %w", name(i), err)
		}
	}
	started := time.Since(began)
	var took []time.Duration
	for i := range functions {
		began := time.Now()
		if err := send(pool, name(i), "/"); err != nil {
			return fmt.Errorf("%s: %w", name(i), err)
		}
		took = append(took, time.Since(began))
	}
	// Read beside the others: what of Deno's file only one process has mapped would
	// count as its own.
	bare, err := privateBytes(alone.pid())
	if err != nil {
		return err
	}
	var total int64
	ready := 0
	for _, s := range pool.Snapshot() {
		for _, p := range s.Processes {
			private, err := privateBytes(p.PID)
			if err != nil {
				return err
			}
			total += private
			ready++
		}
	}
	fmt.Printf("%d warm functions; sandbox: %s\n", ready, layers(pool))
	fmt.Printf("  started in %.1f s, one after the other; private %.1f MB each (bare %.1f), %.0f MB in all; request p50 %.0f µs, p99 %.0f µs\n",
		started.Seconds(), float64(total)/float64(ready)/1e6, float64(bare)/1e6, float64(total)/1e6, us(quantile(took, 50)), us(quantile(took, 99)))
	b.judge("functions that are missing", float64(functions-ready), 0)
	b.judge("private memory of each : bare deno run", float64(total)/float64(ready)/float64(bare), mostMemory)
	return nil
}
