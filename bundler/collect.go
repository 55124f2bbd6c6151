package bundler

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The cache:
//
//	packs/HASH      what was fetched, packed
//	graphs/KEY      what imports mean, and what packages were packed as
//	deno/           the DENO_DIR of the Deno that fetches
//	work/           a folder for each run of it
//
// Any of it can go at any time: it is fetched again. A file's time is when it was
// last of use.

// touchAfter is how old a file's time may be before a use renews it.
const touchAfter = time.Hour

// touch notes that a file of the cache was of use.
func touch(path string) {
	info, err := os.Stat(path)
	if err != nil || time.Since(info.ModTime()) < touchAfter {
		return
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now)
}

// Collecting looks at every file of the cache, so it waits until that can matter:
// for an hour, or until the cache has grown by a part of what it may be.
const (
	collectAfter = time.Hour
	collectPart  = 16
)

// collectSoon collects after bytes have been added. The Bundler's fetching is held.
func (b *Bundler) collectSoon(bytes int64) {
	b.grown += bytes
	if b.grown > int64(b.config.CacheSize)/collectPart || time.Since(b.collected) > collectAfter {
		b.collect()
		b.grown, b.collected = 0, time.Now()
	}
}

// collect removes from the cache what has not been of use for CacheAge, and what
// was the longest time ago while it is larger than CacheSize. The Bundler's
// fetching is held.
func (b *Bundler) collect() {
	type entry struct {
		path  string
		bytes int64
		used  time.Time
	}
	var entries []entry
	var total int64
	for _, dir := range []string{b.packsDir(), b.graphsDir()} {
		found, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, f := range found {
			if info, err := f.Info(); err == nil {
				entries = append(entries, entry{filepath.Join(dir, f.Name()), info.Size(), info.ModTime()})
				total += info.Size()
			}
		}
	}
	if bytes, used := measure(b.denoDir()); bytes > 0 {
		entries = append(entries, entry{b.denoDir(), bytes, used})
		total += bytes
	}
	slices.SortFunc(entries, func(x, y entry) int { return x.used.Compare(y.used) })
	now := time.Now()
	for _, e := range entries {
		if total <= int64(b.config.CacheSize) && now.Sub(e.used) <= b.config.CacheAge {
			break
		}
		if err := os.RemoveAll(e.path); err != nil {
			b.config.Logger.Warn("cache not collected", "path", e.path, "error", err)
			continue
		}
		total -= e.bytes
	}
}

// measure returns the size of a folder and when it was last written to.
func measure(dir string) (bytes int64, used time.Time) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
			used = slices.MaxFunc([]time.Time{used, info.ModTime()}, time.Time.Compare)
		}
		return nil
	})
	return bytes, used
}

// sweep removes what an earlier Bundler that was killed has left in its work
// folder.
func (b *Bundler) sweep() error {
	if b.config.CacheDir == "" {
		return nil
	}
	left, err := os.ReadDir(b.workParent())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, d := range left {
		err = cmp.Or(err, os.RemoveAll(filepath.Join(b.workParent(), d.Name())))
	}
	return err
}
