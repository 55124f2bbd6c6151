package procman

import "github.com/denofn/denofn"

// Arguments returns the command line of process number n of the release.
func (c Config) Arguments(spec Spec, n int) []string {
	return c.arguments(spec.Release, c.placesOf(launch{spec: spec, number: n}))
}

// PrivateNet is privateNet.
func PrivateNet(asked denofn.Access) []string { return privateNet(asked) }

// Move is State.move.
func (s *State) Move(next State) { s.move(next) }

// ParseControl is parseControl.
func ParseControl(line []byte) (verb, rest string, ok bool) {
	c, ok := parseControl(line)
	return c.verb, string(c.rest), ok
}
