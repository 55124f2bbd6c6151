package gitreceive

import (
	"context"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/denofn/denofn"
)

// A Deployer is asked before the deploy branch moves. It may be called for several
// repositories at once, but for one repository only for one push at a time.
type Deployer interface {
	// Prepare does everything that can fail because of what was pushed, and changes
	// nothing yet. Its error refuses all refs of the push: git shows it beside them,
	// on one line. What there is to say at length goes to push.Progress.
	Prepare(ctx context.Context, push *Push) (Deployment, error)
}

// A Deployment is a prepared push. Either Activate or Discard is called, once.
type Deployment interface {
	// Activate is called when the refs have moved. When it fails they move back.
	Activate(ctx context.Context) error
	// Discard is called when they will not.
	Discard()
}

// A Push is one that moves the deploy branch.
type Push struct {
	Repository denofn.RepositoryName
	// Objects are those of the repository and of the push. They can be used from
	// several goroutines, until Activate or Discard returns.
	Objects storer.EncodedObjectStorer
	// Old and New are what the deploy branch points at before and after; zero is no
	// branch.
	Old, New plumbing.Hash
	Options  []Option // of git push -o, in their order
	Key      Key      // of who pushes
	// Terminal is whether Progress ends at a terminal; false if that is not known.
	Terminal bool
	// Progress is shown to the person as it is written, behind "remote: ". It is
	// safe for concurrent use and must not be written to after the push.
	Progress io.Writer
}
