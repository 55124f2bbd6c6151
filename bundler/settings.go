package bundler

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/denofn/denofn"
)

// settings are the files beside a function, in its folder or above it, in which
// its author tells Deno what imports mean and how to read modules.
type settings struct {
	// files are all that there are, by path.
	files map[string][]byte
	// compilerOptions are Deno's, as JSON by name.
	compilerOptions map[string]json.RawMessage
	// lock is the path of the lock file: the one that is there, or where Deno would
	// make it.
	lock string
	// dir is the nearest folder with settings, in which Deno is asked: all functions
	// that have the same are asked about at once.
	dir string
	// resolves says that there is something to look up bare names in.
	resolves bool
	// configured says that a deno.json was found: further up only one that is of a
	// workspace counts.
	configured bool
}

// denoConfigs are the names of Deno's own configuration, in its order.
var denoConfigs = []string{"deno.json", "deno.jsonc"}

// denoConfig is what is looked at here; Deno looks at the rest by itself.
type denoConfig struct {
	ImportMap       json.RawMessage            `json:"importMap"`
	Imports         map[string]json.RawMessage `json:"imports"`
	Scopes          json.RawMessage            `json:"scopes"`
	CompilerOptions map[string]json.RawMessage `json:"compilerOptions"`
	Workspace       json.RawMessage            `json:"workspace"`
	Lock            json.RawMessage            `json:"lock"`
}

// readSettings looks for settings in the folder of a function and in those above
// it. Each file it looked for becomes an input of the function, also one that is
// not there: made later, it would count.
func readSettings(files *recorder, dir string) (*settings, denofn.Diagnostics) {
	s := &settings{files: make(map[string][]byte), compilerOptions: make(map[string]json.RawMessage)}
	var found denofn.Diagnostics
	var root string // of the last folder with settings: the root of the workspace
	for {
		for _, name := range []string{"deno.json", "deno.jsonc", "package.json", "deno.lock", ".npmrc"} {
			at := path.Join(dir, name)
			content, ok := files.Look(at)
			if !ok {
				continue
			}
			s.files[at] = content
			s.dir = cmp.Or(s.dir, dir)
			switch name {
			case "deno.lock":
				if s.lock == "" {
					s.lock = at
				}
				continue
			case ".npmrc":
				continue
			}
			s.resolves = true
			root = dir
			if d, bad := checkJSON(at, content); bad {
				found = append(found, d)
				continue
			}
			if name != "package.json" {
				s.addConfig(files, at, content)
			}
		}
		if dir == "." {
			break
		}
		dir = path.Dir(dir)
	}
	s.dir = cmp.Or(s.dir, ".")
	if s.lock == "" {
		s.lock = path.Join(root, "deno.lock")
	}
	return s, found
}

// addConfig takes what a deno.json says, of which that nearest to the function
// wins, and the files that it names. Deno reads the others itself.
func (s *settings) addConfig(files *recorder, at string, content []byte) {
	var c denoConfig
	plain, err := hujson.Standardize(append(slices.Clone(content), '\n'))
	if err != nil || json.Unmarshal(plain, &c) != nil {
		return
	}
	if nearest := !s.configured; nearest || len(c.Workspace) > 0 {
		for key, value := range c.CompilerOptions {
			if _, nearer := s.compilerOptions[key]; !nearer {
				s.compilerOptions[key] = value
			}
		}
	}
	s.configured = true
	dir := path.Dir(at)
	var importMap string
	if json.Unmarshal(c.ImportMap, &importMap) == nil && !strings.Contains(importMap, "://") {
		s.take(files, path.Join(dir, importMap))
	}
	for _, member := range members(c.Workspace) {
		for _, folder := range expand(files, path.Join(dir, member)) {
			for _, name := range []string{"deno.json", "deno.jsonc", "package.json"} {
				s.take(files, path.Join(folder, name))
			}
		}
	}
}

func (s *settings) take(files *recorder, name string) {
	if strings.HasPrefix(name, "..") {
		return
	}
	if content, ok := files.Look(name); ok {
		s.files[name] = content
	}
}

// members returns the folders of a workspace, which is a list or an object with
// one.
func members(workspace json.RawMessage) []string {
	var list []string
	if json.Unmarshal(workspace, &list) == nil {
		return list
	}
	var object struct {
		Members []string `json:"members"`
	}
	json.Unmarshal(workspace, &object)
	return object.Members
}

// maxMembers is how many folders the patterns of a workspace may name.
const maxMembers = 1000

// expand returns the folders that a pattern with stars names.
func expand(files *recorder, pattern string) []string {
	folders := []string{"."}
	for element := range strings.SplitSeq(pattern, "/") {
		var next []string
		for _, folder := range folders {
			if !strings.ContainsAny(element, "*?[") {
				next = append(next, path.Join(folder, element))
				continue
			}
			for _, name := range files.List(folder) {
				if child, ok := strings.CutSuffix(name, "/"); ok && matchGlob(element, child) && child != "node_modules" {
					next = append(next, path.Join(folder, child))
				}
			}
		}
		folders = next[:min(len(next), maxMembers)]
	}
	return folders
}

// checkJSON says where a configuration file is not JSON, comments allowed.
func checkJSON(name string, content []byte) (denofn.Diagnostic, bool) {
	v, err := hujson.Parse(append(slices.Clone(content), '\n')) // which a comment may lack
	if err == nil {
		if v.Value.Kind() == '{' {
			return denofn.Diagnostic{}, false
		}
		return denofn.Diagnostic{File: name, Line: 1, Message: "the file has to hold a JSON object", Hint: "the smallest is {}"}, true
	}
	d := denofn.Diagnostic{File: name, Message: "the file is not JSON", Hint: "comments and trailing commas are fine; every other rule of JSON holds"}
	var line, column int
	text := strings.TrimPrefix(err.Error(), "hujson: ")
	if n, _ := fmt.Sscanf(text, "line %d, column %d:", &line, &column); n == 2 {
		_, reason, _ := strings.Cut(text, ": ")
		d.Message += ": " + reason
		d.SetPosition(content, offsetOf(content, line, column))
	}
	return d, true
}

// offsetOf returns the offset of a line and column, both from 1.
func offsetOf(text []byte, line, column int) int {
	offset := 0
	for range line - 1 {
		next := bytes.IndexByte(text[offset:], '\n')
		if next < 0 {
			break
		}
		offset += next + 1
	}
	return offset + column - 1
}
