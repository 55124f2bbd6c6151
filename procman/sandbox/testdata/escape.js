// Tries to leave the sandbox with all of Deno's permissions, as code that has
// taken over the engine would. Deno.args[0] describes the world outside. The
// answer is a line of JSON: what each attempt met.
//
// An attempt that returns got through. One that throws was refused if the error
// is a refusal, and reached what it wanted to reach otherwise: a bad address or
// a bad argument is the kernel's answer to a caller that may ask. So system calls
// are tried with arguments that do no harm where they are let through.

const world = JSON.parse(Deno.args[0]);
const { nr } = world;

/** Deno's own permissions refuse this to begin with, and so every system call. */
function openLibc() {
  return Deno.dlopen("libc.so.6", {
    syscall: { parameters: Array(7).fill("i64"), result: "i64" },
    __errno_location: { parameters: [], result: "pointer" },
  }).symbols;
}

let libc;

function syscall(number, ...args) {
  libc ??= openLibc();
  const raw = args.map((a) =>
    a instanceof Uint8Array ? BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(a))) : BigInt(a)
  );
  while (raw.length < 6) raw.push(0n);
  const result = libc.syscall(BigInt(number), ...raw);
  if (result === -1n) {
    const errno = new Deno.UnsafePointerView(libc.__errno_location()).getInt32();
    throw Object.assign(new Error(`errno ${errno}`), { errno });
  }
  return Number(result);
}

const text = (s) => new TextEncoder().encode(s + "\0");
const zeros = (n) => new Uint8Array(n);

/** A siginfo_t whose code is SI_QUEUE. */
const queued = zeros(128).fill(0xff, 8, 12);

const EPERM = 1, EACCES = 13, ENOSYS = 38, EOPNOTSUPP = 95;

function refused(error) {
  if ("errno" in error) return [EPERM, EACCES, ENOSYS, EOPNOTSUPP].includes(error.errno);
  return error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable ||
    /os error (1|13|18|38)\b|EPERM|EACCES|not permitted|Permission denied/.test(error.message);
}

const other = world.neighbour;
const own = world.own;

/** Opens without reading: the rights that this gives are what matters. */
function openPath(path) {
  const O_PATH = 0o10000000;
  return syscall(nr.openat, -100, text(path), O_PATH, 0);
}

/** Machine code for amd64: int $0x80 with the number and one argument. */
function int80(number, argument) {
  const code = new Uint8Array([0x53, 0x89, 0xf8, 0x89, 0xf3, 0x31, 0xc9, 0x31, 0xd2, 0xcd, 0x80, 0x5b, 0xc3]);
  const page = syscall(nr.mmap, 0, 4096, 7, 0x22, -1, 0);
  new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(BigInt(page)), 4096)).set(code);
  const fn = new Deno.UnsafeFnPointer(Deno.UnsafePointer.create(BigInt(page)), {
    parameters: ["i32", "i32"],
    result: "i32",
  });
  const result = fn.call(number, argument);
  if (result < 0) throw Object.assign(new Error(`errno ${-result}`), { errno: -result });
  return result;
}

