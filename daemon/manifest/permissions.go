package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/denofn/denofn"
)

// asked is one thing that a permission is asked for, in whatever spelling.
type asked struct {
	kind  string // Deno's name
	value string // in the form of values.go; empty: everything of the kind
	deny  bool
	at    span
}

// flag returns a as people know it.
func (a asked) flag() string {
	verb := "allow"
	if a.deny {
		verb = "deny"
	}
	if a.value == "" {
		return "--" + verb + "-" + a.kind
	}
	return "--" + verb + "-" + a.kind + "=" + a.value
}

// kindNames are the kinds that a function can have.
var kindNames = []string{"net", "env", "read", "write", "sys"}

// shortFlags are Deno's flags of one letter.
var shortFlags = map[string]string{"N": "net", "E": "env", "R": "read", "W": "write", "S": "sys"}

// checks are the forms of the values of each kind.
var checks = map[string]func(string) (value, reason, hint string){
	"net": checkHost, "env": checkEnvName, "read": checkPath, "write": checkPath, "sys": checkSysKind,
}

// never says why a kind is out of the question, or "".
func never(kind string) string {
	switch kind {
	case "run":
		return "functions can never start programs, and no configuration allows it"
	case "ffi":
		return "functions can never load native libraries, and no configuration allows it"
	case "all":
		return "functions can never have everything, and no configuration allows it: ask for what the function needs"
	case "import":
		return "modules are bundled when they are pushed, so that none is loaded later"
	}
	return ""
}

// readPermissions reads an array of flags and short names, or deno.json's object.
func readPermissions(f *file, v hujson.Value) {
	if object, ok := v.Value.(*hujson.Object); ok {
		readPermissionObject(f, object)
		return
	}
	if v.Value.Kind() != '[' {
		f.mistyped(v, "permissions", `an array like ["--allow-net=api.github.com"]`)
		return
	}
	flags, _ := f.strings(v, "permissions")
	for _, l := range flags {
		f.ask(l.key, l.text)
	}
}

// ask takes up one flag or short name.
func (f *file) ask(at span, text string) {
	parsed, problem := parseFlag(text)
	if problem != nil {
		f.refuse(at, problem.message, problem.hint)
		return
	}
	f.take(at, parsed)
}

// maxAsked is how many things one function can ask for.
const maxAsked = 1000

// take takes up what is asked for at a place.
func (f *file) take(at span, parsed []asked) {
	for _, a := range parsed {
		if len(f.asked) == maxAsked {
			f.refuse(at, fmt.Sprintf("this is more than %d permissions", maxAsked), "ask for what they have in common")
			return
		}
		a.at = at
		f.asked = append(f.asked, a)
	}
}

// A problem is what is wrong with a permission and what to do.
type problem struct{ message, hint string }

// parseFlag reads one permission: "--allow-net=a,b", "-N=a", or one of denoFn's
// short names.
func parseFlag(text string) ([]asked, *problem) {
	name, values, hasValues := strings.Cut(text, "=")
	if kind, ok := strings.CutPrefix(name, "--allow-"); ok {
		return parseKind(kind, values, hasValues, false)
	}
	if kind, ok := strings.CutPrefix(name, "--deny-"); ok {
		return parseKind(kind, values, hasValues, true)
	}
	if letter, ok := strings.CutPrefix(name, "-"); ok && shortFlags[letter] != "" {
		return parseKind(shortFlags[letter], values, hasValues, false)
	}
	if hasValues {
		name = text
	}
	switch name {
	case "-A":
		return nil, &problem{"-A is never granted", never("all")}
	case "net", "env", "sys":
		return []asked{{kind: name}}, nil
	case "read", "write":
		return []asked{{kind: name, value: dataFolder}}, nil
	case "hrtime": // Deno has given it to everybody since
		return nil, nil
	}
	if reason := never(name); reason != "" {
		return nil, &problem{fmt.Sprintf("%q is never granted", name), reason}
	}
	known := []string{"net", "env", "read", "write", "sys", "hrtime"}
	for _, kind := range kindNames {
		known = append(known, "--allow-"+kind, "--deny-"+kind)
	}
	flag, rest, _ := strings.Cut(text, "=")
	if near := nearest(flag, known); near != "" {
		if rest != "" {
			near += "=" + rest
		}
		return nil, &problem{fmt.Sprintf("%q is not a permission", text), fmt.Sprintf("did you mean %q?", near)}
	}
	return nil, &problem{fmt.Sprintf("%q is not a permission", text), `write them as deno run does, like "--allow-net=api.github.com"`}
}

