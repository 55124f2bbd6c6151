package manifest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/denofn/denofn"
)

// A Policy is what the owner of the machine lets functions have. For each thing
// that a function asks for, the most particular word counts:
//
//  1. a value that is denied, and what it covers, is refused;
//  2. a value that is allowed, and what it covers, is granted;
//  3. a kind that is denied is refused;
//  4. a kind that is allowed is granted;
//  5. net, env and sys are granted, as are a function's own folders. Other paths
//     are refused.
//
// A whole kind is refused where any value of it is denied. Starting programs,
// native libraries and "everything" are not the policy's to give.
type Policy struct {
	allow, deny []asked
}

// NewPolicy reads the lists of the configuration: permissions in any spelling of
// a registry.json.
func NewPolicy(allow, deny []string) (*Policy, error) {
	p := new(Policy)
	for _, text := range allow {
		parsed, problem := parseFlag(text)
		if problem == nil && len(parsed) > 0 && parsed[0].deny {
			problem = wrongList(text, "deny")
		}
		if problem != nil {
			return nil, problem.in("allow")
		}
		p.allow = append(p.allow, parsed...)
	}
	for _, text := range deny {
		kind := strings.TrimPrefix(strings.TrimPrefix(text, "--allow-"), "--deny-")
		if never(kind) != "" {
			continue // said for clarity
		}
		parsed, problem := parseFlag(text)
		if text == "read" || text == "write" { // the kind, not just the function's own folders
			parsed = []asked{{kind: text}}
		}
		if problem != nil {
			return nil, problem.in("deny")
		}
		p.deny = append(p.deny, parsed...)
	}
	return p, nil
}

func wrongList(text, list string) *problem {
	return &problem{fmt.Sprintf("%q denies something", text), "put it into " + list}
}

func (p *problem) in(list string) error {
	if p.hint == "" {
		return fmt.Errorf("%s: %s", list, p.message)
	}
	return fmt.Errorf("%s: %s: %s", list, p.message, p.hint)
}

// Check returns what the function asks for and cannot have.
func (p *Policy) Check(f Function) denofn.Diagnostics {
	if f.file == nil {
		return nil
	}
	var refused denofn.Diagnostics
	for _, a := range f.file.asked {
		if a.deny || p.grants(a) || !isInForce(a, f.Permissions) {
			continue
		}
		if len(refused) == maxWrong {
			break
		}
		refused = append(refused, f.file.at(a.at, a.flag()+" is not allowed: "+p.reason(a),
			fmt.Sprintf("whoever runs the machine can allow it in denofn.toml: [policy] allow = [%q]", a.flag())))
	}
	return refused.Sort()
}

// Denied returns the flags of a set that the policy does not grant.
func (p *Policy) Denied(set denofn.Permissions) []string {
	var denied []string
	for _, kind := range kindNames {
		access := set.Of(kind)
		all := make([]asked, 0, len(access.Allow)+1)
		if access.All {
			all = append(all, asked{kind: kind})
		}
		for _, value := range access.Allow {
			all = append(all, asked{kind: kind, value: value})
		}
		for _, a := range all {
			if !p.grants(a) {
				denied = append(denied, a.flag())
			}
		}
	}
	return denied
}

// isInForce reports whether a is part of the set that it led to: the file may
// deny all of a kind after it.
func isInForce(a asked, set denofn.Permissions) bool {
	access := set.Of(a.kind)
	return access.All || slices.Contains(access.Allow, a.value)
}

func (p *Policy) grants(a asked) bool {
	has := func(list []asked, covers func(asked) bool) bool { return slices.ContainsFunc(list, covers) }
	value := func(rule asked) bool { return rule.value != "" && covers(rule, a) }
	kind := func(rule asked) bool { return rule.value == "" && rule.kind == a.kind }
	within := func(rule asked) bool {
		return rule.kind == a.kind && rule.value != "" && (a.value == "" || covers(a, rule))
	}
	switch {
	case has(p.deny, value), has(p.deny, within):
		return false
	case has(p.allow, value):
		return true
	case has(p.deny, kind):
		return false
	case has(p.allow, kind):
		return true
	case a.kind == "read" || a.kind == "write":
		return isOwn(a.value)
	}
	return true
}

func (p *Policy) reason(a asked) string {
	for _, rule := range p.deny {
		if rule.kind == a.kind {
			return fmt.Sprintf("the policy of this machine denies %s", asked{kind: rule.kind, value: rule.value}.flag())
		}
	}
	verb := "read"
	if a.kind == "write" {
		verb = "write to"
	}
	return fmt.Sprintf("functions may %s ./data and ./tmp, their own folders", verb)
}

// covers reports whether a rule with a value takes in what is asked.
func covers(rule, a asked) bool {
	if rule.kind != a.kind || a.value == "" {
		return false
	}
	if rule.value == a.value {
		return true
	}
	switch a.kind {
	case "read", "write":
		return strings.HasPrefix(a.value, strings.TrimSuffix(rule.value, "/")+"/")
	case "env":
		prefix, ok := strings.CutSuffix(rule.value, "*")
		return ok && strings.HasPrefix(a.value, prefix)
	case "net":
		return coversHost(rule.value, a.value)
	}
	return false
}

func coversHost(rule, host string) bool {
	ruleName, rulePort := splitHost(rule)
	name, port := splitHost(host)
	if rulePort != "" && rulePort != port {
		return false
	}
	if domain, ok := strings.CutPrefix(ruleName, "*."); ok {
		return strings.HasSuffix(name, "."+domain)
	}
	if prefix, err := netip.ParsePrefix(ruleName); err == nil {
		if inner, err := netip.ParsePrefix(name); err == nil {
			return inner.Bits() >= prefix.Bits() && prefix.Contains(inner.Addr())
		}
		address, err := netip.ParseAddr(strings.Trim(name, "[]"))
		return err == nil && prefix.Contains(address)
	}
	return ruleName == name
}

// splitHost takes the port off a checked host.
func splitHost(s string) (name, port string) {
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		return s[:i], s[i+1:]
	}
	return s, ""
}
