package procman

import (
	"os"
	"path/filepath"
)

// V8's code cache saves a quarter of a cold start, and it is code: whoever can
// write it decides what a later process runs. So each release has a DENO_DIR of its
// own, which its first processes fill; all later ones find it read-only.
//
// It takes Deno two processes. The first notes what it has loaded; the second,
// which finds that the code is run again, compiles it for the cache. With the notes
// alone and no right to write, a start is slower than without any cache.
const fillingProcesses = 2

// fillMarks are set when a process that wrote to the cache and became ready has
// ended, so that a cache that is half written is not taken for whole.
var fillMarks = [fillingProcesses]string{".noted", ".filled"}

// isFilled reports whether the cache is complete.
func isFilled(cacheDir string) bool {
	_, err := os.Stat(filepath.Join(cacheDir, fillMarks[fillingProcesses-1]))
	return err == nil
}

// markFilled notes that one more process has filled the cache.
func markFilled(cacheDir string) error {
	for _, mark := range fillMarks {
		f, err := os.OpenFile(filepath.Join(cacheDir, mark), os.O_CREATE|os.O_EXCL, 0o600)
		if os.IsExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		return f.Close()
	}
	return nil
}
