// Package manifest reads what a tree asks of denofn: which functions it holds,
// and what each of them wants to be allowed and how it wants to be run, which its
// registry.json says. It also has the policy: what the owner of the machine lets
// functions have.
//
// Everything here comes from whoever pushed it, so all that is wrong is found at
// once and told as denofn.Diagnostics, with the place in the file and what to do.
// Nothing is guessed: a key that nobody knows is an error, because a misspelt
// "permisions" that was skipped would be found out by the visitors of a function.
//
// find.go finds functions, parse.go reads a file, keys.go has its keys,
// permissions.go every spelling of a permission and values.go what a permission
// can be for, policy.go decides, and diff.go shows what has changed.
// registry.schema.json says the same to editors.
package manifest

import (
	_ "embed"

	"github.com/denofn/denofn"
)

// FileName is the name of the file beside a function in which it asks.
const FileName = "registry.json"

// Schema is the JSON Schema of a registry.json.
//
//go:embed registry.schema.json
var Schema []byte

// A Function is one function of a tree and what it asks for.
type Function struct {
	Name        denofn.FunctionName
	Dir         string // slash-separated, from the tree's root; "." for the root
	Entry       string // slash-separated, from the tree's root; empty: static files alone
	Permissions denofn.Permissions
	Settings    denofn.Settings
	Build       denofn.Build

	file *file // where it asks; nil: nowhere
}
