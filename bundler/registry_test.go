package bundler_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/denofn/denofn/bundler"
)

// A packages is a registry of npm and of jsr packages, and a server of modules, on
// the loopback.
type packages struct {
	*httptest.Server

	mu       sync.Mutex                           // guards what follows
	npm      map[string]map[string][]byte         // archives by package and version
	meta     map[string]map[string]map[string]any // package.json likewise
	files    map[string]string                    // of jsr and https, by path
	requests int
}

func newPackages(t *testing.T) *packages {
	p := &packages{npm: make(map[string]map[string][]byte), meta: make(map[string]map[string]map[string]any), files: make(map[string]string)}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// bundler returns a Bundler that knows these registries and no others.
func (p *packages) bundler(t *testing.T, config bundler.Config) *bundler.Bundler {
	t.Helper()
	if config.CacheDir == "" {
		config.CacheDir = t.TempDir()
	}
	config.Env = []string{"NPM_CONFIG_REGISTRY=" + p.URL + "/npm/", "JSR_URL=" + p.URL + "/jsr/"}
	config.ImportHosts = []string{strings.TrimPrefix(p.URL, "http://")}
	return newBundlerWith(t, config)
}

// publish adds a version of an npm package: its files, and its package.json
// beyond name and version.
func (p *packages) publish(name, version, manifest string, files map[string]string) {
	m := map[string]any{}
	if manifest != "" {
		if err := json.Unmarshal([]byte(manifest), &m); err != nil {
			panic(err)
		}
	}
	m["name"], m["version"] = name, version
	encoded, _ := json.Marshal(m)
	all := maps.Clone(files)
	if all == nil {
		all = make(map[string]string)
	}
	all["package.json"] = string(encoded)
	if manifest != "" {
		all["package.json"] = strings.Replace(strings.TrimSpace(manifest), "{", `{"name": "`+name+`", "version": "`+version+`"`+comma(manifest), 1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.npm[name] == nil {
		p.npm[name], p.meta[name] = make(map[string][]byte), make(map[string]map[string]any)
	}
	p.npm[name][version], p.meta[name][version] = archive(all), m
}

func comma(manifest string) string {
	if strings.Trim(manifest, "{} \n\t") == "" {
		return ""
	}
	return ","
}

func archive(files map[string]string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w.WriteHeader(&tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(files[name]))})
		w.Write([]byte(files[name]))
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

// publishJSR adds a version of a jsr package with these modules and exports.
func (p *packages) publishJSR(name, version, exports string, files map[string]string) {
	manifest := map[string]any{}
	for file, text := range files {
		sum := sha256.Sum256([]byte(text))
		manifest["/"+file] = map[string]any{"size": len(text), "checksum": "sha256-" + hex.EncodeToString(sum[:])}
		p.file("/jsr/"+name+"/"+version+"/"+file, text)
	}
	encoded, _ := json.Marshal(map[string]any{"manifest": manifest, "exports": json.RawMessage(exports)})
	p.file("/jsr/"+name+"/"+version+"_meta.json", string(encoded))
	p.file("/jsr/"+name+"/meta.json", `{"latest": "`+version+`", "versions": {"`+version+`": {}}}`)
}

// file adds a file that the server has. "-> PATH" is a redirect.
func (p *packages) file(at, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[at] = text
}

func (p *packages) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

func (p *packages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	if text, ok := p.files[r.URL.Path]; ok {
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			http.Redirect(w, r, target, http.StatusFound)
			return
		}
		kinds := map[string]string{".ts": "application/typescript", ".js": "text/javascript", ".json": "application/json"}
		w.Header().Set("Content-Type", kinds[path.Ext(r.URL.Path)])
		w.Write([]byte(text))
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/npm/")
	if !ok {
		http.NotFound(w, r)
		return
	}
	if name, version, ok := strings.Cut(name, "/-/"); ok {
		w.Write(p.npm[name][strings.TrimSuffix(version, ".tgz")])
		return
	}
	versions := map[string]any{}
	latest := ""
	for version, content := range p.npm[name] {
		m := maps.Clone(p.meta[name][version])
		sum := sha512.Sum512(content)
		m["dist"] = map[string]any{
			"tarball":   p.URL + "/npm/" + name + "/-/" + version + ".tgz",
			"integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:]),
		}
		versions[version] = m
		latest = max(latest, version)
	}
	if latest == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"name": name, "dist-tags": map[string]string{"latest": latest}, "versions": versions})
}
