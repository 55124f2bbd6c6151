package gitreceive_test

import (
	"strings"
	"testing"
)

func TestPushAndCloneBack(t *testing.T) {
	s := newSite(t, nil)
	s.repository("app")
	out := s.git("app", "push", "denofn", "main")
	if !strings.Contains(out, "remote: deploying") || !strings.Contains(out, "new branch") {
		t.Errorf("push said\n%s", out)
	}
	s.sound("app")
	push := s.deployer.last(t)
	if head := s.head("app", "main"); push.New.String() != head || s.deployer.live.String() != head || !push.Old.IsZero() {
		t.Errorf("deployed %v, not %s", push, head)
	}
	for i := range 5 {
		s.write("app/file", strings.Repeat("line\n", 1000+i))
		s.commit("app", "more")
		s.git("app", "push", "-q", "denofn", "main")
	}
	s.sound("app")
}
