package bundler

import (
	"context"
	"path"
	"regexp"
	"strings"
)

// The workers of the web platform are bundles of their own, beside the included files. What starts one
// names a file of the repository, and finds there a line that imports the bundle.

// workerPrefix is before the path of the entry module of a worker.
const workerPrefix = "worker/"

// workersDir is the folder of a release with the bundles of workers.
const workersDir = filesDir + "/.workers"

// startsWorker matches the start of a worker as esbuild prints it.
var startsWorker = regexp.MustCompile(`\bnew (?:globalThis\.)?Worker\(\s*(?:new URL\(("(?:[^"\\]|\\.)*"), ` + metaName + `\.url\)|` + metaName + `\.resolve\(("(?:[^"\\]|\\.)*")\))`)

// noteWorkers notes which files of the tree a module starts as workers.
func (c *compiler) noteWorkers(name string, code []byte) {
	for _, m := range startsWorker.FindAllSubmatch(code, -1) {
		quoted := string(m[1]) + string(m[2])
		specifier := strings.Trim(quoted, `"`)
		if strings.ContainsAny(specifier, `\:`) {
			continue
		}
		if at, ok := joinSpecifier(path.Dir(name), specifier); ok && c.files.Read(at).Fault == faultNone {
			c.mu.Lock()
			c.workers[at] = true
			c.mu.Unlock()
		}
	}
}

// buildWorker bundles the worker with this entry module.
func (c *compiler) buildWorker(ctx context.Context, out *outcome, name string) error {
	bundle := path.Join(workersDir, name) + ".js"
	up := strings.Repeat("../", strings.Count(strings.TrimPrefix(bundle, filesDir+"/"), "/"))
	if err := c.build(ctx, out, output{workerPrefix + name, bundle, strings.TrimSuffix(up, "/")}); err != nil {
		return err
	}
	stub := path.Join(filesDir, name)
	relative := strings.Repeat("../", strings.Count(stub, "/")-1) + strings.TrimPrefix(bundle, filesDir+"/")
	if !strings.HasPrefix(relative, "../") {
		relative = "./" + relative
	}
	out.Files[stub] = []byte("import " + quoteJS(relative) + ";\n")
	return nil
}
