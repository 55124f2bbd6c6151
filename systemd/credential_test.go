package systemd_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/denofn/denofn/systemd"
)

func TestCredential(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), nil, 0o400); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if got := systemd.Credential("key"); got != filepath.Join(dir, "key") {
		t.Errorf("key is %q", got)
	}
	if got := systemd.Credential("other"); got != "" {
		t.Errorf("a credential that is not passed is %q", got)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if got := systemd.Credential("key"); got != "" {
		t.Errorf("without a service manager key is %q", got)
	}
}
