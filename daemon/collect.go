package daemon

import "github.com/denofn/denofn"

// collect removes the releases of the functions that were set, or of all with
// none given, that nobody needs any more. What a draining process still runs waits
// for the next time. With a function that was removed it waits for the next start:
// the pool does not tell of its processes any more. Releases that cannot be
// removed cost room and nothing else.
func (d *deployer) collect(set ...*denofn.Release) {
	type key struct {
		name denofn.FunctionName
		id   denofn.ReleaseID
	}
	running := make(map[key]bool)
	for _, status := range d.pool.Snapshot() {
		for _, process := range status.Processes {
			running[key{status.Function, process.Release}] = true
		}
	}
	inUse := func(name denofn.FunctionName, id denofn.ReleaseID) bool { return running[key{name, id}] }
	var err error
	if len(set) == 0 {
		_, err = d.registry.Collect(inUse)
	} else {
		names := make([]denofn.FunctionName, len(set))
		for i, release := range set {
			names[i] = release.Function
		}
		_, err = d.registry.CollectOf(names, inUse)
	}
	if err != nil {
		d.logger.Warn("releases not removed", "error", err)
	}
}
