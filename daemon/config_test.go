package daemon_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/denofn/denofn/daemon"
)

// readConfig reads text as a configuration file in a folder of its own, in which
// a program stands for Deno.
func readConfig(t *testing.T, text string) (*daemon.Config, string, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "deno"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "denofn.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := daemon.ReadConfig(path)
	return c, dir, err
}

const withDeno = "deno = \"deno\"\nruntime_dir = \"/run/denofn\"\n"

func TestConfigDefaults(t *testing.T) {
	c, dir, err := readConfig(t, withDeno)
	if err != nil {
		t.Fatal(err)
	}
	want := daemon.DefaultConfig()
	if c.StateDir != want.StateDir || c.HTTP.Listen != "127.0.0.1:8000" || c.SSH.Listen != "127.0.0.1:2222" || c.DeployBranch != "main" {
		t.Errorf("not the defaults: %+v", c)
	}
	if c.Functions.IdleTimeout.Duration != 5*time.Minute || c.HTTP.MaxBody != 100<<20 {
		t.Errorf("not the defaults: %+v", c)
	}
	if c.Deno != filepath.Join(dir, "deno") {
		t.Errorf("deno is %s: a relative path is taken from the file's folder", c.Deno)
	}
}

func TestConfigValues(t *testing.T) {
	c, dir, err := readConfig(t, withDeno+`
state_dir = "state"
deploy_branch = "live"
[http]
listen = "[::1]:80"
max_body = "1G"
[functions]
timeout = "1m30s"
[policy]
allow_private_net = true
`)
	if err != nil {
		t.Fatal(err)
	}
	if c.StateDir != filepath.Join(dir, "state") || c.DeployBranch != "live" || c.HTTP.Listen != "[::1]:80" ||
		c.HTTP.MaxBody != 1<<30 || c.Functions.Timeout.Duration != 90*time.Second || !c.Policy.AllowPrivateNet {
		t.Errorf("%+v", c)
	}
}

// Every mistake is told with its line and what to write instead.
func TestConfigMistakes(t *testing.T) {
	long := "/" + strings.Repeat("x", 60)
	for _, test := range []struct {
		name, text string
		line       int
		says       []string
	}{
		{"unknown key", withDeno + "sate_dir = \"x\"", 3, []string{"unknown key sate_dir", "did you mean state_dir?"}},
		{"unknown key in a table", withDeno + "[ssh]\n\nlissen = \"x\"", 5, []string{"did you mean ssh.listen?"}},
		{"unknown table", withDeno + "[htpp]\nlisten = \"x\"", 3, []string{"did you mean http?"}},
		{"a key like no other", withDeno + "qqqqqqqqqqqqqqqqqqqq = 1", 3, []string{"unknown key qqq"}},
		{"not TOML", withDeno + "state_dir = ", 3, nil},
		{"wrong type", withDeno + "state_dir = 3", 3, []string{"state_dir"}},
		{"no duration", withDeno + "[functions]\ntimeout = \"soon\"", 4, []string{"functions.timeout", `"soon" is not a duration`, `"30s"`}},
		{"no size", withDeno + "[http]\nmax_body = \"much\"", 4, []string{"http.max_body", `"much" is not a size`}},
		{"no limit", withDeno + "[http]\nmax_body = \"0\"", 0, []string{"http.max_body must not be 0"}},
		{"no branch", withDeno + "deploy_branch = \"a b\"", 0, []string{"deploy_branch", "not the name of a branch"}},
		{"long socket path", "deno = \"deno\"\nruntime_dir = \"" + long + "\"", 0, []string{"runtime_dir", "bytes too long"}},
		{"comma in a path", withDeno + "state_dir = \"/srv/a,b\"", 0, []string{"/srv/a,b", "comma", "state_dir"}},
		{"no Deno", "deno = \"nothing\"\nruntime_dir = \"/run/denofn\"", 0, []string{"deno: ", "not a program"}},
		{"policy", withDeno + "[policy]\nallow = [\"--allow-everything\"]", 0, []string{"policy: ", "--allow-everything"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, dir, err := readConfig(t, test.text)
			config, ok := errors.AsType[*daemon.ConfigError](err)
			if !ok {
				t.Fatalf("the error is %v", err)
			}
			if config.Line != test.line || config.Path != filepath.Join(dir, "denofn.toml") {
				t.Errorf("the error points at %s:%d, not line %d", config.Path, config.Line, test.line)
			}
			for _, text := range test.says {
				if !strings.Contains(config.Error(), text) {
					t.Errorf("%q does not say %q", config, text)
				}
			}
		})
	}
}

func TestConfigFileMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.toml")
	if _, err := daemon.ReadConfig(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that was named and is missing: %v", err)
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{withDeno, "[http]\nlisten = \"x\"", "[a", "x = {", "[policy]\nallow = [1]", "[[http]]", "http.listen = 1", "\"a\\u0000\" = 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _, err := readConfig(t, text)
		if config, ok := errors.AsType[*daemon.ConfigError](err); ok && (config.Line < 0 || config.Line > strings.Count(text, "\n")+1) {
			t.Errorf("line %d of %q", config.Line, text)
		}
	})
}
