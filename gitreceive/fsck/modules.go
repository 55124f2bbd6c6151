package fsck

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/config"
)

// MaxModulesBytes is the largest .gitmodules that is looked into; larger ones are
// refused.
const MaxModulesBytes = 1 << 20

// CheckModules checks the content of a .gitmodules file for what has made git run
// commands or write outside of the repository.
func CheckModules(hash plumbing.Hash, content []byte) error {
	return checkModules(content).of(plumbing.BlobObject, hash)
}

func checkModules(content []byte) *finding {
	parsed := config.New()
	if err := config.NewDecoder(bytes.NewReader(content)).Decode(parsed); err != nil {
		// As git: what it cannot read it does not use.
		return nil
	}
	for _, module := range parsed.Section("submodule").Subsections {
		if !safeModuleName(module.Name) {
			return found("gitmodulesName", "the submodule name %q is not safe", module.Name)
		}
		for _, option := range module.Options {
			switch strings.ToLower(option.Key) {
			case "url":
				if !safeModuleURL(option.Value) {
					return found("gitmodulesUrl", "the submodule address %q is not safe", option.Value)
				}
			case "path":
				if strings.HasPrefix(option.Value, "-") {
					return found("gitmodulesPath", "the submodule path %q is not safe", option.Value)
				}
			case "update":
				if strings.HasPrefix(option.Value, "!") {
					return found("gitmodulesUpdate", "the submodule update %q is a command", option.Value)
				}
			}
		}
	}
	return nil
}

// safeModuleName refuses names that lead out of .git/modules.
func safeModuleName(name string) bool {
	if name == "" {
		return false
	}
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == ".." {
			return false
		}
	}
	return true
}

// safeModuleURL refuses what ssh or curl would take as something else than an
// address.
func safeModuleURL(address string) bool {
	if strings.HasPrefix(address, "-") {
		return false
	}
	if strings.HasPrefix(address, "./") || strings.HasPrefix(address, "../") {
		decoded, err := url.PathUnescape(address)
		if err != nil {
			decoded = address
		}
		rest, ups := decoded, 0
		for {
			if r, ok := strings.CutPrefix(rest, "../"); ok {
				rest, ups = r, ups+1
			} else if r, ok := strings.CutPrefix(rest, "./"); ok {
				rest = r
			} else {
				break
			}
		}
		return !strings.Contains(decoded, "\n") && (ups == 0 || !strings.HasPrefix(rest, ":") && !strings.HasPrefix(rest, "/"))
	}
	for _, prefix := range []string{"http::", "https::", "ftp::", "ftps::"} {
		address = strings.TrimPrefix(address, prefix)
	}
	for _, scheme := range []string{"http://", "https://", "ftp://", "ftps://"} {
		if strings.HasPrefix(address, scheme) {
			decoded, err := url.PathUnescape(address)
			parsed, perr := url.Parse(address)
			return err == nil && perr == nil && parsed.Host != "" && !strings.ContainsAny(decoded, "\n\r")
		}
	}
	return !strings.Contains(address, "\n")
}
