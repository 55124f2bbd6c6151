// Package sandbox contains one Deno process, as if the JavaScript engine in it
// had been taken over, or another program that works on what strangers wrote.
//
// Deno's own permissions decide what well-behaved code may do. This package
// decides what is left when they fail. A sandbox is started by the denofn binary
// executing itself under a reserved name: the helper joins a control group, sets
// resource limits, closes every descriptor beyond standard error, gives up all
// privileges, enters a Landlock domain and a seccomp filter, and becomes Deno.
// Inside there is one process that can make no other; it can read, write and
// execute what its [Profile] names; and without a network grant it has no socket
// but Unix ones.
//
// A function that broke out may execute Deno again, and with all of Deno's
// permissions. That gains nothing: the domain, the filter, the limits and the
// control group belong to the process and stay through exec.
//
// Not contained: connecting to Unix sockets whose path it can guess, before
// Landlock's ABI 9, so sockets belong in folders with random names; and, with a
// network grant, what the machine's other users can reach over IP.
package sandbox

import (
	"cmp"

	"golang.org/x/sys/unix"
)

// A Profile is what one process may have. The zero value of each field gives
// nothing.
type Profile struct {
	// Path is the program, absolute or [Self]; "" is Deno. A program that is linked
	// dynamically needs its libraries below /usr/lib. A Go program should be told
	// what it has by GOMEMLIMIT and GOMAXPROCS in Env.
	Path string
	Name string   // what a program other than Deno is told that it is called; default: from Path
	Args []string // arguments; Deno's are "run", its flags, the script
	Env  []string // "NAME=value"; all of it, nothing is inherited
	Dir  string   // working directory

	ReadOnly  []string // files and folders to read; they must exist
	ReadWrite []string // files and folders to read, write, create and remove in; they must exist
	// RemoveOnly are files and folders to read and to remove from, but not to
	// write: those of a function that has used up its disk quota.
	RemoveOnly []string
	Network    bool // TCP and UDP sockets, and the files that name resolution needs

	// Workers says that Deno starts workers, each of which is an engine with address
	// space of its own.
	Workers bool

	Cgroup  *Cgroup // control group to run in; nil: the daemon's own
	Rlimits Rlimits
}

// Rlimits are limits on the process itself. 0 is the default.
type Rlimits struct {
	OpenFiles     uint64 // descriptors; default 1024
	FileSizeBytes uint64 // of any one file that is written (EFBIG); default unlimited
}

const defaultOpenFiles = 1024

const (
	// denoDataBytes is the private writable address space that Deno 2 has before it
	// runs anything, most of it the range that V8 reserves for code (557 MB on amd64).
	denoDataBytes = 576 << 20
	// programDataBytes is the same for any other program, of which a Go one has the
	// most: its runtime's own tables.
	programDataBytes = 64 << 20
	// maxEngines is how many engines a Deno with workers has the address space for
	// where the group cannot limit memory. They use far less of it.
	maxEngines = 16
)

// rlimits returns the limits as the helper sets them.
//
// A core limit of 1 and not 0: it is too small for a file, and the one value
// under which the kernel does not start a core handler either. No limit of
// processes: it counts all of the user's, so one function would use up its
// neighbours' share.
func (p *Profile) rlimits() []rlimit {
	all := []rlimit{{unix.RLIMIT_CORE, 1}, {unix.RLIMIT_NOFILE, cmp.Or(p.Rlimits.OpenFiles, defaultOpenFiles)}}
	if size := p.Rlimits.FileSizeBytes; size != 0 {
		all = append(all, rlimit{unix.RLIMIT_FSIZE, size})
	}
	// Where the group cannot limit memory, the process's private memory stands
	// in: all but the page cache. V8 takes it for the end of memory and dies of it.
	if c := p.Cgroup; c != nil && !c.memory && c.limits.MemoryMaxBytes > 0 {
		own := uint64(denoDataBytes)
		switch {
		case p.Path != "":
			own = programDataBytes
		case p.Workers:
			own *= maxEngines
		}
		all = append(all, rlimit{unix.RLIMIT_DATA, own + uint64(c.limits.MemoryMaxBytes)})
	}
	return all
}