func parseKind(kind, values string, hasValues, deny bool) ([]asked, *problem) {
	flag := asked{kind: kind, deny: deny}.flag()
	if deny && never(kind) != "" {
		return nil, nil // denied already
	}
	if reason := never(kind); reason != "" {
		return nil, &problem{flag + " is never granted", reason}
	}
	if kind == "hrtime" {
		return nil, nil
	}
	if !slices.Contains(kindNames, kind) {
		hint := "Deno's kinds are " + strings.Join(kindNames, ", ")
		if name, value, ok := strings.Cut(kind, " "); ok && slices.Contains(kindNames, name) {
			hint = fmt.Sprintf("did you mean %q?", asked{kind: name, value: value, deny: deny}.flag())
		} else if near := nearest(kind, kindNames); near != "" {
			hint = fmt.Sprintf("did you mean %s?", asked{kind: near, deny: deny}.flag())
		}
		return nil, &problem{flag + " is not a permission", hint}
	}
	if !hasValues {
		return []asked{{kind: kind, deny: deny}}, nil
	}
	var all []asked
	for value := range strings.SplitSeq(values, ",") {
		a, problem := parseValue(kind, value, deny)
		if problem != nil {
			return nil, problem
		}
		all = append(all, a)
	}
	return all, nil
}

func parseValue(kind, text string, deny bool) (asked, *problem) {
	if text == "" {
		flag := asked{kind: kind, deny: deny}.flag()
		return asked{}, &problem{flag + "= has an empty value", "write what it is for behind the =, without spaces"}
	}
	value, reason, hint := checks[kind](text)
	if reason != "" {
		return asked{}, &problem{fmt.Sprintf("%s: %q %s", asked{kind: kind, deny: deny}.flag(), text, reason), hint}
	}
	return asked{kind: kind, value: value, deny: deny}, nil
}

// readPermissionObject reads {"net": true, "env": ["TOKEN"], "read": {"allow": …, "deny": …}}.
func readPermissionObject(f *file, object *hujson.Object) {
	var known []key
	for _, kind := range append(slices.Clone(kindNames), "run", "ffi", "all", "import", "hrtime") {
		known = append(known, key{kind, func(f *file, v hujson.Value) {
			if sides, ok := v.Value.(*hujson.Object); ok {
				f.members(sides, []key{
					{"allow", func(f *file, v hujson.Value) { f.askSide(v, kind, false) }},
					{"deny", func(f *file, v hujson.Value) { f.askSide(v, kind, true) }},
				}, "permissions."+kind)
				return
			}
			f.askSide(v, kind, false)
		}})
	}
	f.members(object, known, "permissions")
}

// askSide takes up what is allowed, or denied, of one kind: true, false or a list.
func (f *file) askSide(v hujson.Value, kind string, deny bool) {
	take := func(at span, parsed []asked, problem *problem) {
		if problem != nil {
			f.refuse(at, problem.message, problem.hint)
			return
		}
		f.take(at, parsed)
	}
	switch v.Value.Kind() {
	case 'f':
	case 't':
		parsed, problem := parseKind(kind, "", false, deny)
		take(spanOf(v), parsed, problem)
	case '[':
		list, _ := f.strings(v, "permissions."+kind)
		if never(kind) != "" && len(list) > 0 || kind == "hrtime" {
			parsed, problem := parseKind(kind, "", false, deny)
			take(spanOf(v), parsed, problem)
			return
		}
		for _, l := range list {
			a, problem := parseValue(kind, l.text, deny)
			take(l.key, []asked{a}, problem)
		}
	default:
		f.mistyped(v, "permissions."+kind, `true, false or an array like ["api.github.com"]`)
	}
}

// readWhitelist reads denoFn's list of hosts.
func readWhitelist(f *file, v hujson.Value) {
	hosts, ok := f.strings(v, "whitelist")
	f.whitelist = ok
	for _, l := range hosts {
		a, problem := parseValue("net", l.text, false)
		if problem != nil {
			f.refuse(l.key, "whitelist: "+strings.TrimPrefix(problem.message, "--allow-net: "), problem.hint)
			continue
		}
		f.take(l.key, []asked{a})
	}
}

// completePermissions makes the set out of what was asked. With a whitelist, "net"
// alone means just its hosts, as in denoFn.
func (f *file) completePermissions() {
	if f.whitelist {
		f.asked = slices.DeleteFunc(f.asked, func(a asked) bool { return a.kind == "net" && a.value == "" && !a.deny })
	}
	f.permissions = setOf(f.asked)
}

// setOf returns the set of all that was asked. A kind that is denied as a whole is
// not granted at all.
func setOf(all []asked) denofn.Permissions {
	var p denofn.Permissions
	denied := make(map[string]bool)
	for _, a := range all {
		access := p.Of(a.kind)
		switch {
		case a.deny && a.value == "":
			denied[a.kind] = true
		case a.deny:
			*access = access.Merge(denofn.Access{Deny: []string{a.value}})
		case a.value == "":
			*access = access.Merge(denofn.Access{All: true})
		default:
			*access = access.Merge(denofn.Access{Allow: []string{a.value}})
		}
	}
	for kind := range denied {
		*p.Of(kind) = denofn.Access{}
	}
	return p
}
