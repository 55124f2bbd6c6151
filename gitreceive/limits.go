package gitreceive

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/gitreceive/fsck"
	"github.com/denofn/denofn/gitreceive/packfile"
)

// Limits bound what one client can take of the machine. The zero value of a field
// is its default.
type Limits struct {
	PackBytes   int64         // of a pushed pack; default 1 GB
	ObjectBytes int64         // of one object in it, inflated; default 100 MB
	Objects     int           // in a pushed pack; default a million
	Files       int           // in a pushed commit; default 50,000
	Time        time.Duration // a push may take, the deploy included; default 15 minutes
	Pushes      int           // at once, over all repositories; default 8

	Connections           int           // at once; default 100
	ConnectionsPerAddress int           // at once, from one address; default 20
	LoginTime             time.Duration // from the connection to the login; default 30 seconds
	IdleTime              time.Duration // without any sign of life; default 2 minutes
}

func (l *Limits) setDefaults() {
	setDefault(&l.PackBytes, 1<<30)
	setDefault(&l.ObjectBytes, 100<<20)
	setDefault(&l.Objects, 1_000_000)
	setDefault(&l.Files, 50_000)
	setDefault(&l.Time, 15*time.Minute)
	setDefault(&l.Pushes, 8)
	setDefault(&l.Connections, 100)
	setDefault(&l.ConnectionsPerAddress, 20)
	setDefault(&l.LoginTime, 30*time.Second)
	setDefault(&l.IdleTime, 2*time.Minute)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// A refusal is an error that the person who pushes can do something about.
type refusal struct {
	message string
	hint    string
}

func (e *refusal) Error() string { return e.message }

// errTime is the cause of the end of a push that takes too long.
func (l *Limits) errTime() error {
	return &refusal{
		fmt.Sprintf("the push took longer than %s", l.Time),
		"push fewer commits at a time, or raise git.timeout in denofn.toml",
	}
}

// explain turns an error of receiving a pack into what the client is told.
// Nothing of the server's own, such as paths, is in it.
func (l *Limits) explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*refusal](err); ok {
		return err
	}
	if limit, ok := errors.AsType[*packfile.LimitError](err); ok {
		return explainLimit(limit)
	}
	if bad, ok := errors.AsType[*fsck.Error](err); ok {
		return &refusal{bad.Error(), "git fsck --strict  finds it in your repository too"}
	}
	if missing, ok := errors.AsType[*missingError](err); ok {
		return &refusal{missing.Error(), "your repository may be damaged: run  git fsck --full"}
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &refusal{"the server's disk is full", ""}
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return errInternal
	}
	return err
}

// errInternal is what the client is told of errors that are the server's.
var errInternal = errors.New("internal error, see the server's log")

func explainLimit(limit *packfile.LimitError) error {
	size := denofn.Bytes(limit.Limit)
	switch limit.What {
	case "pack":
		return &refusal{fmt.Sprintf("the push is larger than %s", size),
			"push fewer commits at a time, keep large files out of git, or raise git.max_pack in denofn.toml"}
	case "object":
		return &refusal{fmt.Sprintf("a file in the push is larger than %s", size),
			"keep large files out of git, or raise git.max_object in denofn.toml"}
	case "objects":
		return &refusal{fmt.Sprintf("the push has more than %d objects", limit.Limit),
			"push fewer commits at a time, or raise git.max_objects in denofn.toml"}
	}
	return &refusal{fmt.Sprintf("a %s in the push is larger than %s", limit.What, size), ""}
}
