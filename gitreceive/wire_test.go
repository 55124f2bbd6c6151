package gitreceive_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/crypto/ssh"

	"github.com/denofn/denofn/gitreceive"
)

// What git would never send.

// A packBuilder makes a pack by hand.
type packBuilder struct {
	body  []byte
	count int
}

func (b *packBuilder) add(kind plumbing.ObjectType, content string, base []byte) plumbing.Hash {
	size := len(content)
	c := byte(kind)<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		b.body = append(b.body, c|0x80)
		c = byte(size & 0x7f)
	}
	b.body = append(append(b.body, c), base...)
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	io.WriteString(w, content)
	w.Close()
	b.body = append(b.body, z.Bytes()...)
	b.count++
	return plumbing.ComputeHash(kind, []byte(content))
}

func (b *packBuilder) bytes() []byte {
	pack := binary.BigEndian.AppendUint32([]byte("PACK"), 2)
	pack = binary.BigEndian.AppendUint32(pack, uint32(b.count))
	pack = append(pack, b.body...)
	sum := sha1.Sum(pack)
	return append(pack, sum[:]...)
}

// commit adds a commit of a tree with one file.
func (b *packBuilder) commit(text string, parents ...string) plumbing.Hash {
	blob := b.add(plumbing.BlobObject, text, nil)
	tree := b.add(plumbing.TreeObject, "100644 file\x00"+string(blob[:]), nil)
	return b.commitOf(tree, parents...)
}

func (b *packBuilder) commitOf(tree plumbing.Hash, parents ...string) plumbing.Hash {
	header := fmt.Sprintf("tree %s\n", tree)
	for _, p := range parents {
		header += "parent " + p + "\n"
	}
	return b.add(plumbing.CommitObject, header+"author A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000\n\nm\n", nil)
}

// talk sends bytes to one of git's commands and returns what comes back. The
// advertisement is read before anything is sent.
func talk(t *testing.T, client *ssh.Client, command string, send []byte) (out, stderr string) {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var o, e bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = bytes.NewReader(send), &o, &e
	session.Run(command)
	return o.String(), e.String()
}

const caps = "\x00report-status side-band-64k object-format=sha1 agent=test/1"

