package systemd

import (
	"os"
	"path/filepath"
)

// Credential returns the path of the file that holds the credential which the unit
// passes under this name, or "" when it passes none.
func Credential(name string) string {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return ""
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
