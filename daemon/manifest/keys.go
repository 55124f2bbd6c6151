package manifest

import (
	"encoding"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/denofn/denofn"
)

// Bounds of what a function may ask for. Below the least, no Deno starts.
const (
	leastMemory    = 32 << 20
	leastTasks     = 8
	mostTasks      = 10_000
	mostRequests   = 100_000
	mostInstances  = 100
	mostHostLength = 253
	mostPatterns   = 100
)

// keys returns the keys of a registry.json.
func keys() []key {
	return []key{
		{"$schema", func(f *file, v hujson.Value) { f.str(v, "$schema") }},
		{"functions", readFunctions},
		{"entry", readEntry},
		{"permissions", readPermissions},
		{"whitelist", readWhitelist},
		{"env", readEnv},
		{"warmupOnStart", func(f *file, v hujson.Value) { f.settings.WarmupOnStart, _ = f.boolean(v, "warmupOnStart") }},
		{"idleTimeout", func(f *file, v hujson.Value) { readDuration(f, v, "idleTimeout", &f.settings.IdleTimeout) }},
		{"timeout", func(f *file, v hujson.Value) { readDuration(f, v, "timeout", &f.settings.Timeout) }},
		{"concurrency", func(f *file, v hujson.Value) {
			f.settings.Concurrency, _ = f.integer(v, "concurrency", 1, mostRequests)
		}},
		{"instances", readInstances},
		{"memory", readMemory},
		{"cpu", readCPU},
		{"tasks", func(f *file, v hujson.Value) { f.settings.Tasks, _ = f.integer(v, "tasks", leastTasks, mostTasks) }},
		{"handler", readHandler},
		{"static", readStatic},
		{"spa", func(f *file, v hujson.Value) { f.settings.SPA, _ = f.boolean(v, "spa") }},
		{"hosts", readHosts},
		{"include", readInclude},
		{"check", func(f *file, v hujson.Value) { f.build.Check, _ = f.boolean(v, "check") }},
	}
}

// marks reports whether the file makes a function of a folder that has no index
// file.
func (f *file) marks() bool {
	return slices.ContainsFunc(f.set, func(s span) bool { return s.name == "entry" || s.name == "static" })
}

func readFunctions(f *file, v hujson.Value) {
	f.functionsKey = spanOf(v)
	patterns, ok := f.strings(v, "functions")
	if !ok {
		return
	}
	f.functions = make([]located, 0, len(patterns))
	if len(patterns) > mostPatterns {
		f.refuse(patterns[mostPatterns].key, fmt.Sprintf("functions: this is more than %d patterns", mostPatterns), "** stands for any folders")
		patterns = patterns[:mostPatterns]
	}
	for _, p := range patterns {
		if reason := checkGlob(p.text); reason != "" {
			f.refuse(p.key, fmt.Sprintf("functions: %q is no pattern for folders: %s", p.text, reason), `write it like "supabase/functions/*"`)
			continue
		}
		f.functions = append(f.functions, p)
	}
}

func readEntry(f *file, v hujson.Value) {
	text, ok := f.str(v, "entry")
	if !ok {
		return
	}
	name, ok := f.localPath(v, "entry", text, "main.ts")
	if !ok {
		return
	}
	if extensions := []string{".ts", ".tsx", ".js", ".jsx", ".mts", ".mjs"}; !slices.Contains(extensions, path.Ext(name)) {
		f.refuse(spanOf(v), fmt.Sprintf("entry: %q is not a module that can be run", text), "its name must end in "+strings.Join(extensions, ", "))
		return
	}
	f.entry = name
}

// localPath checks a path that must stay below the function's folder and returns
// it without what is superfluous.
func (f *file) localPath(v hujson.Value, what, text, example string) (string, bool) {
	name := path.Clean(text)
	if text == "" || name == "." || !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00") {
		f.refuse(spanOf(v), fmt.Sprintf("%s: %q is not a path below the function's folder", what, text), fmt.Sprintf("write it like %q", example))
		return "", false
	}
	return name, true
}

func readEnv(f *file, v hujson.Value) {
	object, ok := f.object(v, "env")
	if !ok {
		return
	}
	f.settings.Env = make(map[string]string, len(object.Members))
	for _, m := range object.Members {
		name := m.Name.Value.(hujson.Literal).String()
		if reason, hint := checkVariable(name); reason != "" {
			f.refuse(spanOf(m.Name), fmt.Sprintf("env: %q %s", name, reason), hint)
			continue
		}
		if _, ok := f.settings.Env[name]; ok {
			f.refuse(spanOf(m.Name), fmt.Sprintf("env: %q is here a second time", name), "leave one of them")
			continue
		}
		if m.Value.Value.Kind() != '"' {
			f.refuse(spanOf(m.Value), fmt.Sprintf("env: the value of %s must be a string, not %s", name, typeOf(m.Value)), "write it in quotation marks")
			continue
		}
		value := m.Value.Value.(hujson.Literal).String()
		if strings.ContainsRune(value, 0) {
			f.refuse(spanOf(m.Value), fmt.Sprintf("env: the value of %s has a character that no variable can have", name), "")
			continue
		}
		f.settings.Env[name] = value
	}
	if len(f.settings.Env) == 0 {
		f.settings.Env = nil
	}
}

// readText reads a string that a type of package denofn understands.
func (f *file) readText(v hujson.Value, what string, into encoding.TextUnmarshaler) bool {
	text, ok := f.str(v, what)
	if !ok {
		return false
	}
	if err := into.UnmarshalText([]byte(text)); err != nil {
		f.refuse(spanOf(v), fmt.Sprintf("%s: %v", what, err), "")
		return false
	}
	return true
}

