package bundler_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/bundler"
)

// TestCheck has types checked: those of the function, of what it names for types
// alone, of packages and of the library.
func TestCheck(t *testing.T) {
	p := newPackages(t)
	publishAll(p)
	p.publish("typed", "1.0.0", `{"types": "./index.d.ts"}`, map[string]string{"index.js": "exports.n = 1;", "index.d.ts": "export declare const n: number;"})
	b := p.bundler(t, bundler.Config{})
	files := map[string]string{
		"hello/index.ts": `import { createHandler } from "denofn/micro";
import * as seed from "../../src/micro/mod.ts";
import type { Name } from "./types.ts";
import { n } from "typed";
import { words } from "jsr:@std/words@1.0.0";
const name: Name = words;
export default createHandler(() => name + n.toFixed(1) + typeof seed);
`,
		"hello/types.ts": "import type { Deep } from \"../lib/deep.ts\";\nexport type Name = Deep;\n",
		"lib/deep.ts":    "export type Deep = string;\n",
		"deno.json":      `{"imports": {"typed": "npm:typed@1.0.0"}}`,
	}
	r, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(files), Entry: "hello/index.ts", Check: true})
	if err != nil {
		t.Fatal(describe(err))
	}
	for _, want := range []string{"hello/types.ts", "lib/deep.ts"} {
		if !slices.Contains(paths(r.Inputs), want) {
			t.Errorf("%s, which decides whether the types are right, is not among the inputs %v", want, paths(r.Inputs))
		}
	}

	files["lib/deep.ts"] = "export type Deep = number;\n"
	files["hello/index.ts"] += "export const größe: boolean = n;\n"
	_, err = b.Bundle(t.Context(), bundler.Source{Tree: newTree(files), Entry: "hello/index.ts", Check: true})
	if _, ok := errors.AsType[denofn.Diagnostics](err); !ok {
		t.Fatal(err)
	}
	compare(t, "check.golden", describe(err))
	if _, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(files), Entry: "hello/index.ts"}); err != nil {
		t.Errorf("types are checked that nobody asked for: %s", describe(err))
	}
}
