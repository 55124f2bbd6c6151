// Package durable writes files and folders so that a crash or a power cut at any
// instant leaves either all of the old or all of the new, and that what a
// function here has returned from is still there afterwards.
//
// Every write is the same four steps: write a temporary beside the target, sync
// it, rename it over the target, sync the folder. Without the first sync, a
// journaling file system may keep the rename and lose the content; without the
// second, it may lose the rename.
//
// Temporaries begin with TempPrefix. A crash can leave them behind, where they
// mean nothing; RemoveTemps clears them away.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// A disk is the two calls whose order everything here depends on, so that a test
// can watch them.
type disk struct {
	sync   func(*os.File) error
	rename func(from, to string) error
}

func system() disk { return disk{(*os.File).Sync, os.Rename} }

// TempPrefix begins the names of files and folders that are not finished.
const TempPrefix = ".tmp-"

// WriteFile makes data the content of the file at path.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	return system().writeFile(path, data, mode)
}

func (d disk) writeFile(path string, data []byte, mode fs.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(path), TempPrefix+"*")
	if err != nil {
		return err
	}
	err = d.finish(temp, data, mode)
	if err == nil {
		err = d.rename(temp.Name(), path)
	}
	if err != nil {
		os.Remove(temp.Name())
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

// finish writes all of a file, syncs and closes it.
func (d disk) finish(f *os.File, data []byte, mode fs.FileMode) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = d.sync(f)
	}
	return errors.Join(err, f.Close())
}

// WriteDir creates the folder path with the given files in it, all at once. The
// keys are slash-separated paths below it. The error is fs.ErrExist if there is
// something at path.
func WriteDir(path string, files map[string][]byte, mode fs.FileMode) error {
	return system().writeDir(path, files, mode)
}

func (d disk) writeDir(path string, files map[string][]byte, mode fs.FileMode) error {
	parent := filepath.Dir(path)
	temp, err := os.MkdirTemp(parent, TempPrefix+"*")
	if err != nil {
		return err
	}
	err = d.fill(temp, files, mode)
	if err == nil {
		err = d.renameDir(temp, path)
	}
	if err != nil {
		os.RemoveAll(temp)
		return err
	}
	return d.syncDir(parent)
}

// syncers is how many files are synced at once. A file system writes its journal
// for all that wait, so that many together take little longer than one.
const syncers = 16

// fill writes the files below dir and syncs them and their folders. Folders get
// mode, with the right to enter them, and files mode without it.
func (d disk) fill(dir string, files map[string][]byte, mode fs.FileMode) error {
	folders := map[string]bool{dir: true}
	for name := range files {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return fmt.Errorf("file %q is not below its folder", name)
		}
		folder := filepath.Dir(filepath.Join(dir, filepath.FromSlash(name)))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		for ; !folders[folder]; folder = filepath.Dir(folder) {
			folders[folder] = true
		}
	}
	var writing errgroup.Group
	writing.SetLimit(syncers)
	for name, data := range files {
		writing.Go(func() error {
			f, err := os.OpenFile(filepath.Join(dir, filepath.FromSlash(name)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			return d.finish(f, data, mode&^0o111)
		})
	}
	if err := writing.Wait(); err != nil {
		return err
	}
	for folder := range folders {
		writing.Go(func() error { return errors.Join(os.Chmod(folder, mode), d.syncDir(folder)) })
	}
	return writing.Wait()
}

// renameDir renames a folder to a path where nothing may be. Linux would replace
// an empty folder, which nothing here ever leaves.
func (d disk) renameDir(from, to string) error {
	err := d.rename(from, to)
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.ENOTDIR) {
		return &fs.PathError{Op: "create", Path: to, Err: fs.ErrExist}
	}
	return err
}

// RemoveDir removes the folder at path, which disappears as a whole. It is no
// error if there is none.
func RemoveDir(path string) error { return system().removeDir(path) }

func (d disk) removeDir(path string) error {
	parent := filepath.Dir(path)
	temp, err := os.MkdirTemp(parent, TempPrefix+"*")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = d.rename(path, filepath.Join(temp, filepath.Base(path)))
	if err == nil {
		err = d.syncDir(parent)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(temp))
}

// Symlink makes path a symbolic link to target, in place of a link or file that
// may be there.
func Symlink(target, path string) error { return system().symlink(target, path) }

func (d disk) symlink(target, path string) error {
	temp, err := os.MkdirTemp(filepath.Dir(path), TempPrefix+"*")
	if err != nil {
		return err
	}
	link := filepath.Join(temp, "link")
	err = os.Symlink(target, link)
	if err == nil {
		err = d.rename(link, path)
	}
	if err = errors.Join(err, os.RemoveAll(temp)); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

// MkdirAll creates the folder at path and those above it, and syncs what it has
// created.
func MkdirAll(path string, mode fs.FileMode) error { return system().mkdirAll(path, mode) }

func (d disk) mkdirAll(path string, mode fs.FileMode) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := d.mkdirAll(parent, mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.syncDir(parent)
}

// SyncDir makes what was created in, renamed in and removed from the folder last.
func SyncDir(path string) error { return system().syncDir(path) }

func (d disk) syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.sync(f), f.Close())
}

// RemoveTemps removes what a crash has left in the folder dir. Nobody else may be
// writing there.
func RemoveTemps(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), TempPrefix) {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
