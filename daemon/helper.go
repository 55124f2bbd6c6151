package daemon

import (
	"os"
	"path/filepath"
)

// helperName is the program that becomes the process of a function.
const helperName = "denofn-sandbox"

// helperPath returns where the helper of this daemon's own release is: beside the
// binary, as make build leaves it, or in lib/denofn, as the package does. Without
// one, "", the daemon's own binary does its work, only later.
func helperPath() string {
	own, err := os.Executable()
	if err != nil {
		return ""
	}
	for _, dir := range []string{".", "../lib/denofn"} {
		path := filepath.Join(filepath.Dir(own), dir, helperName)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}