const attempts = {
  // Files.
  "read /etc/passwd": () => Deno.readTextFileSync("/etc/passwd"),
  "read /etc/shadow": () => Deno.readTextFileSync("/etc/shadow"),
  "list /": () => [...Deno.readDirSync("/")],
  "list /tmp": () => [...Deno.readDirSync("/tmp")],
  "list the neighbours": () => [...Deno.readDirSync(world.homes)],
  "list the neighbour's home": () => [...Deno.readDirSync(other)],
  "read the neighbour's data": () => Deno.readTextFileSync(`${other}/secret`),
  "write the neighbour's data": () => Deno.writeTextFileSync(`${other}/secret`, "x"),
  "append to the neighbour's data": () => Deno.writeTextFileSync(`${other}/secret`, "x", { append: true }),
  "create in the neighbour's home": () => Deno.writeTextFileSync(`${other}/new`, "x"),
  "make a folder in the neighbour's home": () => Deno.mkdirSync(`${other}/folder`),
  "remove the neighbour's file": () => Deno.removeSync(`${other}/spare`),
  "rename the neighbour's file": () => Deno.renameSync(`${other}/spare2`, `${other}/spare3`),
  "take the neighbour's file": () => Deno.renameSync(`${other}/secret`, "taken"),
  "give a file to the neighbour": () => {
    Deno.writeTextFileSync("gift", "x");
    Deno.renameSync("gift", `${other}/gift`);
  },
  "hard-link the neighbour's file": () => Deno.linkSync(`${other}/secret`, "hard"),
  "read through a symbolic link": () => {
    Deno.symlinkSync(`${other}/secret`, "soft");
    return Deno.readTextFileSync("soft");
  },
  "write through a linked folder": () => {
    Deno.symlinkSync(other, "folder");
    Deno.writeTextFileSync("folder/new", "x");
  },
  "read after changing folder": () => {
    Deno.chdir(other);
    try {
      return Deno.readTextFileSync("secret");
    } finally {
      Deno.chdir(own);
    }
  },
  "read below an O_PATH descriptor": () => {
    const fd = openPath(other);
    return syscall(nr.openat, fd, text("secret"), 0, 0);
  },
  "watch the neighbour's home": () => Deno.watchFs(other).close(),
  "change the mode of the neighbour's file": () => Deno.chmodSync(`${other}/secret`, 0o600),
  "change the mode by descriptor": () => syscall(nr.fchmodat2, openPath(`${other}/secret`), text(""), 0o600, 0x1000),
  "change the times of the neighbour's file": () => Deno.utimeSync(`${other}/secret`, 1, 1),
  "change the owner of the neighbour's file": () => Deno.chownSync(`${other}/secret`, Deno.uid(), Deno.gid()),
  "set an attribute on the neighbour's file": () =>
    syscall(nr.setxattr, text(`${other}/secret`), text("user.x"), text("x"), 1, 0),
  "truncate the neighbour's file": () => Deno.truncateSync(`${other}/spare`, 0),
  "truncate by path": () => syscall(nr.truncate, text(`${other}/spare`), 0),
  "truncate what may be read": () => syscall(nr.openat, -100, text(world.code), 0o1000, 0),
  "truncate in access mode 3": () => syscall(nr.openat, -100, text(world.code), 0o1003, 0),
  "write the function's own code": () => Deno.writeTextFileSync(world.code, "x", { append: true }),
  "read the daemon's key": () => Deno.readTextFileSync(world.key),
  "write to /tmp": () => Deno.writeTextFileSync(world.tmp, "x"),
  "write to /dev/shm": () => Deno.writeTextFileSync(`/dev/shm/${world.unique}`, "x"),
  "open a terminal": () => Deno.openSync("/dev/ptmx"),
  "open /dev/kmsg": () => Deno.openSync("/dev/kmsg"),
  "make a device": () => syscall(nr.mknodat, -100, text("null"), 0o20666, 0x103),
  "make a named pipe": () => syscall(nr.mknodat, -100, text("fifo"), 0o10666, 0),
  "open by handle": () => syscall(nr.open_by_handle_at, -1, zeros(64), 0),
  "reserve disk space": () => syscall(nr.fallocate, -1, 0, 0, 1),
  "ask for a handle": () => syscall(nr.name_to_handle_at, -1, zeros(8), zeros(64), zeros(8), 0),

  // /proc.
  "read /proc/1/environ": () => Deno.readFileSync("/proc/1/environ"),
  "read /proc/1/status": () => Deno.readFileSync("/proc/1/status"),
  "read the daemon's environment": () => Deno.readFileSync(`/proc/${world.parent}/environ`),
  "read the daemon's memory map": () => Deno.readFileSync(`/proc/${world.parent}/maps`),
  "read the neighbour's command line": () => Deno.readFileSync(`/proc/${world.victim}/cmdline`),
  "follow the daemon's root": () => Deno.readTextFileSync(`/proc/${world.parent}/root/etc/passwd`),
  "see the daemon's descriptors": () => Deno.readLinkSync(`/proc/${world.parent}/fd/1`),
  "list /proc": () => [...Deno.readDirSync("/proc")],
  "open /proc/self/mem": () => Deno.openSync("/proc/self/mem", { write: true }),
  "read /proc/self/environ": () => Deno.readFileSync("/proc/self/environ"),
  "write its own oom_score_adj": () => Deno.writeTextFileSync("/proc/self/oom_score_adj", "500"),
  "leave its control group": () => Deno.openSync(`${world.cgroups}/cgroup.procs`, { write: true }),
  "lift its own limits": () => Deno.openSync(`${world.cgroups}/cgroup.max.depth`, { write: true }),

  // Programs.
  "run /bin/sh": () => new Deno.Command("/bin/sh", { args: ["-c", "true"] }).outputSync(),
  "run Deno": () => new Deno.Command(Deno.execPath(), { args: ["--version"] }).outputSync(),
  "execute a program": () => syscall(nr.execve, text(world.program), 0, 0),
  "execute a program of its own": () => {
    Deno.writeTextFileSync("program", "no program", { mode: 0o700 });
    return syscall(nr.execve, text(`${own}/program`), 0, 0);
  },
  "execute from memory": () => syscall(nr.memfd_create, text("x"), 0),
  "execute a descriptor": () => syscall(nr.execveat, -1, text(""), 0, 0, 0),
  "fork": () => syscall(nr.clone, 0x4000 | 0x100 | 17, 0xdead, 0, 0, 0) && 0,

  // Other processes.
  "signal the daemon": () => syscall(nr.kill, world.parent, 0),
  "signal the neighbour": () => syscall(nr.kill, world.victim, 0),
  "kill the neighbour through Deno": () => Deno.kill(world.victim, "SIGCONT"),
  "signal everybody": () => syscall(nr.kill, -1, 0),
  "signal its own group": () => syscall(nr.kill, 0, 0),
  "signal a thread": () => syscall(nr.tkill, world.victim, 0),
  "signal a thread of a group": () => syscall(nr.tgkill, world.victim, world.victim, 0),
  "queue a signal": () => syscall(nr.rt_sigqueueinfo, world.victim, 0, queued),
  "open the neighbour's process": () => syscall(nr.pidfd_open, world.victim, 0),
  "signal by descriptor": () => syscall(nr.pidfd_send_signal, -1, 0, 0, 0),
  "steal a descriptor": () => syscall(nr.pidfd_getfd, -1, 0, 0),
  "have a file signal the neighbour": () => syscall(nr.fcntl, 0, 8, world.victim),
  "choose a file's signal": () => syscall(nr.fcntl, 0, 10, 9),
  "have a socket signal the neighbour": () => syscall(nr.ioctl, 0, 0x8901, new Uint8Array(new Int32Array([world.victim]).buffer)),
  "trace the neighbour": () => syscall(nr.ptrace, 0x4206, world.victim, 0, 0),
  "read the neighbour's memory": () => syscall(nr.process_vm_readv, world.victim, zeros(16), 0, zeros(16), 0, 0),
  "write the neighbour's memory": () => syscall(nr.process_vm_writev, world.victim, zeros(16), 0, zeros(16), 0, 0),
  "compare with the neighbour": () => syscall(nr.kcmp, world.victim, world.victim, 0, 0, 0),
  "limit the neighbour": () => syscall(nr.prlimit64, world.victim, 7, 0, zeros(16)),
  "pin the neighbour": () => syscall(nr.sched_setaffinity, world.victim, 8, new Uint8Array(8).fill(255)),
  "slow the neighbour": () => syscall(nr.setpriority, 0, world.victim, 0),
  "slow the user": () => syscall(nr.setpriority, 2, 0, 0),
  "starve the neighbour's disk": () => syscall(nr.ioprio_set, 1, world.victim, 0),
  "outlive the daemon": () => syscall(nr.prctl, 1, 0, 0, 0, 0),

  // The kernel.
  "unshare": () => syscall(nr.unshare, 0),
  "unshare a user": () => syscall(nr.unshare, 0x10000000),
  "join a name space": () => syscall(nr.setns, -1, 0),
  "clone into a user name space": () => syscall(nr.clone, 0x10000000 | 0x10000, 0, 0, 0, 0),
  "clone3": () => syscall(nr.clone3, 0, 0),
  "mount": () => syscall(nr.mount, 0, 0, 0, 0, 0),
  "unmount": () => syscall(nr.umount2, 0, 0),
  "pivot_root": () => syscall(nr.pivot_root, 0, 0),
  "chroot": () => syscall(nr.chroot, text(own)),
  "open_tree": () => syscall(nr.open_tree, -1, 0, 0),
  "fsopen": () => syscall(nr.fsopen, 0, 0),
  "bpf": () => syscall(nr.bpf, -1, 0, 0),
  "perf_event_open": () => syscall(nr.perf_event_open, 0, 0, -1, -1, 0),
  "io_uring_setup": () => syscall(nr.io_uring_setup, 1, 0),
  "userfaultfd": () => syscall(nr.userfaultfd, -1),
  "keyctl": () => syscall(nr.keyctl, 0, -3, 0),
  "add_key": () => syscall(nr.add_key, 0, 0, 0, 0, 0),
  "kexec_load": () => syscall(nr.kexec_load, 0, 0, 0, -1),
  "init_module": () => syscall(nr.init_module, 0, 0, 0),
  "reboot": () => syscall(nr.reboot, 0, 0, 0, 0),
  "swapon": () => syscall(nr.swapon, 0, 0),
  "syslog": () => syscall(nr.syslog, 10, 0, 0),
  "quotactl": () => syscall(nr.quotactl, -1, 0, 0, 0),
  "set the clock": () => syscall(nr.clock_settime, 0, 0),
  "set the host name": () => syscall(nr.sethostname, 0, -1),
  "change personality": () => syscall(nr.personality, 0xffffffff),
  "shared memory": () => syscall(nr.shmget, 0, 4096, 0o1600),
  "semaphores": () => syscall(nr.semget, 0, 1, 0o1600),
  "message queues": () => syscall(nr.msgget, 0, 0o1600),
  "posix message queues": () => syscall(nr.mq_open, text("x"), 0, 0, 0),
  "fanotify": () => syscall(nr.fanotify_init, -1, 0),
  "a call that does not exist yet": () => syscall(467, -1, 0, 0, 0, 0, 0),
  "raise its own limits": () => syscall(nr.prlimit64, 0, 7, new Uint8Array(new BigUint64Array([1n << 19n, 1n << 19n]).buffer), 0),

  // Sockets.
  "packet socket": () => syscall(nr.socket, 17, 3, 0),
  "raw socket": () => syscall(nr.socket, 2, 3, 1),
  "ping socket": () => syscall(nr.socket, 2, 2, 1),
  "raw netlink socket": () => syscall(nr.socket, 16, 3, 4),
  "vsock": () => syscall(nr.socket, 40, 1, 0),
  "crypto socket": () => syscall(nr.socket, 38, 5, 0),
  "Unix datagram socket": () => syscall(nr.socket, 1, 2, 0),
  "multipath TCP socket": () => syscall(nr.socket, 2, 1, 262),
};

