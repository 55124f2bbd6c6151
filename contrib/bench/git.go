package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A bound is a number and the most that it may be.
type bound struct {
	name  string
	what  string
	unit  string
	limit float64
	run   func(b *bench) (float64, error)
}

func bounds() []bound {
	return []bound{
		{"gitmemory", "peak memory of the daemon for a push of 500 MB", "MB", 250, measureGitMemory},
	}
}

const (
	gitFiles    = 10_000
	gitFileSize = 10_000 // 100 MB in all
)

// compareGitPush pushes 10,000 files of 100 MB into a repository that does not
// exist yet, on both sides.
func compareGitPush(b *bench) (ours, peer measurement, err error) {
	sshd, err := b.startSSHD()
	if err != nil {
		return nil, nil, err
	}
	if err := b.bigRepository("big", gitFiles, gitFileSize); err != nil {
		return nil, nil, err
	}
	peer = func(round int) (time.Duration, error) {
		name := fmt.Sprintf("bigpeer%d.git", round)
		if err := b.do("", "git", "init", "-q", "--bare", name); err != nil {
			return 0, err
		}
		defer os.RemoveAll(b.path(name))
		return b.push("big", fmt.Sprintf("ssh://root@%s%s", sshd, b.path(name)))
	}
	ours = func(round int) (time.Duration, error) {
		name := fmt.Sprintf("bigours%d", round)
		defer os.RemoveAll(b.path("state/repos/" + name + ".git"))
		return b.push("big", b.remote(name))
	}
	return ours, peer, nil
}

// compareGitClone clones what compareGitPush pushes.
func compareGitClone(b *bench) (ours, peer measurement, err error) {
	sshd, err := b.startSSHD()
	if err != nil {
		return nil, nil, err
	}
	if err := b.bigRepository("bigger", gitFiles, gitFileSize); err != nil {
		return nil, nil, err
	}
	if err := b.do("", "git", "init", "-q", "--bare", "bigger.git"); err != nil {
		return nil, nil, err
	}
	for _, remote := range []string{b.remote("bigger"), fmt.Sprintf("ssh://root@%s%s", sshd, b.path("bigger.git"))} {
		if _, err := b.push("bigger", remote); err != nil {
			return nil, nil, err
		}
	}
	clone := func(remote string) measurement {
		return func(int) (time.Duration, error) {
			defer os.RemoveAll(b.path("cloned"))
			began := time.Now()
			err := b.do("", "git", "clone", "-q", "--bare", remote, "cloned")
			return time.Since(began), err
		}
	}
	return clone(b.remote("bigger")), clone(fmt.Sprintf("ssh://root@%s%s", sshd, b.path("bigger.git"))), nil
}

// bigRepository makes a repository of files that compress to about half.
func (b *bench) bigRepository(name string, files, size int) error {
	if err := b.do("", "git", "init", "-q", "-b", "main", name); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))
	const letters = "0123456789abcdef"
	content := make([]byte, size)
	for i := range files {
		for at := range content {
			content[at] = letters[random.IntN(len(letters))]
		}
		path := filepath.Join(b.path(name), fmt.Sprintf("dir%d/file%d.txt", i/100, i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	if err := b.do(name, "git", "add", "."); err != nil {
		return err
	}
	return b.do(name, "git", "commit", "-q", "-m", "big")
}

// measureGitMemory pushes a pack of 500 MB, in 20 large and 15,000 small files that
// do not compress, to a daemon that has done nothing before, and then clones it.
func measureGitMemory(b *bench) (float64, error) {
	b.daemon.Process.Signal(syscall.SIGTERM)
	b.daemon.Wait()
	if err := b.start(); err != nil {
		return 0, err
	}
	if err := b.do("", "git", "init", "-q", "-b", "main", "huge"); err != nil {
		return 0, err
	}
	random := rand.NewChaCha8([32]byte{1})
	for _, files := range []struct{ count, size int }{{20, 10_000_000}, {15_000, 20_000}} {
		content := make([]byte, files.size)
		for i := range files.count {
			random.Read(content)
			path := b.path(fmt.Sprintf("huge/%d/dir%d/file%d", files.size, i/100, i))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return 0, err
			}
			if err := os.WriteFile(path, content, 0o644); err != nil {
				return 0, err
			}
		}
	}
	if err := b.do("huge", "git", "add", "."); err != nil {
		return 0, err
	}
	if err := b.do("huge", "git", "commit", "-q", "-m", "huge"); err != nil {
		return 0, err
	}
	if _, err := b.push("huge", b.remote("huge")); err != nil {
		return 0, err
	}
	if err := b.do("", "git", "clone", "-q", "--bare", b.remote("huge"), "hugeclone"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(b.path("hugeclone"))
	return peakMemory(b.daemon.Process.Pid)
}

// peakMemory returns the most memory that a process has had, in MB.
func peakMemory(pid int) (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kB, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			return kB / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d does not tell its peak memory", pid)
}
