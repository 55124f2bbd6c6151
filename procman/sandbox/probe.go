package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A Layer is one part of the containment.
type Layer struct {
	Name    string `json:"name"`           // "landlock", "seccomp", "memory", "pids", "cpu"
	InForce bool   `json:"in_force"`       //
	Detail  string `json:"detail"`         // what of it is in force, or why it is not
	Mend    string `json:"mend,omitempty"` // what to do about it; "" if nothing needs to be done
}

// A Report says which layers are in force. Its order is fixed.
type Report []Layer

// Complete reports whether every layer is in force.
func (r Report) Complete() bool {
	for _, l := range r {
		if !l.InForce {
			return false
		}
	}
	return true
}

// Kernel says which layers the kernel offers. Unlike [Open] it takes nothing over,
// so it cannot know about control groups.
func Kernel() Report {
	r, _, _ := kernel()
	return r
}

func kernel() (r Report, landlock int, seccomp bool) {
	if abi, err := landlockABI(); err != nil {
		r = append(r, Layer{Name: "landlock", Detail: fmt.Sprintf("the kernel does not offer it: %v", err),
			Mend: "boot a kernel with CONFIG_SECURITY_LANDLOCK, and with landlock in the lsm= boot parameter"})
	} else {
		landlock = abi
		r = append(r, Layer{Name: "landlock", InForce: true, Detail: landlockDetail(abi)})
	}
	if err := seccompAvailable(); err != nil {
		r = append(r, Layer{Name: "seccomp", Detail: fmt.Sprintf("the kernel does not offer it: %v", err),
			Mend: "boot a kernel with CONFIG_SECCOMP_FILTER"})
	} else {
		seccomp = true
		r = append(r, Layer{Name: "seccomp", InForce: true, Detail: "filter"})
	}
	return r, landlock, seccomp
}

// probe fills in what h can use.
func probe(h *Host) Report {
	var r Report
	r, h.landlock, h.seccomp = kernel()
	for _, name := range wanted {
		l := Layer{Name: name, InForce: h.cgroups.Has(name), Detail: "control group limits"}
		if !l.InForce {
			l.Detail = h.cgroups.Missing()
			if name == "memory" {
				l.Detail += "; a limit of each process's private memory stands in"
			}
			l.Mend = "run the daemon as a systemd service with Delegate=yes, on a system with version 2 control groups"
		}
		r = append(r, l)
	}
	return r
}

// landlockDetail names what a version leaves open that a later one closes.
func landlockDetail(abi int) string {
	switch {
	case abi < 4:
		return fmt.Sprintf("ABI %d: files; ports are left to Deno and to seccomp", abi)
	case abi < 6:
		return fmt.Sprintf("ABI %d: files and ports; abstract Unix sockets can be connected to", abi)
	case abi < 9:
		return fmt.Sprintf("ABI %d: files, ports, signals, abstract Unix sockets", abi)
	}
	return fmt.Sprintf("ABI %d: files, ports, signals, Unix sockets", abi)
}

// seccompAvailable asks for a filter at no address. A kernel that has filters
// says EFAULT, or EACCES without no_new_privs.
func seccompAvailable() error {
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 0, 0, 0)
	if err == unix.EFAULT || err == unix.EACCES {
		return nil
	}
	return err
}
