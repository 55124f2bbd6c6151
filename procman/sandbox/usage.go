package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of processor times in /proc, which Linux has fixed for
// programs at a hundredth of a second.
const clockTick = 10 * time.Millisecond

// ProcessUsage reads the usage of one process, which for a sandbox is nearly
// that of its group: there is only one process, and what the group counts beyond
// it is page cache.
func ProcessUsage(pid int) (Usage, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return Usage{}, fmt.Errorf("read process: %w", err)
	}
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Usage{}, fmt.Errorf("read process: %w", err)
	}
	return parseProcess(status, stat), nil
}

// parseProcess reads the contents of /proc/PID/status and /proc/PID/stat. What
// cannot be read is 0.
func parseProcess(status, stat []byte) Usage {
	var u Usage
	for line := range bytes.Lines(status) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		fields := bytes.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		n, _ := strconv.ParseInt(string(fields[0]), 10, 64)
		switch string(name) {
		case "VmRSS":
			u.MemoryBytes = n << 10
		case "VmHWM":
			u.PeakMemoryBytes = n << 10
		case "Threads":
			u.Tasks = n
		}
	}
	// The second field is the program's name, which may hold anything; utime and
	// stime are the 14th and 15th.
	if end := bytes.LastIndexByte(stat, ')'); end >= 0 {
		const utime, stime = 14 - 3, 15 - 3
		if fields := bytes.Fields(stat[end+1:]); len(fields) > stime {
			user, _ := strconv.ParseInt(string(fields[utime]), 10, 64)
			system, _ := strconv.ParseInt(string(fields[stime]), 10, 64)
			u.CPU = time.Duration(user+system) * clockTick
		}
	}
	return u
}

// parseState returns the state letter from /proc/PID/stat, 0 if there is none.
func parseState(stat []byte) byte {
	if end := bytes.LastIndexByte(stat, ')'); end >= 0 && len(stat) > end+2 {
		return stat[end+2]
	}
	return 0
}
