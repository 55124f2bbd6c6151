package bundler

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// exactVersion is a version and not a range; wantsVersion is anything that says
// which versions will do.
var (
	exactVersion = regexp.MustCompile(`^v?\d+\.\d+\.\d+[-+.\w]*$`)
	wantsVersion = regexp.MustCompile(`\d`)
)

// judge holds an answer against the rule that remote dependencies say which
// version they want. What a lock file pins, has.
func (t *task) judge(answer target, s *settings) target {
	if answer.Error != "" {
		answer.Hint = cmp.Or(answer.Hint, hintForDeno(answer))
		return answer
	}
	scheme, name, version, subpath := splitRequest(answer.Asked)
	if scheme == "" || answer.Found == "" || s.pins(answer.Asked) {
		return answer
	}
	fix := answer.Found
	if scheme != "https" {
		fix = scheme + ":" + name + "@" + foundVersion(answer, name) + subpath
	}
	switch {
	case exactVersion.MatchString(version):
		return answer
	case wantsVersion.MatchString(version) && scheme != "https":
		answer.Warning = fmt.Sprintf("%s is a range, which is %s today and is not pinned", answer.Asked, foundVersion(answer, name))
		answer.Hint = "commit a deno.lock, or write " + fix
	case !t.source.AllowUnversioned:
		return target{Error: answer.Asked + " has no version", Hint: "write " + fix}
	}
	return answer
}

// foundVersion returns the version that Deno chose.
func foundVersion(t target, name string) string {
	if t.Package != "" {
		return t.Found
	}
	_, rest, _ := strings.Cut(t.Found, name+"/") // https://…/@scope/name/1.0.0/mod.ts
	version, _, _ := strings.Cut(rest, "/")
	return version
}

// splitRequest takes an npm: or jsr: specifier apart. An https: address that led
// elsewhere comes back as scheme https; any other has no scheme.
func splitRequest(specifier string) (scheme, name, version, subpath string) {
	scheme, rest, ok := strings.Cut(specifier, ":")
	if !ok {
		return "", "", "", ""
	}
	if scheme == "https" || scheme == "http" {
		return "https", rest, "", ""
	}
	if scheme != "npm" && scheme != "jsr" {
		return "", "", "", ""
	}
	rest = strings.TrimPrefix(rest, "/")
	name, subpath = splitPackage(rest)
	subpath = strings.TrimPrefix(subpath, ".")
	if at := strings.LastIndexByte(name, '@'); at > 0 {
		name, version = name[:at], name[at+1:]
	}
	return scheme, name, version, subpath
}

// pins reports whether the lock file says what a request is.
func (s *settings) pins(asked string) bool {
	content, ok := s.files[s.lock]
	if !ok || path.Base(s.lock) != "deno.lock" {
		return false
	}
	lock, err := parseLock(content)
	if err != nil {
		return false
	}
	scheme, name, version, _ := splitRequest(asked)
	if scheme == "https" {
		_, ok := lock.Redirects[asked]
		return ok
	}
	prefix := scheme + ":" + name + "@"
	for specifier := range lock.Specifiers {
		pinned, ok := strings.CutPrefix(specifier, prefix)
		if ok && (pinned == version || pinned == "*" && version == "" || sameRange(pinned, version)) {
			return true
		}
	}
	return false
}

// sameRange reports whether two ranges are one in the lock file's own spelling,
// which fills in what was left out: ^3.23 is ^3.23.0.
func sameRange(a, b string) bool {
	return a != "" && b != "" && strings.TrimSuffix(strings.TrimSuffix(a, ".0"), ".0") == strings.TrimSuffix(strings.TrimSuffix(b, ".0"), ".0")
}

// hintForDeno says what to do about an import that Deno could not find.
func hintForDeno(t target) string {
	switch {
	case strings.HasSuffix(t.Error, "are not allowed"):
		return "modules come from the hosts that Deno allows; bundler.import_hosts of denofn.toml adds others"
	case strings.Contains(t.Error, "does not exist"), strings.Contains(t.Error, "package not found"):
		return "is its name spelt right?"
	case strings.Contains(t.Error, "Could not find npm package"), strings.Contains(t.Error, "Could not find version"):
		return "write a version that has been published"
	case strings.Contains(t.Error, "not in import map"), strings.Contains(t.Error, "not a dependency"):
		return "a package is written npm:NAME@VERSION, or mapped to that under \"imports\" in deno.json"
	case strings.Contains(t.Error, "Failed loading"), strings.Contains(t.Error, "error sending request"):
		return "the machine that denofn runs on has to reach the registry when you push"
	}
	return ""
}
