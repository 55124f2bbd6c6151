package sandbox

// LandlockABI is 0 where there is none.
func LandlockABI() int {
	abi, _ := landlockABI()
	return abi
}

// RemovedMaps is parseRemovedMaps, with the sizes by inode.
func RemovedMaps(text []byte) map[uint64]int64 {
	sizes := make(map[uint64]int64)
	for _, m := range parseRemovedMaps(text) {
		sizes[m.inode] += m.size
	}
	return sizes
}

// JoinOnly makes groups as where the kernel cannot start a process in one.
func (g *Cgroups) JoinOnly() { g.clones = false }

// ParseProcess is parseProcess and parseState.
func ParseProcess(status, stat []byte) (Usage, byte) {
	return parseProcess(status, stat), parseState(stat)
}

// ParseMembership is parseMembership.
func ParseMembership(text []byte) (string, error) { return parseMembership(text) }

// ThroughArguments returns the arguments that stand for the setup that args are
// read as.
func ThroughArguments(args []string) ([]string, error) {
	s, err := parseSetup(args)
	if err != nil {
		return nil, err
	}
	return s.arguments(), nil
}
