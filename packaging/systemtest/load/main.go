// Command load sends requests to an address from many connections at once until it
// is told to stop by SIGTERM, and then says how many there were and what became of
// those that failed. A lost connection is one that was refused, reset or cut off;
// every second request is made on a connection of its own.
//
//	load URL CONNECTIONS
//
// It exits with 1 when any request failed, or none was made.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: load URL CONNECTIONS")
		os.Exit(2)
	}
	connections, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	total := run(ctx, os.Args[1], connections)
	fmt.Printf("%d requests, %d failed\n", total.requests, total.failed)
	for reason, n := range total.reasons {
		fmt.Printf("%6d  %s\n", n, reason)
	}
	if total.failed > 0 || total.requests == 0 {
		os.Exit(1)
	}
}

// counts is what became of requests.
type counts struct {
	requests, failed int
	reasons          map[string]int
}

func run(ctx context.Context, url string, connections int) counts {
	var mu sync.Mutex // guards total
	total := counts{reasons: make(map[string]int)}
	var workers sync.WaitGroup
	for range connections {
		workers.Go(func() {
			mine := work(ctx, url)
			mu.Lock()
			defer mu.Unlock()
			total.requests += mine.requests
			total.failed += mine.failed
			for reason, n := range mine.reasons {
				total.reasons[reason] += n
			}
		})
	}
	workers.Wait()
	return total
}

// work makes one request after the other. It does not use ctx for them, so that
// the last of them is not cut off by us.
func work(ctx context.Context, url string) counts {
	c := counts{reasons: make(map[string]int)}
	fresh := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	kept := http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	for i := 0; ctx.Err() == nil; i++ {
		client := &fresh
		if i%2 == 1 {
			client = &kept
		}
		c.requests++
		if err := get(client, url); err != nil {
			c.failed++
			c.reasons[err.Error()]++
		}
	}
	return c
}

func get(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %.100s", response.Status, body)
	}
	return nil
}
