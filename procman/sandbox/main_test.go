package sandbox_test

import (
	"os"
	"testing"

	"github.com/denofn/denofn/procman/sandbox"
)

func TestMain(m *testing.M) {
	if sandbox.IsHelper() {
		sandbox.Main()
	}
	os.Exit(m.Run())
}
