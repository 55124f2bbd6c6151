package bundler

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strings"
)

// denoInfo is what `deno info --json` says, as far as it is used.
type denoInfo struct {
	Modules   []denoModule          `json:"modules"`
	Redirects map[string]string     `json:"redirects"`
	NPM       map[string]npmInstall `json:"npmPackages"`
}

type denoModule struct {
	Specifier    string `json:"specifier"`
	Error        string `json:"error"`
	Local        string `json:"local"`
	Media        string `json:"mediaType"`
	NPM          string `json:"npmPackage"` // ID
	Dependencies []struct {
		Specifier string `json:"specifier"`
		Code      struct {
			Specifier string `json:"specifier"`
			Error     string `json:"error"`
		} `json:"code"`
	} `json:"dependencies"`
}

type npmInstall struct {
	Name         string   `json:"name"`
	Version      string   `json:"version"`
	Dependencies []string `json:"dependencies"` // IDs
	LocalPath    string   `json:"localPath"`
}

// A denoLock is a deno.lock, as far as it is used.
type denoLock struct {
	Specifiers map[string]string  `json:"specifiers"` // version by what was asked for
	Redirects  map[string]string  `json:"redirects"`
	Remote     map[string]string  `json:"remote"` // SHA-256 by address
	NPM        map[string]lockNPM `json:"npm"`
}

type lockNPM struct {
	Integrity    string          `json:"integrity"`
	Dependencies json.RawMessage `json:"dependencies"`
	OS           []string        `json:"os"`
	CPU          []string        `json:"cpu"`
}

// ofOnePlatform reports whether a package is installed on some machines alone. It
// is left out everywhere: what is in such packages is native, and a bundle is the
// same on every machine.
func (l lockNPM) ofOnePlatform() bool { return len(l.OS)+len(l.CPU) > 0 }

// readLock reads a lock file; one that is not there is empty.
func readLock(name string) ([]byte, denoLock, error) {
	content, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, denoLock{}, nil
	}
	if err != nil {
		return nil, denoLock{}, err
	}
	lock, err := parseLock(content)
	return content, lock, err
}

func parseLock(content []byte) (denoLock, error) {
	var l denoLock
	err := json.Unmarshal(content, &l)
	return l, err
}

// A reader turns what Deno says into a graph.
type reader struct {
	dir   string // the work folder
	info  denoInfo
	lock  denoLock
	graph *graph

	modules map[string]*denoModule // by specifier, and files of the tree by path
	local   map[string]string      // of remote modules: Deno's copy, by address
	needed  map[string]bool        // IDs of the packages to pack
}

func newReader(dir string, info denoInfo, lock denoLock) *reader {
	return &reader{
		dir: dir, info: info, lock: lock,
		graph:   &graph{Imports: make(map[string]map[string]target), Remote: make(map[string]remoteModule), Packages: make(map[string]npmPackage)},
		modules: make(map[string]*denoModule), local: make(map[string]string), needed: make(map[string]bool),
	}
}

// read follows the imports of a question.
func (r *reader) read(q question) {
	for i := range r.info.Modules {
		m := &r.info.Modules[i]
		r.modules[m.Specifier] = m
		if name, ok := r.inTree(m.Specifier); ok {
			r.modules[name] = m
		}
	}
	done := make(map[string]bool)
	for _, w := range q.Wants {
		if !done[w.Importer] {
			done[w.Importer] = true
			r.follow(w.Importer, r.modules[w.Importer])
		}
	}
}

// inTree returns the path in the tree that a file address means. Addresses are
// compared as paths, since no two programs escape them alike.
func (r *reader) inTree(specifier string) (string, bool) {
	if !strings.HasPrefix(specifier, "file:") {
		return "", false
	}
	u, err := url.Parse(specifier)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(path.Clean(u.Path), r.dir+"/")
}

// follow notes what the imports of a module mean, and goes on to remote modules
// that were not seen before.
func (r *reader) follow(importer string, m *denoModule) {
	if m == nil {
		return
	}
	for _, d := range m.Dependencies {
		if d.Code.Specifier == "" && d.Code.Error == "" {
			continue // types alone
		}
		r.graph.add(importer, d.Specifier, r.target(d.Code.Specifier, d.Code.Error))
	}
}