func TestHostilePush(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.git("app", "push", "-q", "denofn", "main")
	head := s.head("app", "main")
	client := s.dial(t)
	refs := s.git("app", "ls-remote", "denofn")

	var whole packBuilder
	good := whole.commit("good").String()
	pack := whole.bytes()
	create := func(hash, name string) []byte { return request(t, none+" "+hash+" "+name+caps, "") }
	with := func(head []byte, pack []byte) []byte { return append(append([]byte(nil), head...), pack...) }
	build := func(f func(*packBuilder) string) []byte {
		var b packBuilder
		hash := f(&b)
		return with(create(hash, "refs/heads/x"), b.bytes())
	}
	bare := plumbing.NewHash(some)
	for name, c := range map[string]struct {
		send []byte
		want string
	}{
		"missing tree":   {build(func(b *packBuilder) string { return b.commitOf(bare).String() }), "the tree " + some + " is missing"},
		"missing parent": {build(func(b *packBuilder) string { return b.commit("x", some).String() }), "the commit " + some + " is missing"},
		"missing blob": {build(func(b *packBuilder) string {
			return b.commitOf(b.add(plumbing.TreeObject, "100644 f\x00"+string(bare[:]), nil)).String()
		}), "the blob " + some + " is missing"},
		"wrong kind": {build(func(b *packBuilder) string {
			return b.commitOf(b.add(plumbing.BlobObject, "no tree", nil)).String()
		}), "refers to it as a tree"},
		"missing tip":  {with(create(some, "refs/heads/x"), pack), "is missing"},
		"blob as head": {build(func(b *packBuilder) string { return b.add(plumbing.BlobObject, "x", nil).String() }), "a branch points at a commit"},
		"delta without base": {build(func(b *packBuilder) string {
			b.add(plumbing.REFDeltaObject, "\x05\x05\x90\x05", bare[:])
			return some
		}), "delta without its base"},
		"delta circle": {build(func(b *packBuilder) string {
			b.add(plumbing.OFSDeltaObject, "\x05\x05\x90\x05", []byte{0x40})
			return some
		}), "delta without its base"},
		"bad delta": {build(func(b *packBuilder) string {
			h := b.add(plumbing.BlobObject, "hello", nil)
			b.add(plumbing.REFDeltaObject, "\x05\x7f\x90\x7f", h[:])
			return some
		}), "malformed delta"},
		"cut short":     {with(create(good, "refs/heads/x"), pack[:len(pack)-30]), "unexpected EOF"},
		"damaged":       {with(create(good, "refs/heads/x"), append(pack[:len(pack)-1:len(pack)-1], pack[len(pack)-1]^1)), "its checksum is wrong"},
		"no pack":       {create(good, "refs/heads/x"), "unexpected EOF"},
		"not a pack":    {with(create(good, "refs/heads/x"), []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), "not a packfile"},
		"bad ref":       {with(create(good, "refs/heads/../../x"), pack), "is not the name of a ref"},
		"HEAD":          {with(create(good, "HEAD"), pack), "is not the name of a ref"},
		"config":        {with(create(good, "config"), pack), "is not the name of a ref"},
		"twice":         {with(request(t, none+" "+good+" refs/heads/x"+caps, none+" "+good+" refs/heads/x", some+" "+good+" refs/heads/y", ""), pack), "in this push twice"},
		"stale":         {with(request(t, some+" "+good+" refs/heads/main"+caps, ""), pack), "main moved while you pushed: fetch first"},
		"stale delete":  {request(t, some+" "+none+" refs/heads/main"+caps, ""), "main moved while you pushed: fetch first"},
		"sha256":        {request(t, none+" "+some+" refs/heads/x\x00report-status object-format=sha256", ""), "this repository has sha256 objects"},
		"signed":        {request(t, "push-cert\x00"+caps[1:], ""), "signed pushes are not supported"},
		"garbage":       {[]byte("GET / HTTP/1.1\r\n\r\n"), "malformed packet line"},
		"malformed":     {request(t, "no such thing"+caps, ""), "malformed line"},
		"short shallow": {request(t, "shallow x", none+" "+some+" refs/heads/x"+caps, ""), "malformed line"},
	} {
		out, stderr := talk(t, client, "git-receive-pack app", c.send)
		if !strings.Contains(out, c.want) {
			t.Errorf("%s: no %q in\n%q\n%s", name, c.want, out, stderr)
		}
		if strings.Contains(out, s.dir) {
			t.Errorf("%s: a path of the server's is in\n%q", name, out)
		}
	}
	if after := s.git("app", "ls-remote", "denofn"); after != refs || s.head("app", "main") != head {
		t.Errorf("the refs became\n%s", after)
	}
	s.sound("app")

	// One that is fine, without side band and without report.
	out, stderr := talk(t, client, "git-receive-pack app", with(request(t, none+" "+good+" refs/heads/x\x00report-status", ""), pack))
	if !strings.HasSuffix(out, "000eunpack ok\n0014ok refs/heads/x\n0000") || !strings.Contains(stderr, "Branch x is stored") {
		t.Errorf("without side band: %q\n%s", out, stderr)
	}
	out, _ = talk(t, client, "git-receive-pack app", with(request(t, none+" "+good+" refs/heads/y\x00", ""), pack))
	if !strings.HasSuffix(out, "0000") || strings.Contains(out, "unpack") {
		t.Errorf("without report: %q", out)
	}
	s.sound("app")
}

// Who goes away in the middle of a deploy has pushed nothing.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.deployer.hold = make(chan struct{})
	client := s.dial(t)
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var b packBuilder
	hash := b.commit("x").String()
	session.Stdin = bytes.NewReader(append(request(t, none+" "+hash+" refs/heads/main"+caps, ""), b.bytes()...))
	if err := session.Start("git-receive-pack app"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if len(s.pushes()) == 0 {
			return errors.New("no push")
		}
		return nil
	})
	client.Close()
	eventually(t, func() error {
		if _, err := os.Stat(s.path("repos/app.git")); err == nil {
			return fmt.Errorf("the repository is still there, log:\n%s", s.log)
		}
		return nil
	})
}

