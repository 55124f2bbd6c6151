package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/durable"
)

const (
	stateFile    = "state.json"
	damagedFile  = "state.json.damaged" // what could not be read, kept for people
	stateVersion = 1
)

// state is the content of state.json.
type state struct {
	Version      int                                     `json:"version"`
	Repositories map[denofn.RepositoryName]string        `json:"repositories"` // the commit that is live; "": none
	Functions    map[denofn.FunctionName]functionInForce `json:"functions"`
}

// functionInForce is what is live of one function, and what was.
type functionInForce struct {
	Repository denofn.RepositoryName `json:"repository"`
	Release    denofn.ReleaseID      `json:"release"`
	Previous   []denofn.ReleaseID    `json:"previous,omitempty"` // that can be gone back to, the latest first
}

func newState() state {
	return state{
		Version:      stateVersion,
		Repositories: make(map[denofn.RepositoryName]string),
		Functions:    make(map[denofn.FunctionName]functionInForce),
	}
}

// clone returns a copy that can be changed. The Previous of functions are
// replaced, never changed.
func (s state) clone() state {
	s.Repositories = maps.Clone(s.Repositories)
	s.Functions = maps.Clone(s.Functions)
	return s
}

// parseState reads the content of state.json.
func parseState(text []byte) (state, error) {
	s := newState()
	if err := json.Unmarshal(text, &s); err != nil {
		return state{}, err
	}
	if s.Version > stateVersion {
		return state{}, &versionError{s.Version}
	}
	if s.Version != stateVersion {
		return state{}, fmt.Errorf("version %d is unknown", s.Version)
	}
	if s.Repositories == nil || s.Functions == nil {
		return state{}, errors.New("repositories or functions are missing")
	}
	if err := s.check(); err != nil {
		return state{}, err
	}
	return s, nil
}

// check reports names and IDs that are none: all of them become parts of paths.
func (s state) check() error {
	for name := range s.Repositories {
		if _, err := denofn.ParseRepositoryName(string(name)); err != nil {
			return err
		}
	}
	folded := make(map[string]bool)
	for name, f := range s.Functions {
		if _, err := denofn.ParseFunctionName(string(name)); err != nil {
			return err
		}
		if folded[name.Fold()] {
			return fmt.Errorf("two functions are called %s", name.Fold())
		}
		folded[name.Fold()] = true
		if _, err := denofn.ParseRepositoryName(string(f.Repository)); err != nil {
			return err
		}
		if !isReleaseID(f.Release) || slices.ContainsFunc(f.Previous, func(id denofn.ReleaseID) bool { return !isReleaseID(id) }) {
			return fmt.Errorf("function %s has a release that is none", name)
		}
	}
	return nil
}

// A versionError is a state that a later denofn wrote. It is no damage, and
// nothing must be done about it by this one.
type versionError struct{ version int }

func (e *versionError) Error() string {
	return fmt.Sprintf("it was written by a newer denofn (version %d of the file, this one knows %d): install that one again", e.version, stateVersion)
}

// openState reads state.json. One that cannot be read is put aside, and the
// registry starts empty: the repositories are all deployed again.
func (r *Registry) openState() error {
	r.state = newState()
	path := filepath.Join(r.dir, stateFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	s, err := parseState(text)
	if _, newer := errors.AsType[*versionError](err); newer {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if err == nil {
		r.state = s
		return nil
	}
	aside := filepath.Join(r.dir, damagedFile)
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("put damaged state aside: %w", err)
	}
	if err := durable.SyncDir(r.dir); err != nil {
		return fmt.Errorf("put damaged state aside: %w", err)
	}
	r.repairs = append(r.repairs, fmt.Sprintf("%s could not be read and is now %s; every repository is deployed again: %v", path, damagedFile, err))
	return nil
}

func (r *Registry) writeState(s state) error {
	text, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(r.dir, stateFile), append(text, '\n'), 0o600)
}
