// Command bench measures what people choose denofn by, each number as a ratio
// against a named peer in the same run, since machines differ and are noisy:
//
//	push    git push to live of a one-line function : plain git push through OpenSSH
//	many    a push that changes 1 of 300 functions  : a push of a repository with just that one
//	bundle  bundling of 300 functions               : the esbuild command for each (and three more, see README.md)
//	cold    first request to a stopped function     : bare `deno run` of the same bundle
//	gitpush, gitclone   10,000 files of 100 MB      : OpenSSH with git's own receive-pack and upload-pack
//
// and gitmemory, the daemon's peak memory for a push of 500 MB, against a bound.
//
// The two sides of a ratio take turns, and the medians are compared.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

// A measurement is one side of a ratio: it returns how long the measured part
// of one round took.
type measurement func(round int) (time.Duration, error)

// A comparison is a ratio and the most that it may be.
type comparison struct {
	name  string
	ours  string
	peer  string
	limit float64
	run   func(b *bench) (ours, peer measurement, err error)
}

func comparisons() []comparison {
	return []comparison{
		{"push", "git push to live", "git push through OpenSSH to a bare repository", 1.5, comparePush},
		{"many", "push that changes 1 of 300 functions", "push of a repository with just that one", 2, compareMany},
		{"bundle", "bundling of 300 functions", "the esbuild command for each of them", 1, compareBundle},
		{"bundle-deno", "bundling of 30 functions", "deno bundle for each of them", 1, compareBundleDeno},
		{"bundle-shared", "change of a file that 40 of 300 functions import", "the esbuild command for each of the 40", 1, compareBundleShared},
		{"bundle-one", "change of 1 of 300 functions", "the same change of that one alone", 2, compareBundleOne},
		{"cold", "first request to a stopped function", "deno run of the same bundle to its first answer", 1.3, compareCold},
		{"gitpush", "git push of 10,000 files, 100 MB", "the same through OpenSSH to git's receive-pack", 2, compareGitPush},
		{"gitclone", "git clone of 10,000 files, 100 MB", "the same through OpenSSH from git's upload-pack", 2, compareGitClone},
	}
}

func main() {
	rounds := flag.Int("rounds", 21, "how often each side is measured")
	flag.Parse()
	if err := run(*rounds, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(rounds int, names []string) error {
	b, err := newBench()
	if err != nil {
		return err
	}
	defer b.close()
	failed := 0
	for _, c := range comparisons() {
		if len(names) > 0 && !slices.Contains(names, c.name) {
			continue
		}
		ours, peer, err := c.run(b)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		a, p, err := measure(rounds, ours, peer)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		ratio := float64(median(a)) / float64(median(p))
		verdict := "ok"
		if ratio > c.limit {
			verdict = "MISSED"
			failed++
		}
		fmt.Printf("%s: %.2f of at most %.2f  %s\n", c.name, ratio, c.limit, verdict)
		fmt.Printf("  %-52s %s\n  %-52s %s\n", c.ours, spread(a), c.peer, spread(p))
	}
	for _, m := range bounds() {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		value, err := m.run(b)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		verdict := "ok"
		if value > m.limit {
			verdict = "MISSED"
			failed++
		}
		fmt.Printf("%s: %.0f %s of at most %.0f  %s\n  %s\n", m.name, value, m.unit, m.limit, verdict, m.what)
	}
	if failed > 0 {
		return fmt.Errorf("%d missed", failed)
	}
	return nil
}

// measure lets the two sides take turns, after a round that does not count.
func measure(rounds int, ours, peer measurement) (a, p []time.Duration, err error) {
	for round := range rounds + 1 {
		p1, err := peer(round)
		if err != nil {
			return nil, nil, err
		}
		a1, err := ours(round)
		if err != nil {
			return nil, nil, err
		}
		if round > 0 {
			a, p = append(a, a1), append(p, p1)
		}
	}
	return a, p, nil
}

func median(d []time.Duration) time.Duration { return quantile(d, 0.5) }

func quantile(d []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[int(q*float64(len(sorted)-1))]
}

func spread(d []time.Duration) string {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf("p50 %7.1f ms   p10 %7.1f   p90 %7.1f", ms(median(d)), ms(quantile(d, 0.1)), ms(quantile(d, 0.9)))
}
