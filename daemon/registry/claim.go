package registry

import (
	"fmt"

	"github.com/denofn/denofn"
)

// A Wanted is what a push wants for one of its functions: its name, and the host
// names that are to be routed to it.
type Wanted struct {
	Function denofn.FunctionName
	Hosts    []string // lower case
}

// A claim is a name or a host that a push which is being prepared wants. Pushes
// of one repository can share it.
type claim struct {
	repository denofn.RepositoryName
	function   denofn.FunctionName
	holders    int
}

// Claim reserves what the push of a repository wants until unclaim is called,
// which may be called more than once. A function and a host belong to the
// repository that has them, be it live or in a push that is being prepared; one
// that belongs to another is refused. The error is denofn.Diagnostics with all
// findings, and nothing is reserved then.
func (r *Registry) Claim(repository denofn.RepositoryName, wanted []Wanted) (unclaim func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	owners, hosts := r.owners(), r.foreignHosts(repository)
	byHost := make(map[string]denofn.FunctionName)
	byName := make(map[string]denofn.FunctionName)
	var refused denofn.Diagnostics
	for _, w := range wanted {
		if first, ok := byName[w.Function.Fold()]; ok {
			refused = append(refused, denofn.Diagnostic{
				Message: fmt.Sprintf("function names %q and %q differ only in case, or not at all", first, w.Function),
				Hint:    "rename one of them",
			})
		}
		byName[w.Function.Fold()] = w.Function
		if d, ok := r.refuseName(repository, w.Function, owners[w.Function.Fold()]); ok {
			refused = append(refused, d)
		}
		for _, host := range w.Hosts {
			if first, ok := byHost[host]; ok && first != w.Function {
				refused = append(refused, denofn.Diagnostic{
					Message: fmt.Sprintf("functions %q and %q both ask for host %q", first, w.Function, host),
					Hint:    "leave it in the registry.json of one of them",
				})
			}
			byHost[host] = w.Function
			if owner, ok := hosts[host]; ok {
				refused = append(refused, denofn.Diagnostic{
					Message: fmt.Sprintf("function %q asks for host %q, which belongs to function %q of repository %q", w.Function, host, owner.function, owner.repository),
					Hint:    fmt.Sprintf("ask for another host, or take it out of %s and push that first", owner.repository),
				})
			}
		}
	}
	if len(refused) > 0 {
		return nil, refused.Sort()
	}
	var held []func()
	for _, w := range wanted {
		held = append(held, hold(r.names, w.Function.Fold(), repository, w.Function))
		for _, host := range w.Hosts {
			held = append(held, hold(r.hosts, host, repository, w.Function))
		}
	}
	done := false
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if done {
			return
		}
		done = true
		for _, release := range held {
			release()
		}
	}, nil
}

// hold adds a holder of a claim and returns how to take it away.
func hold(claims map[string]*claim, key string, repository denofn.RepositoryName, function denofn.FunctionName) func() {
	c := claims[key]
	if c == nil {
		c = &claim{repository: repository, function: function}
		claims[key] = c
	}
	c.holders++
	return func() {
		if c.holders--; c.holders == 0 {
			delete(claims, key)
		}
	}
}

// refuseName says why a repository cannot have a function of this name, which the
// owner, if there is one, has or has in another case.
func (r *Registry) refuseName(repository denofn.RepositoryName, name denofn.FunctionName, owner *denofn.Release) (denofn.Diagnostic, bool) {
	if owner != nil && owner.Repository != repository {
		d := denofn.Diagnostic{
			Message: fmt.Sprintf("function name %q belongs to repository %q", name, owner.Repository),
			Hint:    fmt.Sprintf("give the folder another name, or remove %s from %s and push that first", owner.Function, owner.Repository),
		}
		if owner.Function != name {
			d.Message = fmt.Sprintf("function name %q differs only in case from %q, which belongs to repository %q", name, owner.Function, owner.Repository)
		}
		return d, true
	}
	if c := r.names[name.Fold()]; c != nil && c.repository != repository {
		return denofn.Diagnostic{
			Message: fmt.Sprintf("function name %q is being deployed by a push of repository %q at this moment", c.function, c.repository),
			Hint:    "give the folder another name, or push again if that push was refused",
		}, true
	}
	return denofn.Diagnostic{}, false
}

// owners returns the live releases by folded name. The lock is held.
func (r *Registry) owners() map[string]*denofn.Release {
	owners := make(map[string]*denofn.Release, len(r.sorted))
	for _, release := range r.sorted {
		owners[release.Function.Fold()] = release
	}
	return owners
}

// foreignHosts returns the hosts that belong to other repositories. The lock is
// held.
func (r *Registry) foreignHosts(repository denofn.RepositoryName) map[string]claim {
	foreign := make(map[string]claim)
	for host, c := range r.hosts {
		if c.repository != repository {
			foreign[host] = *c
		}
	}
	for _, release := range r.sorted {
		if release.Repository != repository {
			for _, host := range release.Settings.Hosts {
				foreign[host] = claim{repository: release.Repository, function: release.Function}
			}
		}
	}
	return foreign
}
