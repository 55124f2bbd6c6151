package denofn

import (
	"slices"
	"strings"
)

// Permissions is the parsed set of what a function may do beyond computing and
// answering requests. The zero value allows nothing.
//
// It is a set, not flags: whoever starts a process builds the flags from it, and
// nothing that a user wrote is ever pasted into a command line.
type Permissions struct {
	Net   Access `json:"net,omitzero"`   // hosts: "api.github.com", "10.0.0.5:5432", "[::1]:80"
	Env   Access `json:"env,omitzero"`   // variable names
	Read  Access `json:"read,omitzero"`  // paths; "./data" is the function's own folder
	Write Access `json:"write,omitzero"` // paths; "./data" is the function's own folder
	Sys   Access `json:"sys,omitzero"`   // Deno's system information kinds: "hostname", "osRelease"
}

// Access is the grant of one kind of permission. A denial wins over a grant.
type Access struct {
	All   bool     `json:"all,omitempty"`   // everything of this kind; Allow is then empty
	Allow []string `json:"allow,omitempty"` // sorted, without repetitions
	Deny  []string `json:"deny,omitempty"`  // sorted, without repetitions
}

// IsZero reports whether a neither grants nor denies anything.
func (a Access) IsZero() bool { return !a.All && len(a.Allow) == 0 && len(a.Deny) == 0 }

// Merge returns the union of a and b, grants and denials alike.
func (a Access) Merge(b Access) Access {
	m := Access{All: a.All || b.All, Deny: union(a.Deny, b.Deny)}
	if !m.All {
		m.Allow = union(a.Allow, b.Allow)
	}
	return m
}

func union(a, b []string) []string {
	u := slices.Concat(a, b)
	slices.Sort(u)
	return slices.Compact(u)
}

// Kinds are the kinds of permission in the order in which flags are written.
var kinds = []struct {
	name string
	of   func(*Permissions) *Access
}{
	{"net", func(p *Permissions) *Access { return &p.Net }},
	{"env", func(p *Permissions) *Access { return &p.Env }},
	{"read", func(p *Permissions) *Access { return &p.Read }},
	{"write", func(p *Permissions) *Access { return &p.Write }},
	{"sys", func(p *Permissions) *Access { return &p.Sys }},
}

// Of returns the access of the kind with Deno's name ("net", "env", "read",
// "write", "sys"), or nil for a kind that functions can never have.
func (p *Permissions) Of(kind string) *Access {
	for _, k := range kinds {
		if k.name == kind {
			return k.of(p)
		}
	}
	return nil
}

// Flags returns p as `deno run` flags, one for each kind that is granted and one
// for each that is denied, in a fixed order: the form in which permissions are
// shown to people and given to Deno. Values must not have commas, which Deno takes
// for the end of one; whoever parses what users write refuses them.
func (p Permissions) Flags() []string {
	var flags []string
	for _, k := range kinds {
		a := k.of(&p)
		switch {
		case a.All:
			flags = append(flags, "--allow-"+k.name)
		case len(a.Allow) > 0:
			flags = append(flags, "--allow-"+k.name+"="+strings.Join(a.Allow, ","))
		}
		if len(a.Deny) > 0 {
			flags = append(flags, "--deny-"+k.name+"="+strings.Join(a.Deny, ","))
		}
	}
	return flags
}

// Equal reports whether p and q grant and deny the same.
func (p Permissions) Equal(q Permissions) bool { return slices.Equal(p.Flags(), q.Flags()) }
