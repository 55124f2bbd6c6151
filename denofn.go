// Package denofn is the vocabulary that every other package of denofn speaks:
// the names of functions and repositories, releases and what they record, the
// permissions a function asks for, and diagnostics that point into its source.
//
// It holds values and their grammar, never behaviour that touches the disk, the
// network or a process, and it imports nothing but the standard library.
package denofn

import (
	"fmt"
	"strings"
)

// MaxNameLength is the longest function or repository name, in bytes.
const MaxNameLength = 63

// A FunctionName names a function in the flat space that all repositories
// share. Its grammar is [A-Za-z0-9][A-Za-z0-9_-]{0,62}, so it is safe as a path
// element, a URL path segment and a log field as it is.
type FunctionName string

// A RepositoryName names a repository below STATE/repos. It has the grammar of
// a FunctionName, because a repository with a function at its root lends it its
// name.
type RepositoryName string

// Fold returns the form in which two names that differ only in case are equal.
func (n FunctionName) Fold() string { return strings.ToLower(string(n)) }

// Fold returns the form in which two names that differ only in case are equal.
func (n RepositoryName) Fold() string { return strings.ToLower(string(n)) }

// ParseFunctionName checks s against the grammar of function names.
// The error is a *NameError.
func ParseFunctionName(s string) (FunctionName, error) {
	if err := checkName("function", s); err != nil {
		return "", err
	}
	return FunctionName(s), nil
}

// ParseRepositoryName checks s against the grammar of repository names.
// The error is a *NameError.
func ParseRepositoryName(s string) (RepositoryName, error) {
	if err := checkName("repository", s); err != nil {
		return "", err
	}
	return RepositoryName(s), nil
}

// A NameError says why a name was refused.
type NameError struct {
	Kind   string // "function" or "repository"
	Name   string // as it was given
	Reason string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("%s name %q %s", e.Kind, e.Name, e.Reason)
}

func checkName(kind, s string) error {
	reason := ""
	switch {
	case s == "":
		reason = "is empty"
	case s[0] == '_' || s[0] == '.':
		reason = "is reserved: names that start with _ or . belong to denofn"
	case len(s) > MaxNameLength:
		reason = fmt.Sprintf("has %d characters, more than the %d allowed", len(s), MaxNameLength)
	default:
		for i := range len(s) {
			if c := s[i]; !isAlphanumeric(c) && (i == 0 || c != '_' && c != '-') {
				reason = "may only have letters, digits, _ and -, and must start with a letter or digit"
				break
			}
		}
	}
	if reason == "" {
		return nil
	}
	return &NameError{Kind: kind, Name: s, Reason: reason}
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
