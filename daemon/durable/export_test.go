package durable

import (
	"io/fs"
	"os"
)

// A Disk is this package on a disk that is watched.
type Disk struct{ d disk }

func Watched(sync func(*os.File) error, rename func(from, to string) error) Disk {
	return Disk{disk{sync, rename}}
}

func (w Disk) WriteFile(path string, data []byte, mode fs.FileMode) error {
	return w.d.writeFile(path, data, mode)
}
func (w Disk) WriteDir(path string, files map[string][]byte, mode fs.FileMode) error {
	return w.d.writeDir(path, files, mode)
}
func (w Disk) RemoveDir(path string) error                  { return w.d.removeDir(path) }
func (w Disk) Symlink(target, path string) error            { return w.d.symlink(target, path) }
func (w Disk) MkdirAll(path string, mode fs.FileMode) error { return w.d.mkdirAll(path, mode) }