func readDuration(f *file, v hujson.Value, what string, into *denofn.Duration) {
	if f.readText(v, what, into) && into.Duration == 0 {
		f.refuse(spanOf(v), what+" must not be 0", `write how long, like "5s"; without the key, the daemon's default holds`)
	}
}

func readMemory(f *file, v hujson.Value) {
	if f.readText(v, "memory", &f.settings.Memory) && f.settings.Memory < leastMemory {
		f.refuse(spanOf(v), fmt.Sprintf("memory: a process does not start with less than %v", denofn.Bytes(leastMemory)), "")
	}
}

func readCPU(f *file, v hujson.Value) {
	if f.readText(v, "cpu", &f.settings.CPU) && f.settings.CPU == 0 {
		f.refuse(spanOf(v), "cpu must not be 0%", "")
	}
}

func readInstances(f *file, v hujson.Value) {
	object, ok := f.object(v, "instances")
	if !ok {
		return
	}
	in := &f.settings.Instances
	f.members(object, []key{
		{"min", func(f *file, v hujson.Value) { in.Min, _ = f.integer(v, "instances.min", 0, mostInstances) }},
		{"max", func(f *file, v hujson.Value) { in.Max, _ = f.integer(v, "instances.max", 1, mostInstances) }},
	}, "instances")
	if in.Max > 0 && in.Min > in.Max {
		f.refuse(spanOf(v), fmt.Sprintf("instances: min is %d and max only %d", in.Min, in.Max), "")
	}
}

func readHandler(f *file, v hujson.Value) {
	text, ok := f.str(v, "handler")
	if !ok {
		return
	}
	switch h := denofn.Handler(text); h {
	case denofn.HandlerHTTP: // the default, and the same release as without the key
	case denofn.HandlerTask:
		f.settings.Handler = h
	default:
		f.refuse(spanOf(v), fmt.Sprintf(`handler must be "http" or "task", not %q`, text), "")
	}
}

func readStatic(f *file, v hujson.Value) {
	if text, ok := f.str(v, "static"); ok {
		f.settings.Static, _ = f.localPath(v, "static", text, "public")
	}
}

func readHosts(f *file, v hujson.Value) {
	hosts, _ := f.strings(v, "hosts")
	for _, h := range hosts {
		name := strings.TrimSuffix(strings.ToLower(h.text), ".")
		if !isHostName(name) {
			f.refuse(h.key, fmt.Sprintf("hosts: %q is not the name of a host", h.text), `write the name alone, like "blog.example.com"`)
			continue
		}
		f.settings.Hosts = append(f.settings.Hosts, name)
	}
	slices.Sort(f.settings.Hosts)
	f.settings.Hosts = slices.Compact(f.settings.Hosts)
}

func readInclude(f *file, v hujson.Value) {
	patterns, _ := f.strings(v, "include")
	for _, p := range patterns {
		if reason := checkGlob(p.text); reason != "" {
			f.refuse(p.key, fmt.Sprintf("include: %q is no pattern for files: %s", p.text, reason), `write it like "templates/*.html"`)
			continue
		}
		f.build.Include = append(f.build.Include, path.Clean(p.text))
	}
	slices.Sort(f.build.Include)
	f.build.Include = slices.Compact(f.build.Include)
}

// complete checks the values against each other.
func (f *file) complete() {
	f.completePermissions()
	if f.settings.SPA && f.settings.Static == "" && f.spans["static"] == (span{}) {
		f.refuse(f.spans["spa"], `"spa" needs "static"`, "name the folder that holds index.html")
	}
	if f.settings.Handler != denofn.HandlerTask {
		return
	}
	for _, name := range []string{"warmupOnStart", "static", "spa", "hosts", "instances", "concurrency", "idleTimeout"} {
		if at, ok := f.spans[name]; ok {
			f.refuse(at, fmt.Sprintf("%q is not for a task: it runs once a call and serves nobody", name), `remove it, or "handler": "task"`)
		}
	}
	for _, a := range f.asked {
		if a.kind == "net" && !a.deny {
			f.refuse(a.at, "a task has no network", `remove the permission, or "handler": "task"`)
		}
	}
}

// checkAgainst checks the file against the tree that it is in.
func (f *file) checkAgainst(tree fs.FS, dir string) denofn.Diagnostics {
	var wrong denofn.Diagnostics
	exists := func(name string, folder bool) bool {
		info, err := fs.Stat(tree, path.Join(dir, name))
		return err == nil && info.IsDir() == folder
	}
	if f.entry != "" && !exists(f.entry, false) {
		wrong = append(wrong, f.at(f.spans["entry"], fmt.Sprintf("entry: there is no file %s", path.Join(dir, f.entry)), "the path starts at the function's folder"))
	}
	static := f.settings.Static
	if static != "" && !exists(static, true) {
		wrong = append(wrong, f.at(f.spans["static"], fmt.Sprintf("static: there is no folder %s", path.Join(dir, static)), "the path starts at the function's folder; what a build makes has to be committed"))
	} else if static != "" && f.settings.SPA && !exists(path.Join(static, "index.html"), false) {
		wrong = append(wrong, f.at(f.spans["spa"], fmt.Sprintf("spa: there is no %s", path.Join(dir, static, "index.html")), "it answers the paths that are no files"))
	}
	return wrong
}
