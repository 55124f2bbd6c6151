//go:build proof

package gitreceive_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/denofn/denofn/gitreceive"
)

// These tests take long, or need packages of Debian: ssh-audit, python3-pygit2 and
// python3-dulwich. make proof gets them.

// TestProofKill is TestKill, often enough to hit every moment of a push.
func TestProofKill(t *testing.T) { testKill(t, 200) }

// python is Debian's, for which the packages are.
const python = "/usr/bin/python3"

// ssh-audit has nothing to say against what the server offers. What is newer than
// Debian's ssh-audit it calls unknown, and warns of: the key exchange against
// quantum computers, and the mark of the remedy for the Terrapin attack.
func TestProofAudit(t *testing.T) {
	s := newSite(t, nil)
	_, port, _ := net.SplitHostPort(s.address)
	out, _ := exec.Command("ssh-audit", "--no-colors", "-p", port, "127.0.0.1").CombinedOutput()
	if !strings.Contains(string(out), "(key) ssh-ed25519") {
		t.Fatalf("ssh-audit says\n%s", out)
	}
	newer := regexp.MustCompile(`^\(kex\) (mlkem768x25519-sha256|kex-strict-s-v00@openssh\.com) +-- \[warn\] unknown algorithm$`)
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if (strings.Contains(line, "[warn]") || strings.Contains(line, "[fail]")) && !newer.MatchString(line) {
			t.Errorf("ssh-audit says  %s", line)
		}
	}
	if strings.Contains(string(out), "# security") || strings.Contains(string(out), "(cve)") {
		t.Errorf("ssh-audit says\n%s", out)
	}
}

// pickyDeployer refuses commits that ask for it.
type pickyDeployer struct{ fakeDeployer }

func (d *pickyDeployer) Prepare(ctx context.Context, push *gitreceive.Push) (gitreceive.Deployment, error) {
	if !push.New.IsZero() {
		commit, err := object.GetCommit(push.Objects, push.New)
		if err != nil {
			return nil, err
		}
		if commit.Message == "refuse me" {
			return nil, errors.New("refused, as asked")
		}
	}
	return d.fakeDeployer.Prepare(ctx, push)
}

// Other clients than git: libgit2, as IDEs have it, and Dulwich.
func TestProofClients(t *testing.T) {
	for _, client := range []string{"libgit2", "dulwich"} {
		t.Run(client, func(t *testing.T) {
			s := newSite(t, func(c *gitreceive.Config) {
				c.Deployer = &pickyDeployer{}
				c.LegacyMACs = client == "libgit2" // Debian 12's is built on libssh2 1.10
			})
			url := "ssh://git@" + s.address + "/app"
			if client == "dulwich" {
				url = "ssh://git@denofn/app"
			}
			script, err := filepath.Abs("testdata/peers/with_" + client + ".py")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(s.path("out"), 0o755); err != nil {
				t.Fatal(err)
			}
			out, err := s.run(".", python, script, url, s.path("key"), s.path("out"))
			if err != nil {
				t.Fatalf("%v\n%s\nlog:\n%s", err, out, s.log)
			}
			t.Log(strings.TrimSpace(out))
			s.sound("app")
			for _, clone := range []string{"out/clone", "out/work"} {
				s.git(clone, "fsck", "--strict")
			}
		})
	}
}
