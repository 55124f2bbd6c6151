package gitreceive

import (
	"errors"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn"
)

// agent is what we call ourselves to clients.
const agent = "agent=denofn"

// snapshot returns a repository's refs and shallow commits; none of one that does
// not exist.
func (s *Store) snapshot(name denofn.RepositoryName) ([]ref, []plumbing.Hash, error) {
	r, err := s.Open(name)
	if errors.Is(err, ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	refs, err := r.refs()
	if err != nil {
		return nil, nil, err
	}
	shallow, err := r.shallow()
	return refs, sortedHashes(shallow), err
}

// advertise tells the client which refs there are and what we can do. Head, if
// set, is told first, as HEAD.
func (s *session) advertise(refs []ref, shallow []plumbing.Hash, can []string, head *ref) error {
	w := newPacketWriter(s.out)
	if s.version == 1 {
		w.line("version 1")
	}
	suffix := "\x00" + strings.Join(can, " ")
	line := func(hash plumbing.Hash, name string) {
		w.line("%s %s%s", hash, name, suffix)
		suffix = ""
	}
	if head != nil {
		line(head.hash, "HEAD")
	}
	for _, r := range refs {
		line(r.hash, r.name)
		if !r.peeled.IsZero() && s.command == uploadPack {
			line(r.peeled, r.name+"^{}")
		}
	}
	if suffix != "" {
		line(plumbing.ZeroHash, "capabilities^{}")
	}
	for _, h := range shallow {
		w.line("shallow %s", h)
	}
	return w.flush()
}
