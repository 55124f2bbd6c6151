package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// wrk asks for a path over as many connections.
func wrk(path string, connections int) func(*bench, *proxy, time.Duration) (result, error) {
	return func(_ *bench, p *proxy, d time.Duration) (result, error) {
		return runWrk(p, path, connections, d)
	}
}

// wrkUpload sends a megabyte with each request.
func wrkUpload(path string, connections int) func(*bench, *proxy, time.Duration) (result, error) {
	return func(b *bench, p *proxy, d time.Duration) (result, error) {
		script := b.path("upload.lua")
		if err := os.WriteFile(script, []byte("wrk.method = \"POST\"\nwrk.body = string.rep(\"a\", 1048576)\n"), 0o600); err != nil {
			return result{}, err
		}
		return runWrk(p, path, connections, d, "-s", script)
	}
}

var (
	ratePattern  = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	p99Pattern   = regexp.MustCompile(`99%\s+([0-9.]+)(us|ms|s)`)
	totalPattern = regexp.MustCompile(`(\d+) requests in`)
	wrongPattern = regexp.MustCompile(`Non-2xx or 3xx responses: \d+|Socket errors: .*`)
)

func runWrk(p *proxy, path string, connections int, d time.Duration, more ...string) (result, error) {
	args := []string{"-t1", "-c" + strconv.Itoa(connections), "-d" + strconv.Itoa(int(d.Seconds())) + "s", "--latency", "--timeout", "30s"}
	before, err := cpuTime(p)
	if err != nil {
		return result{}, err
	}
	out, err := exec.Command("wrk", append(append(args, more...), "http://"+p.address+path)...).CombinedOutput()
	if err != nil {
		return result{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	after, err := cpuTime(p)
	if err != nil {
		return result{}, err
	}
	if wrong := wrongPattern.Find(out); wrong != nil && p.name == "denofn" {
		return result{}, fmt.Errorf("%s", wrong)
	}
	rate, p99, total := ratePattern.FindSubmatch(out), p99Pattern.FindSubmatch(out), totalPattern.FindSubmatch(out)
	if rate == nil || p99 == nil || total == nil {
		return result{}, fmt.Errorf("wrk said %s", out)
	}
	r := result{}
	r.rate, _ = strconv.ParseFloat(string(rate[1]), 64)
	r.p99, _ = time.ParseDuration(string(p99[1]) + string(p99[2]))
	n, _ := strconv.Atoi(string(total[1]))
	r.cpu = (after - before) / time.Duration(max(1, n))
	r.rss, err = memory(p)
	return r, err
}

// eventFanOut has many clients listen to one stream of events and measures how
// many reach them, and how late.
func eventFanOut(path string, clients int) func(*bench, *proxy, time.Duration) (result, error) {
	return func(_ *bench, p *proxy, d time.Duration) (result, error) {
		before, err := cpuTime(p)
		if err != nil {
			return result{}, err
		}
		var wait sync.WaitGroup
		lags := make([][]time.Duration, clients)
		errs := make([]error, clients)
		began := time.Now()
		for i := range clients {
			wait.Go(func() { lags[i], errs[i] = listen(p.address, path, began.Add(d)) })
		}
		wait.Wait()
		if err := errors.Join(errs...); err != nil && p.name == "denofn" {
			return result{}, err
		}
		after, err := cpuTime(p)
		if err != nil {
			return result{}, err
		}
		all := slices.Concat(lags...)
		if len(all) == 0 {
			return result{}, errors.New("no event arrived")
		}
		slices.Sort(all)
		r := result{rate: float64(len(all)) / d.Seconds(), p99: all[len(all)*99/100], cpu: (after - before) / time.Duration(len(all))}
		r.rss, err = memory(p)
		return r, err
	}
}

// listen returns how late each event came.
func listen(address, path string, until time.Time) (lags []time.Duration, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(until)
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(conn, 1024)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return lags, nil
			}
			return lags, err
		}
		if sent, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: ")); ok {
			if ms, err := strconv.ParseInt(string(sent), 10, 64); err == nil {
				lags = append(lags, time.Since(time.UnixMilli(ms)))
			}
		}
	}
}

// processes returns the proxy's process and its children that are not functions.
func processes(p *proxy) []int {
	pids := []int{p.command.Process.Pid}
	if p.name == "nginx" {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pids[0], pids[0]))
		for field := range strings.FieldsSeq(string(text)) {
			pid, _ := strconv.Atoi(field)
			pids = append(pids, pid)
		}
	}
	return pids
}

// cpuTime returns what the proxy has used so far.
func cpuTime(p *proxy) (time.Duration, error) {
	const tick = 10 * time.Millisecond
	total := time.Duration(0)
	for _, pid := range processes(p) {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		total += time.Duration(user+system) * tick
	}
	return total, nil
}

// memory returns what the proxy holds.
func memory(p *proxy) (int64, error) {
	total := int64(0)
	for _, pid := range processes(p) {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(text))
		pages, _ := strconv.ParseInt(fields[1], 10, 64)
		total += pages * int64(os.Getpagesize())
	}
	return total, nil
}
