package gitreceive_test

import (
	"net"
	"os/exec"
	"testing"
)

func TestAudit(t *testing.T) {
	s := newSite(t, nil)
	_, port, _ := net.SplitHostPort(s.address)
	out, err := exec.Command("ssh-audit", "-p", port, "127.0.0.1").CombinedOutput()
	t.Logf("%v\n%s", err, out)
}
