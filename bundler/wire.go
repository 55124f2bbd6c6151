package bundler

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/denofn/denofn"
)

// A worker and its Bundler speak over the worker's standard input and output: one
// job and its outcome, and in between what the worker has to read. A message is
// a head in JSON and bytes:
//
//	length of the head, length of the bytes (4 bytes each, big-endian), head, bytes

// A head says what a message is.
type head struct {
	Kind  messageKind `json:"kind"`
	ID    uint32      `json:"id,omitempty"`    // of a question, and in the answer to it
	Pack  string      `json:"pack,omitempty"`  // askPacked, askNames
	Name  string      `json:"name,omitempty"`  // askRead, askList, askPacked
	Fault fault       `json:"fault,omitempty"` // answer
	Text  string      `json:"text,omitempty"`  // answer, failed
	Names []string    `json:"names,omitempty"` // answer
	Job   *job        `json:"job,omitempty"`
	Done  *doneHead   `json:"done,omitempty"`
}

type messageKind string

const (
	kindJob    messageKind = "job"    // to the worker
	kindAnswer messageKind = "answer" // to the worker
	askRead    messageKind = "read"
	askList    messageKind = "list"
	askPacked  messageKind = "packed"
	askNames   messageKind = "names"
	kindDone   messageKind = "done"
	kindFailed messageKind = "failed"
)

// doneHead is an outcome whose files are the message's bytes, one after another.
type doneHead struct {
	Wanted    []want             `json:"wanted,omitempty"`
	Unsettled bool               `json:"unsettled,omitempty"`
	Errors    denofn.Diagnostics `json:"errors,omitempty"`
	Warnings  denofn.Diagnostics `json:"warnings,omitempty"`
	Files     []fileHead         `json:"files,omitempty"`
}

type fileHead struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
}

// Limits of a message. A worker that has been taken over shall not make the daemon
// allocate what it likes.
const (
	maxHeadBytes = 64 << 20
	maxBodyBytes = 256 << 20
)

// A wire sends and receives messages. Sending is safe for concurrent use.
type wire struct {
	in io.Reader

	mu  sync.Mutex // held while a message is written
	out io.Writer
}

func (w *wire) send(h head, body []byte) error {
	encoded, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if len(encoded) > maxHeadBytes || len(body) > maxBodyBytes {
		return errors.New("message is too large")
	}
	message := make([]byte, 8, 8+len(encoded)+len(body))
	binary.BigEndian.PutUint32(message, uint32(len(encoded)))
	binary.BigEndian.PutUint32(message[4:], uint32(len(body)))
	message = append(append(message, encoded...), body...)
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err = w.out.Write(message)
	return err
}

// receive returns the next message. The error is io.EOF after the last one.
func (w *wire) receive() (head, []byte, error) {
	var h head
	var lengths [8]byte
	if _, err := io.ReadFull(w.in, lengths[:]); err != nil {
		return h, nil, err
	}
	headBytes, bodyBytes := binary.BigEndian.Uint32(lengths[:]), binary.BigEndian.Uint32(lengths[4:])
	if headBytes > maxHeadBytes || bodyBytes > maxBodyBytes {
		return h, nil, errors.New("message is too large")
	}
	encoded, err := readExactly(w.in, int64(headBytes))
	if err != nil {
		return h, nil, err
	}
	body, err := readExactly(w.in, int64(bodyBytes))
	if err != nil {
		return h, nil, err
	}
	if err := json.Unmarshal(encoded, &h); err != nil {
		return h, nil, fmt.Errorf("read message: %w", err)
	}
	return h, body, nil
}

// readExactly grows with what comes, not with what was announced.
func readExactly(r io.Reader, n int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, n))
	if err == nil && int64(len(content)) < n {
		err = io.ErrUnexpectedEOF
	}
	return content, err
}

// done makes the message of an outcome, and outcome takes it apart.
func (o *outcome) done() (head, []byte) {
	d := &doneHead{Wanted: o.Wanted, Unsettled: o.Unsettled, Errors: o.Errors, Warnings: o.Warnings}
	var body []byte
	for name, content := range o.Files {
		d.Files = append(d.Files, fileHead{name, len(content)})
		body = append(body, content...)
	}
	return head{Kind: kindDone, Done: d}, body
}

func (d *doneHead) outcome(body []byte) (*outcome, error) {
	o := &outcome{Wanted: d.Wanted, Unsettled: d.Unsettled, Errors: d.Errors, Warnings: d.Warnings, Files: make(map[string][]byte)}
	for _, f := range d.Files {
		if f.Bytes < 0 || f.Bytes > len(body) || !validFile(f.Name) {
			return nil, errors.New("outcome names a file that it does not have")
		}
		o.Files[f.Name], body = body[:f.Bytes:f.Bytes], body[f.Bytes:]
	}
	return o, nil
}
