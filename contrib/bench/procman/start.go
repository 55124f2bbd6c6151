package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

// The most that a start and a process may cost, as ratios of bare Deno.
const (
	mostCold       = 1.15
	mostColdP99    = 1.5
	mostMemory     = 1.05
	mostOverheadMS = 2 // added to the median start
)

// start compares the ways to start a function, and what a request and the memory
// cost then.
func (b *bench) start(n int) error {
	for _, m := range []module{small(), large()} {
		if err := b.startModule(m, n); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

func (b *bench) startModule(m module, n int) error {
	dir := filepath.Join(b.dir, m.name[:1])
	if err := bundle(dir, m.text); err != nil {
		return err
	}
	cold, err := b.pool(m.name[:1]+"c", nil)
	if err != nil {
		return err
	}
	defer shutdown(cold)
	warm, err := b.pool(m.name[:1]+"s", func(c *procman.Config) {
		c.Standby, c.StandbyReserve, c.IdleTimeout = 1, 1, 100*time.Millisecond
	})
	if err != nil {
		return err
	}
	defer shutdown(warm)
	for _, pool := range []*procman.Pool{cold, warm} {
		set(pool, dir, &denofn.Release{ID: "bench", Function: "bench"})
	}
	fmt.Printf("%s module, %d bytes; sandbox: %s\n", m.name, len(m.text), layers(cold))

	ways := []way{
		&bare{deno: b.deno, dir: dir, listen: "unix"},
		&pooled{pool: cold},
		&standby{pooled{pool: warm}},
		&bare{deno: b.deno, dir: dir, listen: "tcp"},
	}
	took, err := starts(ways, n)
	if err != nil {
		return err
	}
	requests, memory, err := warmRequests(ways, 10*n)
	if err != nil {
		return err
	}
	for i, w := range ways {
		fmt.Printf("  %-24s start p50 %7.2f ms (%.2f)  p99 %7.2f ms (%.2f)  request p50 %4.0f µs (%+.0f)  private %5.1f MB (%.2f)\n", w.name(),
			ms(quantile(took[i], 50)), ratio(quantile(took[i], 50), quantile(took[0], 50)),
			ms(quantile(took[i], 99)), ratio(quantile(took[i], 99), quantile(took[0], 99)),
			us(quantile(requests[i], 50)), us(quantile(requests[i], 50))-us(quantile(requests[0], 50)),
			float64(memory[i])/1e6, float64(memory[i])/float64(memory[0]))
	}
	bare, ours, standing := took[0], took[1], took[2]
	b.judge("cold start, median : bare deno run", ratio(quantile(ours, 50), quantile(bare, 50)), mostCold)
	b.judge("cold start, p99 : bare deno run", ratio(quantile(ours, 99), quantile(bare, 99)), mostColdP99)
	b.judge("cold start, median, milliseconds more than bare", ms(quantile(ours, 50)-quantile(bare, 50)), max(mostOverheadMS, (mostCold-1)*ms(quantile(bare, 50))))
	b.judge("start from standby, median : bare deno run", ratio(quantile(standing, 50), quantile(bare, 50)), m.standby)
	b.judge("private memory of a warm function : bare deno run", float64(memory[1])/float64(memory[0]), mostMemory)
	return nil
}

// starts starts every way n times, in turns. The first three starts of each fill
// caches and do not count.
func starts(ways []way, n int) ([][]time.Duration, error) {
	took := make([][]time.Duration, len(ways))
	for round := range n + 3 {
		for i, w := range ways {
			began := time.Now()
			if err := w.start(); err != nil {
				return nil, fmt.Errorf("start %s: %w", w.name(), err)
			}
			if round >= 3 {
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
