package bundler_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/denofn/denofn/bundler"
	"github.com/denofn/denofn/micro/denotest"
)

// A counter is a Spawner that counts the runs of Deno.
type counter struct {
	bundler.Spawner
	runs atomic.Int32
}

func (c *counter) Command(ctx context.Context, child bundler.Child) (*exec.Cmd, func(), error) {
	if !child.Worker && child.Args[0] != "--version" {
		c.runs.Add(1)
	}
	return c.Spawner.Command(ctx, child)
}

// Functions that are bundled at once are asked about at once, where a lock file
// pins what they import, and each gets what it would get alone.
func TestAskedTogether(t *testing.T) {
	const functions = 12
	p := newPackages(t)
	publishAll(p)
	files := make(map[string]string)
	var all []string
	for i := range functions {
		name := fmt.Sprintf("f%d/index.ts", i)
		specifier := []string{"npm:plain@1", "npm:requires@1", "jsr:@std/words@1", "npm:@scope/pkg@2"}[i%4]
		files[name] = fmt.Sprintf("import * as x from %q; export default () => String(x) + %d;", specifier, i)
		all = append(all, "import \"../"+name+"\";")
	}
	files["hello/index.ts"] = strings.Join(all, "\n")
	files["deno.lock"] = lockOf(t, p, files)
	together := func(t *testing.T, files map[string]string, most int) map[string]string {
		t.Helper()
		c := &counter{Spawner: bundler.PlainSpawner(denotest.Path(t))}
		b := p.bundler(t, bundler.Config{Spawner: c})
		tree := newTree(files)
		var mu sync.Mutex
		made := make(map[string]string)
		var group sync.WaitGroup
		for i := range functions {
			group.Go(func() {
				name := fmt.Sprintf("f%d/index.ts", i)
				r, err := b.Bundle(t.Context(), bundler.Source{Tree: tree, Entry: name})
				if err != nil {
					t.Error(describe(err))
					return
				}
				mu.Lock()
				defer mu.Unlock()
				made[name] = string(r.Code)
			})
		}
		group.Wait()
		if n := int(c.runs.Load()); n > most {
			t.Errorf("Deno ran %d times for %d functions", n, functions)
		}
		return made
	}
	made := together(t, files, functions/2)
	b := p.bundler(t, bundler.Config{})
	for name, code := range made {
		r, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(files), Entry: name})
		if err != nil {
			t.Fatal(describe(err))
		}
		if string(r.Code) != code {
			t.Errorf("%s is another bundle alone", name)
		}
	}

	// Without a lock file each is asked about alone.
	delete(files, "deno.lock")
	for name, code := range together(t, files, 2*functions) {
		r, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(files), Entry: name})
		if err != nil {
			t.Fatal(describe(err))
		}
		if string(r.Code) != code {
			t.Errorf("%s without a lock file is another bundle alone", name)
		}
	}
}
