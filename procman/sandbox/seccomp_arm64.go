package sandbox

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_AARCH64

// legacyOpen is 0: arm64 has only openat.
const legacyOpen = 0

// archDeniedCalls are the calls whose number only this architecture has.
var archDeniedCalls = []uint32{unix.SYS_KEXEC_FILE_LOAD}
