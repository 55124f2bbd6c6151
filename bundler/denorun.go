package bundler

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// runDeno runs Deno in a folder of its own, or one in there, with the cache of this
// Bundler, and returns what it wrote to standard output. An *exec.ExitError carries standard error.
func (b *Bundler) runDeno(ctx context.Context, dir, in string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.config.FetchTimeout,
		fmt.Errorf("fetching modules took longer than %s (bundler.fetch_timeout)", b.config.FetchTimeout))
	defer cancel()
	command, done, err := b.spawner.Command(ctx, Child{
		Args:      args,
		Env:       b.denoEnv(dir),
		Dir:       filepath.Join(dir, in),
		ReadWrite: []string{dir, b.denoDir()},
		Network:   true,
		Memory:    fetchMemory,
	})
	if err != nil {
		return nil, fmt.Errorf("start deno: %w", err)
	}
	defer done()
	out, said := &limited{most: maxDenoOutput}, &limited{most: maxDenoOutput}
	command.Stdout, command.Stderr = out, said
	if err := b.spawner.Start(command); err != nil {
		return nil, fmt.Errorf("start deno: %w", err)
	}
	err = command.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		exit.Stderr = said.Bytes()
	}
	return out.Bytes(), err
}

const (
	// maxDenoOutput bounds what is kept of what Deno says: the graph of a large
	// function has a few megabytes.
	maxDenoOutput = 64 << 20
	// fetchMemory is what a Deno that fetches may use: it holds whole archives.
	fetchMemory = 1 << 30
)

// denoDir is the DENO_DIR of the children that fetch. Functions have others.
func (b *Bundler) denoDir() string { return filepath.Join(b.config.CacheDir, "deno") }

// denoEnv is the whole environment of a Deno that fetches. The certificates are
// those of the system and Mozilla's, for registries that only this network knows.
func (b *Bundler) denoEnv(dir string) []string {
	env := []string{
		"HOME=" + dir,
		"TMPDIR=" + dir,
		"PATH=/usr/bin:/bin",
		"DENO_DIR=" + b.denoDir(),
		"DENO_NO_UPDATE_CHECK=1",
		"DENO_NO_PROMPT=1",
		"DENO_TLS_CA_STORE=system,mozilla",
		"NO_COLOR=1",
	}
	return append(env, b.config.Env...)
}

// explainDeno turns what Deno wrote into one line, without paths of this machine.
func explainDeno(said, dir string) string {
	var lines []string
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(line, "file://"+dir+"/", ""), dir+"/", ""))
		if line == "" || strings.HasPrefix(line, "Download ") || strings.HasPrefix(line, "at ") || line == "Caused by:" {
			continue
		}
		line = strings.TrimPrefix(line, "error: ")
		if digit, rest, ok := strings.Cut(line, ": "); ok && len(digit) == 1 && digit >= "0" && digit <= "9" {
			line = rest
		}
		lines = append(lines, strings.TrimSuffix(line, "."))
		if len(lines) == 4 {
			break
		}
	}
	return strings.Join(lines, ": ")
}

// workDir makes an empty folder for one run of Deno.
func (b *Bundler) workDir() (string, error) {
	if err := os.MkdirAll(b.workParent(), 0o700); err != nil {
		return "", err
	}
	return os.MkdirTemp(b.workParent(), "")
}

func (b *Bundler) workParent() string { return filepath.Join(b.config.CacheDir, "work") }

// askVersion returns the version of Deno, which what it answers may depend on.
func (b *Bundler) askVersion() (string, error) {
	dir, err := b.workDir()
	if err != nil {
		return "", fmt.Errorf("make work folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.MkdirAll(b.denoDir(), 0o700); err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	out, err := b.runDeno(context.Background(), dir, ".", "--version")
	if err != nil {
		return "", fmt.Errorf("ask deno for its version: %w", err)
	}
	return string(out), nil
}
