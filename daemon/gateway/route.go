package gateway

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/static"
)

// A Function is a live function as the gateway has to know it.
type Function struct {
	Release *denofn.Release
	Dir     string // of the release on disk; it holds the static files
}

// A target is where requests go: a function with what is the same for each of
// them. It never changes.
type target struct {
	name      denofn.FunctionName
	release   *denofn.Release
	hasModule bool
	isTask    bool
	site      *static.Site // nil: no static files
	spa       bool
	counts    *functionMetrics
}

// A table is every live function by the ways in which requests name it. It is
// exchanged as a whole and never changes.
type table struct {
	byName map[string]*target // of a path: exact
	byFold map[string]*target // of a host: in lower case
	byHost map[string]*target
}

// Update makes the functions those that are live. A release whose static files
// cannot be read is served without them, and the error says so.
func (g *Gateway) Update(functions []Function) error {
	old := g.table.Load()
	next := &table{byName: make(map[string]*target), byFold: make(map[string]*target), byHost: make(map[string]*target)}
	var failed error
	for _, f := range functions {
		r := f.Release
		t := &target{
			name:      r.Function,
			release:   r,
			hasModule: r.BundleBytes > 0,
			isTask:    r.Settings.Handler == denofn.HandlerTask,
			spa:       r.Settings.SPA,
			counts:    g.metrics.of(r.Function),
		}
		if r.Settings.Static != "" {
			var err error
			if t.site, err = openSite(old, f); err != nil {
				failed = fmt.Errorf("open static files of %s: %w", r, err)
			}
		}
		next.byName[string(r.Function)] = t
		next.byFold[r.Function.Fold()] = t
		for _, host := range r.Settings.Hosts {
			next.byHost[host] = t
		}
	}
	g.table.Store(next)
	g.metrics.retain(next.byName)
	return failed
}

// openSite returns the static files of a function, those that are open already if
// the release is the same.
func openSite(old *table, f Function) (*static.Site, error) {
	if old != nil {
		if t := old.byName[string(f.Release.Function)]; t != nil && t.release.ID == f.Release.ID && t.site != nil {
			return t.site, nil
		}
	}
	return static.Open(f.Dir)
}

// A route is what a request's host and target lead to.
type route struct {
	target *target // nil: to nothing
	prefix []byte  // that was taken off the path: "/NAME", as it came; may be empty
	path   []byte  // that the function sees, with the query; begins with a slash
	own    bool    // below /_denofn/
}

const ownPrefix = "/_denofn/"

// routeOf finds what a request is for: a path of the daemon's own, a host that is
// routed to a function, NAME.domain, /NAME, or the root function. The target is in
// origin-form, and none of it is decoded but the first segment, which is looked up
// as a name and nothing else.
func routeOf(t *table, o *Options, h host, requestTarget []byte) (r route) {
	if len(requestTarget) >= len(ownPrefix) && string(requestTarget[:len(ownPrefix)]) == ownPrefix {
		return route{own: true}
	}
	if byHost := t.byHost[h.name]; byHost != nil {
		return route{target: byHost, path: requestTarget}
	}
	if o.Domain != "" {
		if label, ok := strings.CutSuffix(h.name, o.Domain); ok && strings.HasSuffix(label, ".") {
			return route{target: t.byFold[label[:len(label)-1]], path: requestTarget}
		}
	}
	end := 1
	for end < len(requestTarget) && requestTarget[end] != '/' && requestTarget[end] != '?' {
		end++
	}
	segment := requestTarget[1:end]
	found := t.byName[string(segment)]
	if found == nil && bytes.IndexByte(segment, '%') >= 0 {
		if decoded, ok := static.Unescape(segment); ok {
			found = t.byName[decoded]
		}
	}
	if found != nil {
		return route{target: found, prefix: requestTarget[:end], path: requestTarget[end:]}
	}
	if o.Root != "" {
		return route{target: t.byName[string(o.Root)], path: requestTarget}
	}
	return route{}
}
