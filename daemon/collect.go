package daemon

import (
	"sync"

	"github.com/denofn/denofn"
)

// A collector removes releases that nobody needs. Those of a function that was
// removed may still be run for a while; it looks again with every push.
type collector struct {
	mu   sync.Mutex
	gone map[denofn.FunctionName]bool // that were removed and may have left releases
}

// A run is a release that a process runs.
type run struct {
	function denofn.FunctionName
	id       denofn.ReleaseID
}

// collect removes the releases that nobody needs any more of the functions that a
// deployment has changed. Releases that cannot be removed cost room and nothing
// else.
func (d *deployer) collect(set []*denofn.Release, removed []denofn.FunctionName) {
	c := &d.collector
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone == nil {
		c.gone = make(map[denofn.FunctionName]bool)
	}
	for _, name := range removed {
		c.gone[name] = true
	}
	var names []denofn.FunctionName
	for _, release := range set {
		delete(c.gone, release.Function)
		names = append(names, release.Function)
	}
	running := d.running()
	for name := range c.gone {
		names = append(names, name)
		delete(c.gone, name)
	}
	for r := range running {
		if _, live := d.registry.Active(r.function); !live {
			c.gone[r.function] = true // next time
		}
	}
	if _, err := d.registry.CollectOf(names, inUse(running)); err != nil {
		d.logger.Warn("releases not removed", "error", err)
	}
}

// collectAll is collect for every function that there is or was, at a start.
func (d *deployer) collectAll() {
	if _, err := d.registry.Collect(inUse(d.running())); err != nil {
		d.logger.Warn("releases not removed", "error", err)
	}
}

func (d *deployer) running() map[run]bool {
	running := make(map[run]bool)
	for _, release := range d.pool.Running() {
		running[run{release.Function, release.ID}] = true
	}
	return running
}

func inUse(running map[run]bool) func(denofn.FunctionName, denofn.ReleaseID) bool {
	return func(name denofn.FunctionName, id denofn.ReleaseID) bool { return running[run{name, id}] }
}
