package packfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn/gitreceive/packfile"
)

// A repository is one that real git made.
type repository struct {
	t   *testing.T
	dir string
}

func newRepository(t *testing.T) *repository {
	r := &repository{t, t.TempDir()}
	r.git("", "init", "-q", "-b", "main")
	return r
}

func (r *repository) git(stdin string, args ...string) []byte {
	r.t.Helper()
	c := exec.Command("git", args...)
	c.Dir, c.Stdin = r.dir, strings.NewReader(stdin)
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@b",
	}
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, stderr.Bytes())
	}
	return out
}

func (r *repository) commit(files map[string]string) string {
	r.t.Helper()
	for name, text := range files {
		path := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	r.git("", "add", "-A")
	r.git("", "commit", "-q", "--allow-empty", "-m", "m")
	return strings.TrimSpace(string(r.git("", "rev-parse", "HEAD")))
}

func text(random *rand.Rand, lines int) string {
	var b strings.Builder
	for range lines {
		fmt.Fprintf(&b, "line %x\n", random.Uint64())
	}
	return b.String()
}

// verify has git check a pack that is on disk.
func (r *repository) verify(p *packfile.Pack, dir string) {
	r.t.Helper()
	r.git("", "verify-pack", filepath.Join(dir, p.Name()+".idx"))
}

// Packs of git's, in every form that git makes, are read as git reads them; what
// is written of them is a pack to git.
func TestGitPacks(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	random := rand.New(rand.NewPCG(1, 1))
	big := text(random, 200_000) // more than is put together in memory
	body := text(random, 500)
	for i := range 30 {
		body += text(random, 3)
		files := map[string]string{"body": body, fmt.Sprintf("dir%d/file", i%5): text(random, 20), "empty": ""}
		if i%15 == 0 {
			big = big[:len(big)/2] + fmt.Sprint("changed ", i, "\n") + big[len(big)/2:]
			files["big"] = big
		}
		r.commit(files)
	}
	r.git("", "tag", "-a", "-m", "t", "v1")
	for name, args := range map[string][]string{
		"offsets":    {"--delta-base-offset", "--all"},
		"references": {"--all"},
		"deep":       {"--delta-base-offset", "--depth=200", "--window=50", "--all"},
		"whole":      {"--window=0", "--all"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			pack := r.git("", append([]string{"pack-objects", "--stdout", "-q", "--no-reuse-delta"}, args...)...)
			cache := packfile.NewCache(1 << 20)
			kinds := make(map[plumbing.ObjectType]int)
			received, err := packfile.Receive(bytes.NewReader(pack), packfile.Options{
				Dir: dir, Cache: cache,
				Object: func(kind plumbing.ObjectType, _ plumbing.Hash, _ []byte) error { kinds[kind]++; return nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			if kinds[plumbing.CommitObject] != 30 || kinds[plumbing.TagObject] != 1 || kinds[plumbing.TreeObject] < 30 {
				t.Errorf("objects seen: %v", kinds)
			}
			p, err := packfile.Open(filepath.Join(dir, received.Name+".idx"), cache)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			r.verify(p, dir)
			whole(t, p)
			if left, _ := filepath.Glob(filepath.Join(dir, "tmp_*")); len(left) > 0 {
				t.Errorf("left over: %v", left)
			}

			// A part of it, as a pack on disk.
			set := packfile.NewSet([]*packfile.Pack{p})
			some := set.NewBits()
			for id := range packfile.ID(set.Len()) {
				if id%3 > 0 {
					some.Add(id)
				}
			}
			made, err := packfile.Create(dir, packfile.Selection{Set: set, Objects: some})
			if err != nil {
				t.Fatal(err)
			}
			part, err := packfile.Open(filepath.Join(dir, made+".idx"), cache)
			if err != nil {
				t.Fatal(err)
			}
			defer part.Close()
			if part.Len() != some.Count() {
				t.Errorf("%d objects, not %d", part.Len(), some.Count())
			}
			r.verify(part, dir)
			whole(t, part)
		})
	}
}

// A thin pack is completed from what is there, and a pack made for somebody who
// has the rest is thin in turn.
func TestThin(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	random := rand.New(rand.NewPCG(2, 2))
	body := text(random, 2000)
	first := r.commit(map[string]string{"body": body})
	second := r.commit(map[string]string{"body": body + "more\n"})
	open := func(pack []byte, find func(plumbing.Hash) (*packfile.Pack, int, bool)) *packfile.Pack {
		p, err := receive(t, pack, packfile.Limits{}, find)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	base := open(r.git(first+"\n", "pack-objects", "--stdout", "-q", "--revs"), nil)
	thin := r.git(second+"\n^"+first+"\n", "pack-objects", "--stdout", "-q", "--revs", "--thin")
	if _, err := receive(t, thin, packfile.Limits{}, nil); err == nil {
		t.Error("a thin pack is received without what it builds on")
	}
	full := open(thin, func(h plumbing.Hash) (*packfile.Pack, int, bool) {
		pos, ok := base.Find(h)
		return base, pos, ok
	})
	whole(t, full)
	if full.Len() != 4 { // commit, tree, blob, and the blob that it builds on
		t.Errorf("%d objects", full.Len())
	}

	set := packfile.NewSet([]*packfile.Pack{base, full})
	objects, has := set.NewBits(), set.NewBits()
	for id := range packfile.ID(set.Len()) {
		if first, _ := set.Find(set.Hash(id)); first != id {
			continue
		}
		if _, ok := base.Find(set.Hash(id)); ok {
			has.Add(id)
		} else {
			objects.Add(id)
		}
	}
	var with, without bytes.Buffer
	if err := packfile.Write(&with, packfile.Selection{Set: set, Objects: objects, Has: has, OffsetDeltas: true}); err != nil {
		t.Fatal(err)
	}
	if err := packfile.Write(&without, packfile.Selection{Set: set, Objects: objects, OffsetDeltas: true}); err != nil {
		t.Fatal(err)
	}
	if with.Len()*3 > without.Len() {
		t.Errorf("the thin pack has %d bytes, the other one %d", with.Len(), without.Len())
	}
	clone := newRepository(t)
	clone.git(string(r.git(first+"\n", "pack-objects", "--stdout", "-q", "--revs")), "unpack-objects", "-q")
	clone.git(with.String(), "index-pack", "--stdin", "--fix-thin", "--strict")
}

func TestLimits(t *testing.T) {
	t.Parallel()
	small := object(3, []byte("hello"), 0, nil)
	bomb := append(append([]byte(nil), object(3, bytes.Repeat([]byte("x"), 1000), 0, nil)...),
		object(7, append([]byte{0xe8, 0x07, 0xa0, 0x8d, 0x06}, bytes.Repeat([]byte{0xb0, 0xe8, 0x03}, 100)...), 0, hashOf(3, strings.Repeat("x", 1000)))...)
	for name, c := range map[string]struct {
		count  int
		body   []byte
		limits packfile.Limits
		what   string
	}{
		"pack":    {1, object(3, []byte("hello"), 0, nil), packfile.Limits{PackBytes: 20}, "pack"},
		"object":  {1, object(3, make([]byte, 1001), 0, nil), packfile.Limits{ObjectBytes: 1000}, "object"},
		"delta":   {2, bomb, packfile.Limits{ObjectBytes: 50_000}, "object"},
		"objects": {3, bytes.Repeat(small, 3), packfile.Limits{Objects: 2}, "objects"},
	} {
		_, err := receive(t, seal(c.count, c.body), c.limits, nil)
		if limit, ok := errors.AsType[*packfile.LimitError](err); !ok || limit.What != c.what {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p, err := receive(t, seal(2, bomb), packfile.Limits{ObjectBytes: 100_000}, nil); err != nil {
		t.Errorf("within the limit: %v", err)
	} else {
		whole(t, p)
	}
}

// What is damaged on disk is not passed on.
func TestDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cache := packfile.NewCache(1 << 20)
	var body []byte
	for i := range 10 {
		body = append(body, object(3, []byte(strings.Repeat(fmt.Sprint("content ", i), 100)), 0, nil)...)
	}
	received, err := packfile.Receive(bytes.NewReader(seal(10, body)), packfile.Options{Dir: dir, Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, received.Name+".pack")
	pack, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(path, 0o644)
	pack[len(pack)/2] ^= 1
	if err := os.WriteFile(path, pack, 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := packfile.Open(filepath.Join(dir, received.Name+".idx"), cache)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	set := packfile.NewSet([]*packfile.Pack{p})
	all := set.NewBits()
	for id := range packfile.ID(set.Len()) {
		all.Add(id)
	}
	if err := packfile.Write(&bytes.Buffer{}, packfile.Selection{Set: set, Objects: all}); err == nil {
		t.Error("a damaged object is written")
	}
	os.Truncate(filepath.Join(dir, received.Name+".idx"), 1100)
	if _, err := packfile.Open(filepath.Join(dir, received.Name+".idx"), cache); err == nil {
		t.Error("a damaged index is opened")
	}
}
