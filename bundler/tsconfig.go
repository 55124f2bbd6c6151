package bundler

import (
	"bytes"
	"encoding/json"
	"maps"
	"path"
	"regexp"
)

// compilerOptions of deno.json that change what is printed. The others are for
// checking types.
var printedOptions = []string{"jsx", "jsxFactory", "jsxFragmentFactory", "jsxImportSource", "experimentalDecorators"}

// tsconfig returns what esbuild is told of compilerOptions: Deno's defaults, and
// what the author chose. "precompile" is an optimisation of "react-jsx" that only
// Deno has.
func (j *job) tsconfig() string {
	options := map[string]json.RawMessage{
		"target":                  json.RawMessage(`"ESNext"`),
		"useDefineForClassFields": json.RawMessage(`true`),
	}
	for _, name := range printedOptions {
		if value, ok := j.CompilerOptions[name]; ok {
			options[name] = value
		}
	}
	if jsx := string(options["jsx"]); jsx == `"precompile"` || jsx == `"react-jsxdev"` {
		options["jsx"] = json.RawMessage(`"react-jsx"`)
	}
	encoded, err := json.Marshal(map[string]any{"compilerOptions": maps.Clone(options)})
	if err != nil {
		return "{}"
	}
	return string(encoded)
}

// noteSettings notes a module whose code depends on compilerOptions: JSX does, and
// so do decorators, for which any @ is taken. Functions without either do not
// become others when a deno.json does.
func (c *compiler) noteSettings(name string, content []byte) {
	ext := path.Ext(name)
	if c.job.Settled || ext != ".tsx" && ext != ".jsx" && !bytes.Contains(content, []byte("@")) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unsettled = true
}

// changes reports whether any of the options changes what is printed.
func changes(options map[string]json.RawMessage) bool {
	for _, name := range printedOptions {
		if _, ok := options[name]; ok {
			return true
		}
	}
	return false
}

var (
	namesJSXSource  = regexp.MustCompile(`@jsxImportSource\s`)
	namesJSXRuntime = regexp.MustCompile(`@jsxRuntime\s`)
)

// withRuntime adds to a module that says where its JSX comes from that it comes
// from there: what Deno takes for granted, esbuild wants to be told.
func withRuntime(content []byte) []byte {
	if !namesJSXSource.Match(content) || namesJSXRuntime.Match(content) {
		return content
	}
	return append([]byte("/** @jsxRuntime automatic */ "), content...)
}
