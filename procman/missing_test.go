package procman_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/denofn/denofn/procman"
	"github.com/denofn/denofn/procman/sandbox"
)

// What is mended alike is told once.
func TestMissingLayersAreToldTogether(t *testing.T) {
	var log bytes.Buffer
	missing := procman.TellMissing(slog.New(slog.NewTextHandler(&log, nil)), sandbox.Report{
		{Name: "landlock", Detail: "no kernel", Mend: "boot"},
		{Name: "seccomp", InForce: true},
		{Name: "memory", Detail: "not delegated", Mend: "delegate"},
		{Name: "cpu", Detail: "not delegated", Mend: "delegate"},
	})
	if !slices.Equal(missing, []string{"landlock", "memory", "cpu"}) {
		t.Errorf("missing is %v", missing)
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "layer=memory,cpu") || !strings.Contains(log.String(), "hint=delegate") {
		t.Errorf("%d records:\n%s", n, &log)
	}
}
