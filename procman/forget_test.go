package procman_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

// A release that comes back while it is being forgotten starts when that is done:
// its code cache would be removed under the new process otherwise.
func TestForgottenReleaseComesBack(t *testing.T) {
	for name, back := range map[string]func(*stage) error{
		"by a request": func(s *stage) error {
			s.set("a", "01good", denofn.Settings{})
			return s.pool.Warm(context.Background(), "a")
		},
		"by a candidate": func(s *stage) error {
			c, err := s.pool.Start(context.Background(), procman.Spec{Release: &denofn.Release{Function: "a", ID: "01good"}})
			if err == nil {
				c.Discard()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, nil)
				s.set("a", "01good", denofn.Settings{})
				s.set("a", "02good", denofn.Settings{}) // 01good is being forgotten
				time.Sleep(5 * time.Millisecond)
				if err := back(s); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}
