package bundler

// A graph says what the imports mean that are not paths: Deno's answer for one set
// of them, in a form that has no path of this machine in it. compile looks up here
// and nowhere else.
type graph struct {
	// Imports has the answers by importer, a path of the tree or the address of a
	// remote module, and specifier.
	Imports map[string]map[string]target `json:"imports"`
	// Remote has the remote modules by address.
	Remote map[string]remoteModule `json:"remote,omitempty"`
	// Packages has the npm packages by the ID that Deno gives them:
	// "react-dom@19.1.0_react@19.1.0".
	Packages map[string]npmPackage `json:"packages,omitempty"`
	// RemotePack is the pack of the remote modules, by address.
	RemotePack string `json:"remotePack,omitempty"`
}

// A target is what one import means. One field is set, or Package with Subpath.
type target struct {
	Repo    string `json:"repo,omitempty"`    // path in the tree
	URL     string `json:"url,omitempty"`     // address in Remote
	Package string `json:"package,omitempty"` // ID in Packages
	Subpath string `json:"subpath,omitempty"` // "." or "./server"
	Builtin string `json:"builtin,omitempty"` // "node:fs"
	Micro   bool   `json:"micro,omitempty"`   // the embedded library
	Error   string `json:"error,omitempty"`   // why there is no answer
	Hint    string `json:"hint,omitempty"`    // what to do about Error
	Warning string `json:"warning,omitempty"` // something to know about an answer
	Asked   string `json:"asked,omitempty"`   // the specifier after import maps: "npm:hono@4"
	Found   string `json:"found,omitempty"`   // the version, or the address it led to
}

// A remoteModule is a module that came over https.
type remoteModule struct {
	Media string `json:"media"` // as Deno names it: "TypeScript", "Mjs"
}

// An npmPackage is one version of a package with what its imports lead to.
type npmPackage struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Dependencies map[string]string `json:"dependencies,omitempty"` // ID by the name that its code uses
	Pack         string            `json:"pack"`
	Scripts      []string          `json:"scripts,omitempty"` // lifecycle scripts that an installation would run
	Native       string            `json:"native,omitempty"`  // what shows that it has a native addon
}

// packs returns the names of the packs that the graph needs.
func (g *graph) packs() []string {
	var names []string
	if g.RemotePack != "" {
		names = append(names, g.RemotePack)
	}
	for _, p := range g.Packages {
		names = append(names, p.Pack)
	}
	return names
}

// find returns the answer for an import, if there is one.
func (g *graph) find(importer, specifier string) (target, bool) {
	if g == nil {
		return target{}, false
	}
	t, ok := g.Imports[importer][specifier]
	return t, ok
}