// Who sends nothing is told why it is cut off.
func TestStalledPush(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *gitreceive.Config) { c.Limits.Time = 300 * time.Millisecond })
	session, err := s.dial(t).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, err := session.StdinPipe() // stays open
	if err != nil {
		t.Fatal(err)
	}
	var out syncBuffer
	session.Stdout = &out
	if err := session.Start("git-receive-pack app"); err != nil {
		t.Fatal(err)
	}
	in.Write(request(t, none+" "+some+" refs/heads/main"+caps, ""))
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("a push that sends nothing stays")
	}
	if !strings.Contains(out.String(), "error: the push took longer than 300ms") || !strings.Contains(out.String(), "git.timeout") {
		t.Errorf("it says %q", out.String())
	}
}

func TestHostileFetch(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.git("app", "push", "-q", "denofn", "main")
	head := s.head("app", "main")
	client := s.dial(t)
	for name, c := range map[string]struct {
		send []byte
		want string
	}{
		"unknown want":   {request(t, "want "+some+" side-band-64k", "", "done"), "not our ref " + some},
		"malformed want": {request(t, "want x", ""), "malformed hash"},
		"malformed line": {request(t, "want "+head+" side-band-64k", "deepen x", ""), "malformed line"},
		"unknown ref":    {request(t, "want "+head, "deepen-not nothing", ""), "there is no ref"},
		"garbage":        {[]byte("zzzz"), "malformed packet line"},
		"nothing":        {request(t, ""), ""},
		"bad have":       {request(t, "want "+head+" side-band-64k", "", "have x"), "malformed line"},
		"good":           {request(t, "want "+head+" side-band-64k ofs-delta", "", "have "+some, "done"), "NAK\n"},
		"no band":        {request(t, "want "+head, "", "done"), "PACK"},
	} {
		out, _ := talk(t, client, "git-upload-pack app", c.send)
		if !strings.Contains(out, c.want) {
			t.Errorf("%s: no %q in\n%q", name, c.want, out)
		}
	}
}

// What git tells of the terminal at its side reaches the deploy.
func TestTerminal(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	for _, c := range []struct {
		flag string
		want bool
	}{{"--progress", true}, {"--no-progress", false}, {"--quiet", false}} {
		s.commit("app", c.flag)
		s.git("app", "push", c.flag, "denofn", "main")
		if got := s.deployer.last(t).Terminal; got != c.want {
			t.Errorf("%s: Terminal is %v", c.flag, got)
		}
	}
	// Other clients do not say, so nothing is known.
	var b packBuilder
	hash := b.commit("x").String()
	talk(t, s.dial(t), "git-receive-pack other", append(request(t, none+" "+hash+" refs/heads/main"+caps, ""), b.bytes()...))
	if push := s.deployer.last(t); push.Terminal || push.Repository != "other" {
		t.Errorf("another client: %+v", push)
	}
}

// Long work is shown in percent, and short work is not.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		update, end := gitreceive.Meter(&out)
		for done := range 20 {
			update("Receiving objects", done+1, 20) // the client shows that
			time.Sleep(time.Second)
		}
		for done := range 20 {
			update("Resolving deltas", done+1, 20)
			time.Sleep(30 * time.Millisecond)
		}
		end()
		if out.Len() > 0 {
			t.Errorf("short work is shown: %q", out.String())
		}
		update, end = gitreceive.Meter(&out)
		for done := range 100 {
			update("Resolving deltas", done+1, 100)
			time.Sleep(100 * time.Millisecond)
		}
		end()
		first, _, _ := strings.Cut(out.String(), "\r")
		if first != "Unpacking:  11% (11/100)" || !strings.Contains(out.String(), "\rUnpacking:  43% (43/100)\r") || !strings.HasSuffix(out.String(), "\rUnpacking: done in 10s.          \n") {
			t.Errorf("long work is shown as %q", out.String())
		}
	})
}
