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
	if os.Args[0] == programName {
		os.Exit(program(os.Args[1:]))
	}
	os.Exit(m.Run())
}
