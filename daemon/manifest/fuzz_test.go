package manifest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/manifest"
)

// FuzzParse feeds the parser whatever a push may hold. Every finding has a place
// in the file; what is accepted is safe to pass on and says the same when it is
// written down again.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"accepted.txtar", "refused.txtar"} {
		for _, c := range cases(f, name) {
			f.Add(c.Data)
		}
	}
	f.Fuzz(func(t *testing.T, registry []byte) {
		found, err := manifest.Find(hello(registry), "app")
		if err != nil {
			wrong, ok := errors.AsType[denofn.Diagnostics](err)
			if !ok || len(wrong) == 0 {
				t.Fatalf("not about the file: %v", err)
			}
			for _, d := range wrong {
				if d.Message == "" || strings.ContainsAny(d.Message, "\n\r") {
					t.Errorf("finding %+v", d)
				}
				if d.Line > 1+strings.Count(string(registry), "\n") || d.Line > 0 && (d.Column < 1 || d.Column > 1+len([]rune(d.Source+"\r"))) {
					t.Errorf("finding is outside of the file: %+v", d)
				}
			}
			return
		}
		function := found[0]
		for _, flag := range function.Permissions.Flags() {
			if strings.ContainsAny(flag, "\x00\n") || strings.HasPrefix(flag, "--allow-run") || strings.HasPrefix(flag, "--allow-ffi") || strings.HasPrefix(flag, "--allow-all") {
				t.Errorf("flag %q", flag)
			}
		}
		written := map[string]any{}
		if flags := function.Permissions.Flags(); flags != nil {
			written["permissions"] = flags
		}
		if function.Settings.Env != nil {
			written["env"] = function.Settings.Env
		}
		again, err := json.Marshal(written)
		if err != nil {
			t.Fatal(err)
		}
		second, err := manifest.Find(hello(again), "app")
		if err != nil {
			t.Fatalf("%s is accepted and %s is not: %v", registry, again, err)
		}
		if p := second[0].Permissions; !p.Equal(function.Permissions) {
			t.Errorf("%v became %v", function.Permissions.Flags(), p.Flags())
		}
	})
}