// Without a network grant there are no sockets but Unix ones.
if (!world.network) {
  Object.assign(attempts, {
    "TCP socket": () => syscall(nr.socket, 2, 1, 0),
    "TCP socket of version 6": () => syscall(nr.socket, 10, 1, 0),
    "UDP socket": () => syscall(nr.socket, 2, 2, 0),
    "route socket": () => syscall(nr.socket, 16, 3, 0),
  });
}

// Where Landlock knows of it.
if (!world.network || world.landlock >= 4) {
  attempts["listen on a port"] = () => Deno.listen({ port: 0 }).close();
}
if (world.landlock >= 6) {
  attempts["connect to an abstract Unix socket"] = () => {
    const address = new Uint8Array([1, 0, 0, ...new TextEncoder().encode(world.unique)]);
    return syscall(nr.connect, syscall(nr.socket, 1, 1, 0), address, address.length);
  };
}

if (world.landlock >= 9) {
  attempts["connect to the neighbour's socket"] = () => {
    const address = new Uint8Array([1, 0, ...text(world.socket)]);
    return syscall(nr.connect, syscall(nr.socket, 1, 1, 0), address, address.length);
  };
}

// The other system call tables of amd64: 32-bit getpid is 20, x32 sets bit 30.
if (Deno.build.arch === "x86_64") {
  attempts["32-bit system calls"] = () => int80(20, 0);
  attempts["32-bit kill"] = () => int80(37, world.victim);
  attempts["x32 system calls"] = () => syscall(39 + 0x40000000);
}

// Last, because it works outside.
attempts["use a capability"] = () => syscall(nr.setgroups, 0, 0);
attempts["become another user"] = () => syscall(nr.setresuid, 65533, 65533, 65533);

const answers = {};
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    const got = await attempt();
    answers[name] = { through: true, detail: `returned ${typeof got === "number" ? got : typeof got}` };
  } catch (error) {
    answers[name] = { through: !refused(error), detail: `${error.name}: ${error.message}` };
  }
}
console.log(JSON.stringify(answers));