// target says what a resolved specifier is. asked is it before redirects.
func (r *reader) target(asked, failed string) target {
	if failed != "" {
		return target{Error: r.clean(failed)}
	}
	if isMicro(asked) {
		return target{Micro: true}
	}
	final := asked
	for range 20 {
		next, ok := r.info.Redirects[final]
		if !ok {
			break
		}
		final = next
	}
	if builtin, ok := strings.CutPrefix(final, "node:"); ok && isBuiltin(builtin) {
		return target{Builtin: final}
	}
	if strings.HasPrefix(final, "file:") {
		return r.fileTarget(final)
	}
	m := r.modules[final]
	switch {
	case m == nil:
		return target{Error: "Deno did not find " + quote(asked)}
	case m.Error != "":
		return target{Error: r.clean(m.Error), Asked: asked}
	case m.NPM != "":
		r.need(m.NPM)
		_, rest, _ := strings.Cut(strings.TrimPrefix(final, "npm:/"), "@"+r.info.NPM[m.NPM].Version)
		return target{Package: m.NPM, Subpath: "." + rest, Asked: asked, Found: r.info.NPM[m.NPM].Version}
	}
	if m.Local == "" { // a data: address that an import map names
		return target{Error: "the import leads to " + quote(final) + ", which is neither a file nor a module that was fetched"}
	}
	if _, seen := r.local[final]; !seen {
		r.local[final] = m.Local
		r.graph.Remote[final] = remoteModule{Media: m.Media}
		r.follow(final, m)
	}
	t := target{URL: final, Asked: asked}
	if asked != final {
		t.Found = final
	}
	return t
}

// fileTarget returns the path in the tree of a file that an import map names.
func (r *reader) fileTarget(specifier string) target {
	if name, ok := r.inTree(specifier); ok {
		return target{Repo: name}
	}
	return target{Error: "the import leads out of the repository", Hint: "only files of the repository can be imported"}
}

// need marks a package and those it depends on for packing.
func (r *reader) need(id string) {
	if _, installed := r.info.NPM[id]; r.needed[id] || !installed || r.lock.NPM[id].ofOnePlatform() {
		return
	}
	r.needed[id] = true
	for _, d := range r.info.NPM[id].Dependencies {
		r.need(d)
	}
}

// dependencies returns the packages that a package depends on, by the name that
// its code uses.
func (r *reader) dependencies(id string) map[string]string {
	found := make(map[string]string)
	aliases := r.aliases(id)
	for _, d := range r.info.NPM[id].Dependencies {
		if !r.needed[d] {
			continue
		}
		other := r.info.NPM[d]
		found[other.Name] = d
		for alias, wanted := range aliases {
			if other.Name+"@"+other.Version == wanted {
				found[alias] = d
			}
		}
	}
	return found
}

// describePackage says what of a package keeps it from working in a bundle.
func describePackage(files map[string][]byte) packageNote {
	var n packageNote
	var declared struct {
		Scripts map[string]any `json:"scripts"`
	}
	json.Unmarshal(files["package.json"], &declared)
	for _, name := range []string{"preinstall", "install", "postinstall"} {
		if declared.Scripts[name] != nil {
			n.Scripts = append(n.Scripts, name)
		}
	}
	for name := range files {
		if (path.Ext(name) == ".node" || name == "binding.gyp") && (n.Native == "" || name < n.Native) {
			n.Native = name
		}
	}
	return n
}

// aliases returns the dependencies of a package that its code knows by another
// name, which only the lock file tells: "name@npm:other@1.0.0".
func (r *reader) aliases(id string) map[string]string {
	var list []string
	json.Unmarshal(r.lock.NPM[id].Dependencies, &list)
	found := make(map[string]string)
	for _, d := range list {
		if alias, wanted, ok := strings.Cut(d, "@npm:"); ok {
			wanted, _, _ = strings.Cut(wanted, "_")
			found[alias] = wanted
		}
	}
	return found
}

// clean makes a message of Deno's one about the import.
func (r *reader) clean(message string) string {
	message = explainDeno(message, r.dir)
	if host, ok := strings.CutPrefix(message, "Requires import access to "); ok {
		host, _, _ = strings.Cut(host, ",")
		return "modules from " + host + " are not allowed"
	}
	return message
}

// metadataMark begins the last line of a module in Deno's cache: the headers it
// came with.
var metadataMark = []byte("\n// denoCacheMetadata=")

// readRemote reads Deno's copy of a remote module.
func readRemote(name string) ([]byte, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if at := bytes.LastIndex(content, metadataMark); at >= 0 {
		content = content[:at]
	}
	return content, nil
}
