package gitreceive

import (
	"bufio"
	"os"
	"path/filepath"

	"github.com/denofn/denofn/gitreceive/packfile"
)

// writeFile puts a file in place so that a power cut finds the old or the new:
// temp, sync, rename, sync of the folder.
func writeFile(path string, fill func(*bufio.Writer)) error {
	return writeFileMode(path, 0o644, fill)
}

func writeFileMode(path string, mode os.FileMode, fill func(*bufio.Writer)) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, packfile.TempPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // unless it has got its name by then
	defer f.Close()
	w := bufio.NewWriter(f)
	fill(w)
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
