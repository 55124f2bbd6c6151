package packfile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
)

// largeBytes is the size from which an object is put together in a file instead
// of memory.
const largeBytes = 4 << 20

// A content is an inflated object: in memory, or in a file that nobody else sees.
type content struct {
	kind plumbing.ObjectType
	size int64
	data []byte
	file *os.File
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	if c.file != nil {
		return c.file.ReadAt(p, off)
	}
	return bytes.NewReader(c.data).ReadAt(p, off)
}

func (c *content) reader() io.Reader { return io.NewSectionReader(c, 0, c.size) }

// drop gives back the file of a large content.
func (c *content) drop() {
	if c != nil && c.file != nil {
		c.file.Close()
	}
}

// spool has fill write a large content into a file of dir that has no name.
func spool(c *content, dir string, fill func(io.Writer) error) (*content, error) {
	file, err := os.CreateTemp(dir, TempPrefix)
	if err != nil {
		return nil, fmt.Errorf("put a large object together: %w", err)
	}
	os.Remove(file.Name())
	w := bufio.NewWriterSize(file, 64<<10)
	err = fill(w)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	c.file = file
	return c, nil
}

// TempPrefix starts the names of files that a crash may leave behind.
const TempPrefix = "tmp_"
