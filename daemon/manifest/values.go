package manifest

import (
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What the values of permissions look like. Each check returns the value in the
// one form in which it is compared, or why it is none and what to write instead.

var domain = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// isHostName reports whether s is the name of a host in lower case. An address is
// none.
func isHostName(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return false
	}
	return len(s) <= mostHostLength && domain.MatchString(s) && !slices.ContainsFunc(strings.Split(s, "."), func(label string) bool { return len(label) > 63 })
}

// checkHost takes HOST, HOST:PORT, *.DOMAIN, addresses and ranges of them.
func checkHost(s string) (host, reason, hint string) {
	host = strings.ToLower(s)
	if scheme, rest, ok := strings.Cut(host, "://"); ok {
		name, _, _ := strings.Cut(rest, "/")
		return "", "is an address of a page, not a host", "write " + name + ", without " + scheme + "://"
	}
	switch prefix, _, _ := strings.Cut(host, ":"); prefix {
	case "unix", "vsock":
		return "", "is no host", "functions reach others over the network only"
	}
	if host == "*" {
		return "", "is no host", "write --allow-net, without hosts, for the whole network"
	}
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 && (strings.HasPrefix(host, "[") && host[i-1] == ']' || strings.Count(host, ":") == 1) {
		name, port = host[:i], host[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '+' {
			return "", "has no port between 1 and 65535 behind the colon", ""
		}
	}
	switch {
	case isRange(name) && port == "":
		prefix, _ := netip.ParsePrefix(name)
		return prefix.Masked().String(), "", ""
	case isAddress(name):
	case isHostName(strings.TrimPrefix(name, "*.")):
	case strings.Contains(name, "/"):
		return "", "has a path", "write the host alone; permissions cannot be for a part of it"
	case strings.Contains(name, ":") && !strings.HasPrefix(name, "["):
		return "", "is no host", "an IPv6 address is written in brackets: [::1]"
	default:
		return "", "is no host", "write it like api.github.com, api.github.com:443 or *.github.com"
	}
	return host, "", ""
}

// isAddress reports whether s is an IPv4 address, or an IPv6 address in brackets.
// Zones have no place in a permission.
func isAddress(s string) bool {
	inner, six := strings.CutPrefix(s, "[")
	if six {
		var ok bool
		if inner, ok = strings.CutSuffix(inner, "]"); !ok {
			return false
		}
	}
	a, err := netip.ParseAddr(inner)
	return err == nil && a.Is6() == six && a.Zone() == ""
}

// isRange reports whether s is a range that Deno understands, which are those of
// IPv4.
func isRange(s string) bool {
	p, err := netip.ParsePrefix(s)
	return err == nil && p.Addr().Is4()
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// checkEnvName takes the name of a variable, or the start of names with a star.
func checkEnvName(s string) (name, reason, hint string) {
	if !variable.MatchString(strings.TrimSuffix(s, "*")) {
		return "", "is not the name of a variable", "write it like GITHUB_TOKEN, or AWS_* for all that start so"
	}
	return s, "", ""
}

// checkVariable says why a function cannot set a variable, or "".
func checkVariable(name string) (reason, hint string) {
	if !variable.MatchString(name) {
		return "is not the name of a variable", "letters, digits and _ make one"
	}
	switch name {
	case "HOME", "PATH", "TMPDIR", "NO_COLOR":
		return "is set by denofn", "give yours another name"
	case "GCONV_PATH", "NODE_OPTIONS":
		return "would change Deno instead of the function", "give it another name"
	}
	for _, prefix := range []string{"DENO_", "LD_", "GLIBC_", "MALLOC_"} {
		if strings.HasPrefix(name, prefix) {
			return "would change Deno instead of the function", "give it a name that does not start with " + prefix
		}
	}
	return "", ""
}

// sysKinds is what Deno knows of the system.
var sysKinds = []string{
	"cpus", "getPriority", "getegid", "gid", "homedir", "hostname", "loadavg", "networkInterfaces", "osRelease",
	"osUptime", "setPriority", "statfs", "systemMemoryInfo", "uid", "userInfo", "username",
}

func checkSysKind(s string) (kind, reason, hint string) {
	if slices.Contains(sysKinds, s) {
		return s, "", ""
	}
	if near := nearest(s, sysKinds); near != "" {
		return "", "is not known to Deno", "did you mean " + near + "?"
	}
	return "", "is not known to Deno", "there are " + strings.Join(sysKinds, ", ")
}

// checkPath makes one form of a path: absolute, or "./" and what is below the
// function's home.
func checkPath(s string) (name, reason, hint string) {
	switch {
	case s == "" || strings.ContainsAny(s, "\x00\n"):
		return "", "is no path", "write it like ./data"
	case strings.Contains(s, ","):
		return "", "has a comma, which Deno takes for the end of the path", "give the file another name, or ask for its folder"
	case strings.HasPrefix(s, "~"), strings.HasPrefix(s, "file:"), strings.Contains(s, "$"):
		return "", "is no path that denofn understands", "write it like ./data or /srv/media"
	case path.IsAbs(s):
		return path.Clean(s), "", ""
	}
	name = path.Clean(s)
	if name == "." {
		return "./", "", ""
	}
	if name == ".." || strings.HasPrefix(name, "../") {
		return "", "leads out of the function's folder", "write an absolute path, which the policy has to allow"
	}
	return "./" + name, "", ""
}

// What a function may always ask to read and write: what it keeps, and its
// scratch.
const (
	dataFolder = "./data"
	tmpFolder  = "./tmp"
)

// isOwn reports whether a checked path is one of the function's own folders or
// lies below one.
func isOwn(name string) bool {
	return name == dataFolder || strings.HasPrefix(name, dataFolder+"/") || name == tmpFolder || strings.HasPrefix(name, tmpFolder+"/")
}
