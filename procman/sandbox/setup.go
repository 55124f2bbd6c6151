package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// setupVersion is changed with every change of what a setup means, so that a
// helper of another release is found out before it runs anything.
const setupVersion = "3"

// A setup is what the helper does before it becomes Deno. It travels in argv:
// it has no secrets, and exec replaces it. Variables travel as variables, which
// only the same user and root can read.
//
// Each argument is KEY=VALUE until one is "--"; what follows is for the program.
// Reading it costs next to nothing, which a document of JSON would not: that takes
// a fifth of a millisecond of every cold start.
type setup struct {
	Path     string   // what to execute
	Args     []string // with argv[0]
	Join     string   // cgroup.procs of the group to join; "" if it is in its group already
	Rlimits  []rlimit
	Landlock int // ABI; 0: leave out
	Rules    []rule
	Seccomp  bool
	Network  bool
}

type rlimit struct {
	Resource int
	Max      uint64 // soft and hard
}

// The keys of a setup.
const (
	keyVersion  = "version"
	keyPath     = "path"
	keyJoin     = "join"
	keyLimit    = "limit" // RESOURCE:MAX
	keyLandlock = "landlock"
	keyRule     = "rule" // RIGHTS:PATH
	keySeccomp  = "seccomp"
	keyNetwork  = "network"
	endOfKeys   = "--"
)

// arguments returns the setup as arguments of the helper.
func (s *setup) arguments() []string {
	args := []string{keyVersion + "=" + setupVersion, keyPath + "=" + s.Path}
	add := func(key, value string) { args = append(args, key+"="+value) }
	if s.Join != "" {
		add(keyJoin, s.Join)
	}
	for _, l := range s.Rlimits {
		add(keyLimit, strconv.Itoa(l.Resource)+":"+strconv.FormatUint(l.Max, 10))
	}
	if s.Landlock > 0 {
		add(keyLandlock, strconv.Itoa(s.Landlock))
	}
	for _, r := range s.Rules {
		add(keyRule, strconv.FormatUint(r.Rights, 10)+":"+r.Path)
	}
	if s.Seccomp {
		add(keySeccomp, "true")
	}
	if s.Network {
		add(keyNetwork, "true")
	}
	return slices.Concat(args, []string{endOfKeys}, s.Args)
}

// parseSetup reads the helper's arguments.
func parseSetup(args []string) (*setup, error) {
	if len(args) == 0 {
		return nil, errors.New("no orders: this is started by denofn, not by hand")
	}
	if version, _ := strings.CutPrefix(args[0], keyVersion+"="); version != setupVersion {
		return nil, fmt.Errorf("the daemon speaks version %q and this helper %q: they are of different releases, install both again", version, setupVersion)
	}
	s := &setup{}
	for i, arg := range args[1:] {
		if arg == endOfKeys {
			s.Args = args[i+2:]
			break
		}
		if err := s.set(arg); err != nil {
			return nil, fmt.Errorf("read setup: %w", err)
		}
	}
	if s.Path == "" || len(s.Args) == 0 {
		return nil, errors.New("read setup: nothing to execute")
	}
	return s, nil
}

// set takes one argument over. Nothing is passed over: a helper that does not
// understand a part of its orders must not run anything.
func (s *setup) set(arg string) (err error) {
	key, value, _ := strings.Cut(arg, "=")
	number, path, _ := strings.Cut(value, ":")
	switch key {
	case keyPath:
		s.Path = value
	case keyJoin:
		s.Join = value
	case keyLimit:
		var l rlimit
		if l.Resource, err = strconv.Atoi(number); err == nil {
			l.Max, err = strconv.ParseUint(path, 10, 64)
		}
		s.Rlimits = append(s.Rlimits, l)
	case keyLandlock:
		s.Landlock, err = strconv.Atoi(value)
	case keyRule:
		r := rule{Path: path}
		r.Rights, err = strconv.ParseUint(number, 10, 64)
		s.Rules = append(s.Rules, r)
	case keySeccomp:
		s.Seccomp, err = strconv.ParseBool(value)
	case keyNetwork:
		s.Network, err = strconv.ParseBool(value)
	default:
		err = fmt.Errorf("unknown key %q", key)
	}
	return err
}
