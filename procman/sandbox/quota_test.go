package sandbox_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/denofn/denofn/procman/sandbox"
)

// A folder for which there is a quota of 1 MB.
func quota(t *testing.T) sandbox.DiskQuota {
	return sandbox.DiskQuota{Dir: t.TempDir(), LimitBytes: 1 << 20}
}

func fill(t *testing.T, path string, size int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestQuotaMeasures(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "big")
	fill(t, outside, 2<<20)
	for _, tt := range []struct {
		name     string
		make     func(dir string)
		kB       int64 // of 4 kB blocks
		exceeded bool
	}{
		{"nothing", func(string) {}, 0, false},
		{"files and folders", func(dir string) { fill(t, dir+"/a", 10_000); fill(t, dir+"/sub/b", 1) }, 12 + 4 + 4, false},
		{"empty files are not free", func(dir string) { fill(t, dir+"/a", 0) }, 4, false},
		{"links to a file count once", func(dir string) { fill(t, dir+"/a", 8192); os.Link(dir+"/a", dir+"/b") }, 8, false},
		{"links lead nowhere", func(dir string) { os.Symlink(outside, dir+"/a"); os.Symlink("/", dir+"/root") }, 8, false},
		{"a hole is not used", func(dir string) { fill(t, dir+"/a", 0); os.Truncate(dir+"/a", 1<<40) }, 4, false},
		{"a large file", func(dir string) { fill(t, dir+"/a", 1<<20+1) }, 0, true},
		{"many files", func(dir string) {
			for i := range 300 {
				fill(t, filepath.Join(dir, strings.Repeat("f", i%200+1), strings.Repeat("g", i/200+1)), 0)
			}
		}, 0, true},
		{"deep folders", func(dir string) { os.MkdirAll(dir+strings.Repeat("/d", 70), 0o700) }, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := quota(t)
			tt.make(q.Dir)
			used, err := q.Check()
			exceeded, ok := errors.AsType[*sandbox.QuotaError](err)
			if ok != tt.exceeded || err != nil && !ok {
				t.Fatalf("%d bytes, %v", used, err)
			}
			if ok && (exceeded.UsedBytes <= q.LimitBytes || exceeded.LimitBytes != q.LimitBytes) {
				t.Errorf("%v", exceeded)
			}
			if !ok && used != tt.kB<<10 {
				t.Errorf("%d bytes, want %d", used, tt.kB<<10)
			}
		})
	}
}

// A function cannot hide what it has by forbidding others to look.
func TestQuotaSeesForbiddenFolders(t *testing.T) {
	q := quota(t)
	fill(t, q.Dir+"/closed/a", 2<<20)
	if err := os.Chmod(q.Dir+"/closed", 0); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // not unlocked: the thread is nobody's from here on
		if os.Geteuid() == 0 {
			const nobody = 65534
			for _, path := range []string{q.Dir, q.Dir + "/closed"} {
				os.Chown(path, nobody, nobody)
			}
			os.Chmod(filepath.Dir(q.Dir), 0o755)
			os.Chmod(filepath.Dir(filepath.Dir(q.Dir)), 0o755)
			unix.Setfsuid(nobody)
		}
		_, err := q.Check()
		done <- err
	}()
	if _, ok := errors.AsType[*sandbox.QuotaError](<-done); !ok {
		t.Error("the folder that nobody may read holds nothing")
	}
}

func TestQuotaWatch(t *testing.T) {
	q := quota(t)
	victim := exec.Command("sleep", "600")
	removed, err := os.Create(filepath.Join(q.Dir, "removed"))
	if err != nil {
		t.Fatal(err)
	}
	defer removed.Close()
	victim.ExtraFiles = []*os.File{removed}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	defer victim.Wait()
	defer victim.Process.Kill()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Watch(ctx, victim.Process.Pid); err != nil {
		t.Errorf("when it is told to end: %v", err)
	}
	// What was removed and is still open takes space.
	if err := os.Remove(removed.Name()); err != nil {
		t.Fatal(err)
	}
	if _, err := removed.Write(make([]byte, 2<<20)); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Check(); err != nil {
		t.Errorf("it has a name still: %v", err)
	}
	if _, ok := errors.AsType[*sandbox.QuotaError](q.Watch(t.Context(), victim.Process.Pid)); !ok {
		t.Error("a removed file that is open does not count")
	}
	victim.Process.Kill()
	victim.Wait()
	if err := q.Watch(t.Context(), victim.Process.Pid); err != nil {
		t.Errorf("when the process has ended: %v", err)
	}
}

func TestQuotaCountsRemovedMaps(t *testing.T) {
	q := quota(t)
	f, err := os.Create(filepath.Join(q.Dir, "mapped"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(2 << 20); err != nil {
		t.Fatal(err)
	}
	memory, err := syscall.Mmap(int(f.Fd()), 0, 2<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(memory)
	f.Close()
	os.Remove(f.Name())
	if _, ok := errors.AsType[*sandbox.QuotaError](q.Watch(t.Context(), os.Getpid())); !ok {
		t.Error("a removed file that is mapped does not count")
	}
}

func TestRemovedMaps(t *testing.T) {
	text := "7f0000000000-7f0000002000 rw-s 00000000 08:01 11    /data/a b (deleted)\n" +
		"7f0000002000-7f0000003000 rw-s 00002000 08:01 11    /data/a b (deleted)\n" +
		"7f0000003000-7f0000004000 rw-s 00000000 08:01 12    /data/kept\n" +
		"7f0000004000-7f0000005000 rw-s 00000000 00:01 13    /dev/zero (deleted)\n" +
		"7f0000005000-7f0000006000 rw-p 00000000 00:00 0 \n" +
		"nonsense (deleted)\n" +
		"7f0000006000-7f0000005000 rw-s 00000000 08:01 14    /data/c (deleted)\n"
	if diff := cmp.Diff(map[uint64]int64{11: 0x3000}, sandbox.RemovedMaps([]byte(text))); diff != "" {
		t.Error(diff)
	}
}

// A folder that turns into a link while it is looked at leads nowhere.
func TestQuotaIsNotLedAway(t *testing.T) {
	q := quota(t)
	outside := t.TempDir()
	fill(t, outside+"/sub/big", 4<<20)
	real, link := q.Dir+"/real", q.Dir+"/link"
	if err := os.MkdirAll(real+"/sub", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, real, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
			}
		}
	}()
	for range 2000 {
		if used, err := q.Check(); err != nil {
			t.Errorf("%d bytes, %v", used, err)
			break
		}
	}
	close(stop)
	<-done
}
