package bundler

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// loadWasm returns a WebAssembly module as Deno imports it: an instance, whose
// exports are the module's and whose imports are modules. Only the names in it
// are read here.
func loadWasm(content []byte) api.OnLoadResult {
	names, err := readWasm(content)
	if err != nil {
		return api.OnLoadResult{Errors: []api.Message{{Text: "the WebAssembly module cannot be read: " + err.Error()}}}
	}
	var b strings.Builder
	for i, m := range names.imports {
		fmt.Fprintf(&b, "import * as import%d from %s;\n", i, quoteJS(m))
	}
	fmt.Fprintf(&b, "const bytes = Uint8Array.from(atob(%q), (c) => c.charCodeAt(0));\n", base64.StdEncoding.EncodeToString(content))
	b.WriteString("const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {")
	for i, m := range names.imports {
		fmt.Fprintf(&b, " %s: import%d,", quoteJS(m), i)
	}
	b.WriteString(" });\n")
	for i, e := range names.exports {
		fmt.Fprintf(&b, "const export%d = exports[%s];\nexport { export%d as %s };\n", i, quoteJS(e), i, quoteJS(e))
	}
	return loaded([]byte(b.String()), api.LoaderJS)
}

// wasmNames are the modules that a WebAssembly module imports from, each once in
// the order in which they come, and what it exports.
type wasmNames struct {
	imports []string
	exports []string
}

var errWasm = errors.New("it is cut short or damaged")

// readWasm reads the import and export sections:
// webassembly.github.io/spec/core/binary/modules.html.
func readWasm(content []byte) (wasmNames, error) {
	var names wasmNames
	header, rest, ok := cutBytes(content, 8)
	if !ok || string(header) != "\x00asm\x01\x00\x00\x00" {
		return names, errors.New("it does not begin as version 1 of the format does")
	}
	for len(rest) > 0 {
		id := rest[0]
		r := wasmReader{rest: rest[1:]}
		body := wasmReader{rest: r.bytes(r.number())}
		if r.failed {
			return names, errWasm
		}
		switch id {
		case 2:
			seen := make(map[string]bool)
			for n := body.number(); n > 0 && !body.failed; n-- {
				module := body.name()
				body.name()
				body.importKind()
				if !seen[module] && !body.failed {
					seen[module] = true
					names.imports = append(names.imports, module)
				}
			}
		case 7:
			for n := body.number(); n > 0 && !body.failed; n-- {
				name := body.name()
				body.bytes(1)
				body.number()
				if !body.failed {
					names.exports = append(names.exports, name)
				}
			}
		}
		if body.failed {
			return names, errWasm
		}
		rest = r.rest
	}
	return names, nil
}

// A wasmReader reads the parts of a section. After a failure it reads nothing.
type wasmReader struct {
	rest   []byte
	failed bool
}

func cutBytes(b []byte, n uint64) (head, tail []byte, ok bool) {
	if n > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

func (r *wasmReader) bytes(n uint64) []byte {
	head, tail, ok := cutBytes(r.rest, n)
	if !ok {
		r.failed, r.rest = true, nil
		return nil
	}
	r.rest = tail
	return head
}

// number reads an unsigned LEB128 number of up to 64 bits.
func (r *wasmReader) number() uint64 {
	var n uint64
	for shift := 0; shift < 64; shift += 7 {
		b := r.bytes(1)
		if r.failed {
			return 0
		}
		n |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return n
		}
	}
	r.failed = true
	return 0
}

func (r *wasmReader) name() string { return string(r.bytes(r.number())) }

// importKind skips what an import is.
func (r *wasmReader) importKind() {
	kind := r.bytes(1)
	if r.failed {
		return
	}
	switch kind[0] {
	case 0: // function: index of its type
		r.number()
	case 1: // table: type of its elements, limits
		r.bytes(1)
		r.limits()
	case 2: // memory: limits
		r.limits()
	case 3: // global: type, whether it can change
		r.bytes(2)
	case 4: // tag
		r.bytes(1)
		r.number()
	default:
		r.failed = true
	}
}

func (r *wasmReader) limits() {
	flags := r.bytes(1)
	r.number()
	if !r.failed && flags[0]&1 != 0 {
		r.number()
	}
}
