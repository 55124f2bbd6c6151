package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newestCall is the newest system call that the tables below have an opinion
// on, removexattrat. From there on numbers are the same on every architecture.
const newestCall = 466

// x32Calls is the bit that selects the x32 ABI of amd64.
const x32Calls = 0x40000000

// A check is a condition on one argument of a system call: the low half under
// mask is, or with not is not, one of in. The low half is all that the kernel
// reads of an int; high looks at the other one.
type check struct {
	arg  int
	high bool
	mask uint32 // 0: every bit
	not  bool
	in   []uint32
}

func is(arg int, values ...uint32) check    { return check{arg: arg, in: values} }
func isNot(arg int, values ...uint32) check { return check{arg: arg, in: values, not: true} }

func (c check) masked(mask uint32) check { c.mask = mask; return c }

// A guarded call is allowed when every check of one alternative holds.
type guarded struct {
	calls   []uint32
	allowed [][]check
}

// guardedCalls are the system calls that depend on their arguments, for the
// process with the given ID.
func guardedCalls(pid int, network bool) []guarded {
	self := uint32(pid)
	const (
		typeMask      = 0xf // of a socket, without SOCK_CLOEXEC and SOCK_NONBLOCK
		truncateMask  = unix.O_TRUNC | unix.O_ACCMODE
		newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
			unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME
	)
	// Unix stream sockets serve requests, and tokio makes pairs of them for
	// itself. Unix datagrams would reach the journal and systemd's notify socket.
	unixStream := []check{is(0, unix.AF_UNIX), is(1, unix.SOCK_STREAM).masked(typeMask)}
	sockets := [][]check{unixStream}
	if network {
		// Multipath TCP goes past Landlock's rules for ports, raw and packet
		// sockets below the network; getaddrinfo asks netlink for routes.
		sockets = append(sockets,
			[]check{is(0, unix.AF_INET, unix.AF_INET6), is(1, unix.SOCK_STREAM).masked(typeMask), is(2, 0, unix.IPPROTO_TCP)},
			[]check{is(0, unix.AF_INET, unix.AF_INET6), is(1, unix.SOCK_DGRAM).masked(typeMask), is(2, 0, unix.IPPROTO_UDP)},
			[]check{is(0, unix.AF_NETLINK), is(2, unix.NETLINK_ROUTE)})
	}
	// Landlock before ABI 3 looks only at the access mode, so a file that may be
	// read could be emptied; mode 3 is neither reading nor writing.
	truncate := func(flags int) [][]check {
		return [][]check{{isNot(flags, unix.O_TRUNC|unix.O_RDONLY, unix.O_TRUNC|unix.O_ACCMODE).masked(truncateMask)}}
	}
	all := []guarded{
		// Threads only: a sandbox is one process, and its end is the end of
		// everything in it.
		{[]uint32{unix.SYS_CLONE}, [][]check{{is(0, unix.CLONE_THREAD).masked(unix.CLONE_THREAD | newNamespaces)}}},
		{[]uint32{unix.SYS_KILL, unix.SYS_TGKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO}, [][]check{{is(0, self)}}},
		// Limits and scheduling reach every process of the same user.
		{[]uint32{unix.SYS_PRLIMIT64, unix.SYS_SCHED_SETAFFINITY, unix.SYS_SCHED_SETPARAM, unix.SYS_SCHED_SETSCHEDULER, unix.SYS_SCHED_SETATTR}, [][]check{{is(0, 0, self)}}},
		{[]uint32{unix.SYS_SETPRIORITY}, [][]check{{is(0, unix.PRIO_PROCESS), is(1, 0, self)}}},
		{[]uint32{unix.SYS_PRCTL}, [][]check{{isNot(0, unix.PR_SET_PDEATHSIG, unix.PR_SET_MM)}}},
		// A file's owner is sent a signal of the file's choice when the file is
		// ready: kill by another name.
		{[]uint32{unix.SYS_FCNTL}, [][]check{{isNot(1, unix.F_SETOWN, unix.F_SETOWN_EX, unix.F_SETSIG)}}},
		{[]uint32{unix.SYS_IOCTL}, [][]check{{isNot(1, ioctlSetOwner, ioctlSetProcessGroup, unix.TIOCSTI, unix.TIOCSETD, unix.TIOCSCTTY, unix.TIOCLINUX)}}},
		{[]uint32{unix.SYS_OPENAT}, truncate(2)},
		{[]uint32{unix.SYS_SOCKET}, sockets},
		{[]uint32{unix.SYS_SOCKETPAIR}, [][]check{unixStream}},
		// Without a path it is futimens, which needs a file that could be opened.
		{[]uint32{unix.SYS_UTIMENSAT}, [][]check{{is(1, 0), {arg: 1, high: true, in: []uint32{0}}}}},
	}
	if legacyOpen != 0 {
		all = append(all, guarded{[]uint32{legacyOpen}, truncate(1)})
	}
	return all
}

