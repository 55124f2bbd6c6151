package registry_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/registry"
)

// Of many pushes that want one new name at once, those of one repository get it.
func TestConcurrentClaims(t *testing.T) {
	r := open(t, t.TempDir())
	for round := range 50 {
		name := denofn.FunctionName(fmt.Sprint("f", round))
		var claiming sync.WaitGroup
		var mu sync.Mutex
		won := make(map[denofn.RepositoryName]int)
		for i := range 8 {
			repository := denofn.RepositoryName(fmt.Sprint("repo", i%4))
			claiming.Go(func() {
				_, err := r.Claim(repository, []registry.Wanted{{Function: name}})
				if _, refused := errors.AsType[denofn.Diagnostics](err); err != nil && !refused {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					won[repository]++
					mu.Unlock()
				}
			})
		}
		claiming.Wait()
		if len(won) != 1 {
			t.Fatalf("%d repositories have %s: %v", len(won), name, won)
		}
	}
}

// Two pushes may write one release at once. From when the first of them is told that
// it is there, it is.
func TestConcurrentWrites(t *testing.T) {
	r := open(t, t.TempDir())
	for round := range 30 {
		rel, files := release("app", "a", fmt.Sprint(round))
		var writing sync.WaitGroup
		for range 6 {
			writing.Go(func() {
				if err := r.WriteRelease(rel, files); err != nil {
					t.Error(err)
				}
				for range 50 {
					if !r.Exists("a", rel.ID) {
						t.Errorf("round %d: the release is gone again", round)
						return
					}
				}
			})
		}
		writing.Wait()
		if t.Failed() {
			return
		}
	}
}

// Pushes of many repositories, refusals, collections and readers do not get into
// each other's way, and at the end everything is as the last pushes said.
func TestConcurrentPushes(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	const repositories, pushes = 6, 12
	var pushing sync.WaitGroup
	for i := range repositories {
		repository := denofn.RepositoryName(fmt.Sprint("repo", i))
		pushing.Go(func() {
			for n := range pushes {
				names := []denofn.FunctionName{denofn.FunctionName(fmt.Sprint("a", i)), denofn.FunctionName(fmt.Sprint("b", i))}
				unclaim, err := r.Claim(repository, []registry.Wanted{{Function: names[0]}, {Function: names[1]}})
				if err != nil {
					t.Error(err)
					return
				}
				change := registry.Change{Repository: repository, Commit: fmt.Sprint(n)}
				for _, name := range names {
					rel, files := release(repository, name, fmt.Sprint(n%5))
					if err := r.WriteRelease(rel, files); err != nil {
						t.Error(err)
					}
					change.Set = append(change.Set, rel)
				}
				if n%3 == 1 { // refused
					for _, rel := range change.Set {
						if err := r.RemoveRelease(rel.Function, rel.ID); err != nil {
							t.Error(err)
						}
					}
				} else if err := r.Activate(change); err != nil {
					t.Error(err)
				}
				unclaim()
			}
		})
	}
	var done atomic.Bool
	var others sync.WaitGroup
	others.Go(func() {
		for !done.Load() {
			if _, err := r.Collect(func(denofn.FunctionName, denofn.ReleaseID) bool { return false }); err != nil {
				t.Error(err)
			}
		}
	})
	others.Go(func() {
		for !done.Load() {
			for _, f := range r.Functions() {
				if rel, ok := r.Active(f.Function); ok && !r.Exists(rel.Function, rel.ID) {
					if now, _ := r.Active(f.Function); now == rel {
						t.Errorf("%s is live and not on disk", rel)
					}
				}
				r.Releases(f.Function)
			}
		}
	})
	pushing.Wait()
	done.Store(true)
	others.Wait()
	want := ""
	for _, letter := range []string{"a", "b"} {
		for i := range repositories {
			want += fmt.Sprintf("%s%d=%d ", letter, i, (pushes-1)%5)
		}
	}
	for range 2 {
		wantLive(t, r, dir, want[:len(want)-1])
		if r = open(t, dir); len(r.Repairs()) > 0 {
			t.Errorf("repairs: %v", r.Repairs())
		}
	}
}
