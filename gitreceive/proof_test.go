//go:build proof

package gitreceive_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
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

// Pushes, fetches and consolidation at once: every clone is whole, and so is the
// repository at the end.
func TestProofBusy(t *testing.T) {
	s := newSite(t, nil)
	s.repository("app")
	s.git("app", "push", "-q", "denofn", "main")
	const pushers, pushes = 3, 30
	var group sync.WaitGroup
	done := make(chan struct{})
	for n := range pushers {
		name := fmt.Sprint("pusher", n)
		s.git(".", "clone", "-q", "ssh://git@denofn/app", name)
		group.Go(func() {
			for i := range pushes {
				s.write(name+"/"+name, strings.Repeat(fmt.Sprint("a line of ", name, "\n"), 100)+fmt.Sprint(i))
				for _, args := range [][]string{
					{"add", "-A"}, {"commit", "-q", "-m", fmt.Sprint(i)},
					{"push", "-q", "origin", "+HEAD:refs/heads/" + name, fmt.Sprintf("HEAD:refs/tags/%s-%d", name, i)},
				} {
					if out, err := s.run(name, "git", args...); err != nil {
						t.Errorf("%s: git %v: %v\n%s", name, args, err, out)
						return
					}
				}
				if i%7 == 6 { // leave something behind
					s.run(name, "git", "reset", "-q", "--hard", "HEAD~2")
				}
			}
		})
	}
	var cloners sync.WaitGroup
	for n := range 2 {
		cloners.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				name := fmt.Sprintf("clone%d-%d", n, i)
				for _, args := range [][]string{{"clone", "-q", "--mirror", "ssh://git@denofn/app", name}, {"-C", name, "fsck", "--strict"}} {
					if out, err := s.run(".", "git", args...); err != nil {
						t.Errorf("git %v: %v\n%s", args, err, out)
						return
					}
				}
				os.RemoveAll(s.path(name))
			}
		})
	}
	group.Wait()
	close(done)
	cloners.Wait()
	s.sound("app")
	if !strings.Contains(s.log.String(), "repository consolidated") {
		t.Error("nothing was consolidated")
	}
}

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