// FIOSETOWN and SIOCSPGRP, which x/sys has for some architectures only.
const (
	ioctlSetOwner        = 0x8901
	ioctlSetProcessGroup = 0x8902
)

// seccompProgram returns the filter for the process with the given ID, which
// it keeps through exec. Without network there is no socket family but AF_UNIX.
//
// It names what is denied and lets the rest through, because Deno's own needs
// move with every release; a call newer than the tables does not exist, so that
// they cannot rot open. Denied is EPERM and not death: libraries probe, and a
// function that tries gets an error that it can read.
func seccompProgram(pid int, network bool) []unix.SockFilter {
	const (
		allow         = unix.SECCOMP_RET_ALLOW
		notPermitted  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		noSuchCall    = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
		unsupported   = unix.SECCOMP_RET_ERRNO | uint32(unix.EOPNOTSUPP)
		offsetNumber  = 0
		offsetArch    = 4
		sizeofRefusal = 1
	)
	var a assembler
	a.load(offsetArch)
	a.jump(unix.BPF_JEQ, nativeArch, sizeofRefusal, 0)
	a.ret(notPermitted)
	a.load(offsetNumber)
	a.jump(unix.BPF_JGE, x32Calls, 0, sizeofRefusal)
	a.ret(notPermitted)
	a.jump(unix.BPF_JGT, newestCall, 0, sizeofRefusal)
	a.ret(noSuchCall)
	for _, refusal := range []struct {
		calls  []uint32
		action uint32
	}{{hiddenCalls, noSuchCall}, {unsupportedCalls, unsupported}, {deniedCalls, notPermitted}, {archDeniedCalls, notPermitted}} {
		for _, number := range refusal.calls {
			a.jump(unix.BPF_JEQ, number, 0, sizeofRefusal)
			a.ret(refusal.action)
		}
	}
	for _, g := range guardedCalls(pid, network) {
		for _, number := range g.calls {
			over := a.branchUnless(number)
			for _, alternative := range g.allowed {
				var failures []int
				for _, c := range alternative {
					failures = append(failures, a.check(c))
				}
				a.ret(allow)
				a.land(failures...)
			}
			a.ret(notPermitted)
			a.land(over)
		}
	}
	a.ret(allow)
	return a
}

// An assembler builds a classic BPF program.
type assembler []unix.SockFilter

func (a *assembler) load(offset uint32) {
	*a = append(*a, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
}

func (a *assembler) jump(test uint16, k uint32, ifTrue, ifFalse uint8) {
	*a = append(*a, unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, Jt: ifTrue, Jf: ifFalse, K: k})
}

func (a *assembler) ret(action uint32) {
	*a = append(*a, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action})
}

// forward emits a jump whose target land sets.
func (a *assembler) forward() int {
	*a = append(*a, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA})
	return len(*a) - 1
}

// land makes the next instruction the target of forward jumps.
func (a *assembler) land(jumps ...int) {
	for _, at := range jumps {
		(*a)[at].K = uint32(len(*a) - at - 1)
	}
}

// branchUnless emits a jump that is taken when the loaded value is not k.
func (a *assembler) branchUnless(k uint32) int {
	a.jump(unix.BPF_JEQ, k, 1, 0)
	return a.forward()
}

// check emits c and returns the jump that is taken when c does not hold.
func (a *assembler) check(c check) int {
	const offsetArgs, sizeofArg, sizeofHalf = 16, 8, 4 // of struct seccomp_data, little-endian
	offset := uint32(offsetArgs + sizeofArg*c.arg)
	if c.high {
		offset += sizeofHalf
	}
	a.load(offset)
	if c.mask != 0 {
		*a = append(*a, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: c.mask})
	}
	for i, v := range c.in {
		left := uint8(len(c.in) - 1 - i)
		switch {
		case !c.not:
			a.jump(unix.BPF_JEQ, v, left+1, 0)
		case left == 0:
			a.jump(unix.BPF_JEQ, v, 0, 1)
		default:
			a.jump(unix.BPF_JEQ, v, left, 0)
		}
	}
	return a.forward()
}

// installSeccomp puts the calling thread under the filter. It needs
// no_new_privs.
func installSeccomp(program []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		return fmt.Errorf("install seccomp filter: %w", err)
	}
	return nil
}
