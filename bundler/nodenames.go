package bundler

import (
	"fmt"
	"path"
	"regexp"

	"github.com/evanw/esbuild/pkg/api"
)

// Code in npm packages counts on names that Node gives to every module. Deno gives
// them too, but a bundle is not a CommonJS module. And reading a variable of the
// environment that is not granted throws in Deno where it is undefined in Node:
// libraries read many, for debugging mostly, which their user knows nothing of. So
// process.env is as in Node, and Deno.env as in Deno.

var (
	usesFileName     = regexp.MustCompile(`\b__(?:dir|file)name\b`)
	declaresFileName = regexp.MustCompile(`\b(?:const|let|var|function|class)\s+__(?:dir|file)name\b|\bimport\.meta\b`)
	globalProcess    = regexp.MustCompile(`\b(?:globalThis|global)\.process\b`)
)

// withNodeNames returns a JavaScript module of a package with the names that it
// uses and does not declare. What is added to a CommonJS module is before it on its
// first line, so that the lines stay where they are.
func withNodeNames(content []byte, name string, esm bool) []byte {
	content = globalProcess.ReplaceAllFunc(content, func(written []byte) []byte {
		return fmt.Appendf(nil, "%*s", len(written), "process") // columns stay where they are
	})
	var before string
	if !esm && usesFileName.Match(content) && !declaresFileName.Match(content) {
		at := "/npm/" + name // no real place: the package is not on the machine that runs the bundle
		before = "var __filename = " + quoteJS(at) + ", __dirname = " + quoteJS(path.Dir(at)) + "; "
	}
	if before == "" {
		return content
	}
	if len(content) > 1 && content[0] == '#' && content[1] == '!' {
		content = append([]byte("//"), content...)
	}
	return append([]byte(before), content...)
}

// processSpecifier is the module that a bundle has for node:process and for the
// global process. esbuild imports it into every module that uses the name, so that
// what replaces process.env.NODE_ENV goes first.
const processSpecifier = "denofn:process"

// processModule has process as node:process with an environment in which what is not granted
// is not there.
const processModule = `import real from "node:process";
function allowed(read, otherwise) {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return otherwise;
    throw error;
  }
}
// The proxy is of an empty object, since that of the real one is asked behind the
// traps, too.
const env = /* @__PURE__ */ new Proxy({}, {
  get: (_, name) => allowed(() => real.env[name]),
  set: (_, name, value) => Reflect.set(real.env, name, value),
  has: (_, name) => allowed(() => name in real.env, false),
  deleteProperty: (_, name) => allowed(() => Reflect.deleteProperty(real.env, name), true),
  ownKeys: () => allowed(() => Reflect.ownKeys(real.env), []),
  getOwnPropertyDescriptor: (_, name) => allowed(() => Reflect.getOwnPropertyDescriptor(real.env, name)),
});
export const process = /* @__PURE__ */ new Proxy(real, {
  get(target, name) {
    return name === "env" ? env : Reflect.get(target, name, target);
  },
});
`

// processResolved is what the specifier leads to. Functions that do not use it are
// without it.
var processResolved = api.OnResolveResult{Path: marked(processSpecifier), Namespace: spaceOwn, SideEffects: api.SideEffectsFalse}
