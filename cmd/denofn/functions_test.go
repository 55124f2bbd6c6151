//go:build proof

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/denofn/denofn/micro/denotest"
)

// TestProofFunctions pushes functions on packages that people use. They come from
// the registry that npm is configured for on this machine.
func TestProofFunctions(t *testing.T) {
	deno := denotest.Path(t)
	registry, err := exec.Command("npm", "config", "get", "registry").Output()
	if err != nil {
		t.Fatalf("ask npm for its registry: %v", err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/proof",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			if err := setUpMachine(env, deno); err != nil {
				return err
			}
			config, err := os.OpenFile(filepath.Join(env.WorkDir, "denofn.toml"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer config.Close()
			_, err = fmt.Fprintf(config, "[bundler]\nnpm_registry = %q\n", strings.TrimSpace(string(registry)))
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": story((*machine).serve),
			"stop":  story((*machine).stop),
			"fetch": story((*machine).fetch),
		},
	})
}
