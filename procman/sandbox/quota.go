package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A DiskQuota bounds what a function keeps on disk.
//
// Quotas of the file system, images and memory file systems all need mount
// options or privileges that a service does not have. What is left is to look:
// [DiskQuota.Watch] measures the folder whenever the process has worked, the more
// often the fuller it is, and whoever watches kills the process. Until the
// function has removed something it is started with the folder in
// [Profile.RemoveOnly] instead of ReadWrite, which the kernel enforces; and
// [Rlimits].FileSizeBytes keeps any single file below the limit, at once.
//
// Between two looks a function can go beyond its limit by what the disk takes in
// that time: at most 50 ms near the limit (or twenty times as long as a look
// takes, with many files). What it removed and still has open or mapped is
// counted; files whose only descriptor is on its way through a socket are not.
type DiskQuota struct {
	Dir        string // what counts, with everything below it on the same file system
	LimitBytes int64
}

// A QuotaError says that a function uses more than it may.
type QuotaError struct {
	UsedBytes  int64 // at least; counting ends beyond the limit
	LimitBytes int64
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("disk quota exceeded: %d of %d bytes used", e.UsedBytes, e.LimitBytes)
}

const (
	// entryBytes is the least that a file or folder counts for, so that empty
	// ones are not free.
	entryBytes = 4096
	// maxDepth is how deep folders may be nested. Each level takes a descriptor
	// of the daemon's while it is looked at.
	maxDepth = 64
	// fillRate is more than what a disk takes in a second, in bytes.
	fillRate = 2 << 30

	minPause = 50 * time.Millisecond
	maxPause = time.Second
	// restFactor is how much longer a pause is than the look before it.
	restFactor = 20
)

// Check measures the folder. The error is a *QuotaError when it holds more than
// the limit; UsedBytes is exact otherwise.
func (q DiskQuota) Check() (usedBytes int64, err error) { return q.check(0) }

// Watch measures the folder for as long as the process runs or until ctx is
// done, and then returns nil. The error is a *QuotaError as soon as there is
// more than the limit: the caller kills the process. A look that fails for
// another reason is made again: nothing that a function does ends the watch.
func (q DiskQuota) Watch(ctx context.Context, pid int) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	last := []byte("never looked")
	var pause time.Duration
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		work, alive := workOf(pid)
		if !alive {
			return nil
		}
		if !bytes.Equal(work, last) {
			begin := time.Now()
			used, err := q.check(pid)
			if _, exceeded := errors.AsType[*QuotaError](err); exceeded {
				return err
			}
			pause = pauseAfter(q.LimitBytes-used, time.Since(begin))
			last = work
			if err != nil {
				last = nil
			}
		}
		timer.Reset(pause)
	}
}

// pauseAfter returns how long the disk needs to take what is left, or a multiple
// of what looking costs.
func pauseAfter(leftBytes int64, look time.Duration) time.Duration {
	fill := time.Duration(float64(leftBytes) / fillRate * float64(time.Second))
	return max(min(max(fill, minPause), maxPause), restFactor*look)
}

// workOf returns a text that changes when the process has worked: its counters of
// bytes and its processor time. alive is false when it has ended.
func workOf(pid int) (work []byte, alive bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil || parseState(stat) == 'Z' {
		return nil, false
	}
	counters, err := os.ReadFile(dir + "/io")
	if err != nil { // not for us to read: look every time
		counters = strconv.AppendInt(nil, time.Now().UnixNano(), 10)
	}
	return fmt.Appendf(counters, "cpu: %d", parseProcess(nil, stat).CPU), true
}

// A tally adds up what files take.
type tally struct {
	device uint64
	used   int64
	limit  int64
	seen   map[uint64]bool // files with several names, or none
}

func (q DiskQuota) check(pid int) (int64, error) {
	fd, err := unix.Open(q.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", q.Dir, err)
	}
	dir := os.NewFile(uintptr(fd), q.Dir)
	defer dir.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("measure %s: %w", q.Dir, err)
	}
	t := tally{device: st.Dev, limit: q.LimitBytes, seen: make(map[uint64]bool)}
	if err := t.walk(dir, 0); err != nil {
		return 0, fmt.Errorf("measure %s: %w", q.Dir, err)
	}
	if pid != 0 {
		t.addRemoved(pid)
	}
	if t.used > t.limit {
		return t.used, &QuotaError{UsedBytes: t.used, LimitBytes: t.limit}
	}
	return t.used, nil
}

