package denofn

import (
	"fmt"
	"maps"
	"slices"
)

// A ReleaseID names a release of a function. It is derived from the release's
// content, so that the same input has the same ID on every machine: 16
// lower-case hexadecimal digits.
type ReleaseID string

// A Release is what one deploy of a function recorded: what it was made from,
// what it may do and how it wants to be run. It is written beside the bundle as
// manifest.json and never changes afterwards.
type Release struct {
	ID          ReleaseID      `json:"id"`
	Function    FunctionName   `json:"function"`
	Repository  RepositoryName `json:"repository"`
	Commit      string         `json:"commit"`  // hex SHA-1 of the commit that first made this release
	Entry       string         `json:"entry"`   // slash-separated path in the repository
	Bundler     string         `json:"bundler"` // version of everything that shapes a bundle
	Inputs      []Input        `json:"inputs"`  // sorted by path
	Permissions Permissions    `json:"permissions"`
	Settings    Settings       `json:"settings"`
	BundleBytes int64          `json:"bundleBytes"`
}

// An Input is one file of the repository that a release was made from.
type Input struct {
	Path string `json:"path"` // slash-separated, from the repository's root
	Hash string `json:"hash"` // git blob hash, hex SHA-1; of a symbolic link, that of its target text
}

// Settings is how a function asks, in registry.json, to be run. The zero value
// of a field means the daemon's default.
type Settings struct {
	WarmupOnStart bool              `json:"warmupOnStart,omitempty"`
	IdleTimeout   Duration          `json:"idleTimeout,omitzero"` // how long a process outlives its last request
	Timeout       Duration          `json:"timeout,omitzero"`     // longest time to the response head
	Env           map[string]string `json:"env,omitempty"`        // literal environment values
}

// Equal reports whether s and t ask for the same.
func (s Settings) Equal(t Settings) bool {
	return s.WarmupOnStart == t.WarmupOnStart && s.IdleTimeout == t.IdleTimeout &&
		s.Timeout == t.Timeout && maps.Equal(s.Env, t.Env)
}

// EnvNames returns the names of the environment values, sorted.
func (s Settings) EnvNames() []string { return slices.Sorted(maps.Keys(s.Env)) }

// String returns NAME@ID, the way a release is written in logs.
func (r *Release) String() string { return fmt.Sprintf("%s@%s", r.Function, r.ID) }
