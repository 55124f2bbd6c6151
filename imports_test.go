package denofn_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/denofn/denofn"

// forbidden lists which packages may not import which, and why. A name covers
// the packages below it. "elsewhere" is every module but ours and the standard
// library.
var forbidden = []struct {
	importer string
	imported []string
	except   []string
	why      string
}{
	{"", []string{"elsewhere"}, nil, "the vocabulary is standard library only: everybody imports it"},
	{"", []string{"gitreceive", "bundler", "procman", "micro", "systemd", "daemon", "cmd"}, nil, "the vocabulary knows nobody"},
	{"systemd", []string{"elsewhere"}, []string{"github.com/coreos/go-systemd/v22", "golang.org/x/sys"}, "systemd has one dependency, go-systemd, and the system calls"},
	{"systemd", []string{"gitreceive", "bundler", "procman", "micro", "daemon"}, nil, "systemd is about systemd"},
	{"micro", []string{"elsewhere"}, nil, "micro is TypeScript and its embedding"},
	{"micro", []string{"gitreceive", "bundler", "procman", "systemd", "daemon"}, nil, "micro is a library for function authors"},
	{"gitreceive", []string{"bundler", "procman", "systemd", "daemon"}, nil, "gitreceive knows a Deployer interface, nothing else"},
	{"bundler", []string{"gitreceive", "procman", "systemd", "daemon"}, nil, "bundler turns a tree into a bundle, nothing else"},
	{"procman", []string{"gitreceive", "bundler", "systemd", "daemon"}, nil, "procman runs releases, wherever they come from"},
	{"daemon/registry", []string{"daemon/gateway", "daemon/manifest", "daemon/gittree", "gitreceive", "bundler", "procman"}, nil, "the registry is where the two halves meet: it knows neither"},
	{"daemon/gateway", []string{"daemon/registry", "daemon/manifest", "daemon/gittree", "gitreceive", "bundler"}, nil, "the read half does not know the write half"},
	{"daemon/gateway/http1", []string{"elsewhere", "procman", "daemon/static"}, nil, "messages are read from bytes, whoever they are for"},
	{"daemon/static", []string{"daemon/registry", "daemon/gateway", "daemon/manifest", "daemon/gittree", "gitreceive", "bundler", "procman"}, nil, "static files are made from any tree and found in any folder"},
	{"daemon/metrics", []string{"daemon/registry", "daemon/gateway", "daemon/manifest", "daemon/gittree", "gitreceive", "bundler"}, nil, "parts count for themselves"},
	{"daemon/manifest", []string{"daemon/registry", "daemon/gateway", "daemon/gittree", "gitreceive", "bundler", "procman"}, nil, "a manifest is read from any tree"},
	{"daemon/admin", []string{"daemon/registry", "daemon/gateway", "daemon/manifest", "daemon/gittree", "gitreceive", "bundler", "procman"}, nil, "admin says what can be done; the daemon does it"},
	{"daemon/gittree", []string{"daemon/registry", "daemon/gateway", "daemon/manifest", "gitreceive", "bundler", "procman"}, nil, "a tree is read from any repository"},
}

// A goPackage is what `go list -json` tells of a package.
type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// within reports whether path is the package with our short name or below it.
// The root package, "", is only itself.
func within(path, short string) bool {
	own, ours := strings.CutPrefix(path, module)
	own = strings.TrimPrefix(own, "/")
	return ours && (own == short || short != "" && strings.HasPrefix(own, short+"/"))
}

func elsewhere(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".") && path != module && !strings.HasPrefix(path, module+"/")
}

func TestImportDirections(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, imported := range p.Imports {
			if within(imported, "cmd") {
				t.Errorf("%s imports %s: nothing imports cmd", p.ImportPath, imported)
			}
			for _, rule := range forbidden {
				if !within(p.ImportPath, rule.importer) || slices.ContainsFunc(rule.except, func(e string) bool { return imported == e || strings.HasPrefix(imported, e+"/") }) {
					continue
				}
				for _, name := range rule.imported {
					if name == "elsewhere" && elsewhere(imported) || name != "elsewhere" && within(imported, name) {
						t.Errorf("%s imports %s: %s", p.ImportPath, imported, rule.why)
					}
				}
			}
		}
	}
}

// Every package has one comment, in one file, and it says more than its name.
func TestPackageComments(t *testing.T) {
	for _, p := range listPackages(t) {
		var comments []string
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc != nil {
				comments = append(comments, file.Doc.Text())
			}
		}
		if len(comments) != 1 {
			t.Errorf("%s has %d package comments, not one", p.ImportPath, len(comments))
		} else if len(strings.Fields(comments[0])) < 8 {
			t.Errorf("%s: the package comment does not teach: %q", p.ImportPath, comments[0])
		}
	}
}
