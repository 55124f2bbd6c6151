package manifest

import (
	"slices"

	"github.com/denofn/denofn"
)

// Diff returns what has changed between two sets of permissions, one line each:
// "+ --allow-net=api.github.com" for what is new, "- …" for what is gone. Values
// stand alone, so that nobody has to compare lists.
func Diff(before, after denofn.Permissions) []string {
	old, now := single(before), single(after)
	var lines []string
	for _, flag := range now {
		if !slices.Contains(old, flag) {
			lines = append(lines, "+ "+flag)
		}
	}
	for _, flag := range old {
		if !slices.Contains(now, flag) {
			lines = append(lines, "- "+flag)
		}
	}
	return lines
}

// single returns p as flags with one value each.
func single(p denofn.Permissions) []string {
	var flags []string
	for _, kind := range kindNames {
		access := p.Of(kind)
		if access.All {
			flags = append(flags, asked{kind: kind}.flag())
		}
		for _, value := range access.Allow {
			flags = append(flags, asked{kind: kind, value: value}.flag())
		}
		for _, value := range access.Deny {
			flags = append(flags, asked{kind: kind, value: value, deny: true}.flag())
		}
	}
	return flags
}
