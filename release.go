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
	Build       Build          `json:"build,omitzero"`
	BundleBytes int64          `json:"bundleBytes"`          // 0: a function of static files alone
	FilesBytes  int64          `json:"filesBytes,omitempty"` // of FilesDir; 0: there is none
	Workers     int            `json:"workers,omitempty"`    // modules that the code starts as workers
}

// FilesDir is the folder of a release with the files that its code finds beside
// itself, by the paths that they have in the repository. A function may read it
// without asking.
const FilesDir = "files"

// Build is how a function asks, in registry.json, to be made. A change of it
// makes a new release.
type Build struct {
	Include []string `json:"include,omitempty"` // globs of files that are shipped with the release, from the function's folder
	Check   bool     `json:"check,omitempty"`   // type errors refuse the push
}

// Equal reports whether b and c ask for the same.
func (b Build) Equal(c Build) bool { return slices.Equal(b.Include, c.Include) && b.Check == c.Check }

// An Input is one file of the repository that a release was made from.
type Input struct {
	Path string `json:"path"` // slash-separated, from the repository's root
	Hash string `json:"hash"` // git blob hash, hex SHA-1; of a symbolic link, that of its target text; empty: there was no such file
}

// Settings is how a function asks, in registry.json, to be run. The zero value
// of a field means the daemon's default.
type Settings struct {
	WarmupOnStart bool              `json:"warmupOnStart,omitempty"`
	IdleTimeout   Duration          `json:"idleTimeout,omitzero"`  // how long a process outlives its last request
	Timeout       Duration          `json:"timeout,omitzero"`      // longest time to the response head
	Env           map[string]string `json:"env,omitempty"`         // literal environment values
	Concurrency   int               `json:"concurrency,omitempty"` // requests that one process takes at once
	Instances     Instances         `json:"instances,omitzero"`
	Memory        Bytes             `json:"memory,omitzero"`   // of one process
	CPU           Percent           `json:"cpu,omitzero"`      // of one CPU; 200% is two
	Tasks         int               `json:"tasks,omitempty"`   // threads of one process, as the kernel counts
	Handler       Handler           `json:"handler,omitempty"` // empty: HandlerHTTP
	Static        string            `json:"static,omitempty"`  // folder of assets, slash-separated from the function's folder; empty: none
	SPA           bool              `json:"spa,omitempty"`     // Static's index.html answers unknown paths for those who accept HTML
	Hosts         []string          `json:"hosts,omitempty"`   // host names routed to the function, lower case, sorted
}

// Instances is how many processes of a function run. Min is kept even when there
// are no requests; more, up to Max, start when all are busy. 0 is the default.
type Instances struct {
	Min int `json:"min,omitempty"`
	Max int `json:"max,omitempty"`
}

// A Handler is the way in which a function is called.
type Handler string

// The handlers that there are.
const (
	HandlerHTTP Handler = "http" // a process serves requests
	HandlerTask Handler = "task" // a process a call, without any network
)

// Equal reports whether s and t ask for the same.
func (s Settings) Equal(t Settings) bool {
	return s.WarmupOnStart == t.WarmupOnStart && s.IdleTimeout == t.IdleTimeout &&
		s.Timeout == t.Timeout && maps.Equal(s.Env, t.Env) &&
		s.Concurrency == t.Concurrency && s.Instances == t.Instances && s.Memory == t.Memory &&
		s.CPU == t.CPU && s.Tasks == t.Tasks && s.Handler == t.Handler &&
		s.Static == t.Static && s.SPA == t.SPA && slices.Equal(s.Hosts, t.Hosts)
}

// EnvNames returns the names of the environment values, sorted.
func (s Settings) EnvNames() []string { return slices.Sorted(maps.Keys(s.Env)) }

// String returns NAME@ID, the way a release is written in logs.
func (r *Release) String() string { return fmt.Sprintf("%s@%s", r.Function, r.ID) }
