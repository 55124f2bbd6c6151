package gitreceive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// capabilities are what one side says it can do: names, some with a value.
type capabilities map[string]string

func parseCapabilities(text string) capabilities {
	c := make(capabilities)
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		c[name] = value
	}
	return c
}

func (c capabilities) has(name string) bool {
	_, ok := c[name]
	return ok
}

// terminal reports whether the person at the other end sees a terminal. Nothing
// in the protocol says so, but git asks for quiet when its standard error is none.
// Other clients never ask, so nothing is known of theirs.
func (c capabilities) terminal() bool {
	return !c.has("quiet") && strings.HasPrefix(c["agent"], "git/")
}

// An updateRequest is what a client wants of receive-pack.
type updateRequest struct {
	capabilities capabilities
	updates      []refUpdate
	shallow      map[plumbing.Hash]bool // commits that the client has without their parents
	options      []string
}

// sendsPack reports whether a pack follows the request.
func (r *updateRequest) sendsPack() bool {
	for _, u := range r.updates {
		if !u.new.IsZero() {
			return true
		}
	}
	return false
}

// readUpdateRequest reads what a client wants; nil when it wants nothing.
func readUpdateRequest(packets *packetReader) (*updateRequest, error) {
	r := &updateRequest{}
	end, err := packets.list(r.line)
	if err == io.ErrUnexpectedEOF && r.capabilities == nil && r.shallow == nil {
		return nil, nil // it has seen enough
	}
	if err != nil {
		return nil, fmt.Errorf("read what to update: %w", err)
	}
	if end != packetFlush {
		return nil, fmt.Errorf("read what to update: %w", errPacket)
	}
	if len(r.updates) == 0 {
		return nil, nil
	}
	if format, ok := r.capabilities["object-format"]; ok && format != "sha1" {
		return nil, errFormat(format)
	}
	if r.capabilities.has("push-options") {
		end, err := packets.list(func(line []byte) error {
			if len(r.options) == maxOptions {
				return fmt.Errorf("more than %d push options", maxOptions)
			}
			r.options = append(r.options, string(line))
			return nil
		})
		if err == nil && end != packetFlush {
			err = errPacket
		}
		if err != nil {
			return nil, fmt.Errorf("read push options: %w", err)
		}
	}
	return r, nil
}

// maxOptions is how many push options one push may have.
const maxOptions = 100

func errFormat(format string) error {
	return &refusal{
		fmt.Sprintf("this repository has %s objects, and denofn keeps sha1 ones", format),
		"make the repository anew with  git init --object-format=sha1",
	}
}

func (r *updateRequest) line(line []byte) error {
	if text, ok := bytes.CutPrefix(line, []byte("shallow ")); ok {
		if !plumbing.IsHash(string(text)) {
			return fmt.Errorf("malformed line %q", line)
		}
		add(&r.shallow, plumbing.NewHash(string(text)))
		return nil
	}
	if r.capabilities == nil {
		command, text, _ := bytes.Cut(line, []byte{0})
		r.capabilities = parseCapabilities(string(text))
		line = bytes.TrimSuffix(command, []byte("\n"))
	}
	if bytes.HasPrefix(line, []byte("push-cert")) {
		return errors.New("signed pushes are not supported")
	}
	old, rest, _ := bytes.Cut(line, []byte(" "))
	new, name, ok := bytes.Cut(rest, []byte(" "))
	if len(old) == 64 && len(new) == 64 {
		return errFormat("sha256")
	}
	if !ok || !plumbing.IsHash(string(old)) || !plumbing.IsHash(string(new)) || len(name) == 0 {
		return fmt.Errorf("malformed line %.200q", line)
	}
	r.updates = append(r.updates, refUpdate{
		name: string(name),
		old:  plumbing.NewHash(string(old)),
		new:  plumbing.NewHash(string(new)),
	})
	return nil
}

// An Option is a push option, given with git push -o key=value.
type Option struct{ Key, Value string }

func parseOptions(texts []string) []Option {
	var options []Option
	for _, text := range texts {
		key, value, _ := strings.Cut(text, "=")
		options = append(options, Option{key, value})
	}
	return options
}