// walk adds what is in a folder that its function may be changing. It never
// follows a link, holds one descriptor a level, and reads long folders in parts.
func (t *tally) walk(dir *os.File, depth int) error {
	if depth > maxDepth {
		t.used = max(t.used, t.limit+1)
	}
	for t.used <= t.limit {
		const part = 256
		names, err := dir.Readdirnames(part)
		for _, name := range names {
			if err := t.add(dir, name, depth); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tally) add(dir *os.File, name string, depth int) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Dev != t.device {
		return nil
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		t.addFile(&st)
		return nil
	}
	t.used += max(st.Blocks*512, entryBytes)
	fd, err := openFolder(dir, name)
	if errors.Is(err, unix.EACCES) { // hidden for good: it counts as too much
		t.used = max(t.used, t.limit+1)
		return nil
	}
	if err != nil {
		return replaced(err)
	}
	sub := os.NewFile(uintptr(fd), name)
	defer sub.Close()
	return t.walk(sub, depth+1)
}

// openFolder opens a folder, also one from which the function has taken the
// permission to: its files have the daemon's owner, who may give it back. The
// folder is changed through a descriptor, so it cannot be exchanged for another.
func openFolder(dir *os.File, name string) (int, error) {
	const flags = unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|flags, 0)
	if !errors.Is(err, unix.EACCES) {
		return fd, err
	}
	handle, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|flags, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(handle)
	path := "/proc/self/fd/" + strconv.Itoa(handle)
	if err := unix.Chmod(path, 0o700); err != nil {
		return -1, unix.EACCES
	}
	return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// replaced forgives what happens to a folder that is no longer one.
func replaced(err error) error {
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return err
}

func (t *tally) addFile(st *unix.Stat_t) {
	if st.Nlink != 1 {
		if t.seen[st.Ino] {
			return
		}
		t.seen[st.Ino] = true
	}
	t.used += max(st.Blocks*512, entryBytes)
}

// addRemoved adds files that have no name any more but that the process has open
// or mapped. What cannot be read is left out: the process may have ended.
func (t *tally) addRemoved(pid int) {
	proc := "/proc/" + strconv.Itoa(pid)
	fds, err := os.ReadDir(proc + "/fd")
	if err != nil {
		return
	}
	for _, fd := range fds {
		var st unix.Stat_t
		if unix.Stat(proc+"/fd/"+fd.Name(), &st) == nil && st.Nlink == 0 && st.Dev == t.device && st.Mode&unix.S_IFMT == unix.S_IFREG {
			t.addFile(&st)
		}
	}
	maps, err := os.ReadFile(proc + "/maps")
	if err != nil {
		return
	}
	for _, m := range parseRemovedMaps(maps) {
		if !t.seen[m.inode] {
			t.used += m.size
		}
	}
}

// A removedMap is a part of a removed file that a process has in memory.
type removedMap struct {
	inode uint64
	size  int64
}

// parseRemovedMaps finds them in /proc/PID/maps, whose lines read
//
//	7f0c00000000-7f0c00100000 rw-s 00000000 08:01 4711    /path (deleted)
//
// Shared memory without a file has an inode as well, and its own device.
func parseRemovedMaps(text []byte) []removedMap {
	var removed []removedMap
	for line := range bytes.Lines(text) {
		line, ok := bytes.CutSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte(" (deleted)"))
		if !ok {
			continue
		}
		fields := bytes.Fields(line)
		if len(fields) < 6 || bytes.HasPrefix(fields[5], []byte("/dev/zero")) {
			continue
		}
		from, to, _ := bytes.Cut(fields[0], []byte("-"))
		begin, err1 := strconv.ParseUint(string(from), 16, 63)
		end, err2 := strconv.ParseUint(string(to), 16, 63)
		inode, err3 := strconv.ParseUint(string(fields[4]), 10, 64)
		if err := errors.Join(err1, err2, err3); err == nil && inode != 0 && end > begin {
			removed = append(removed, removedMap{inode, int64(end - begin)})
		}
	}
	return removed
}
