package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/bundler"
	"github.com/denofn/denofn/daemon/admin"
	"github.com/denofn/denofn/daemon/registry"
	"github.com/denofn/denofn/procman"
	"github.com/denofn/denofn/procman/sandbox"
)

// steering is what package admin sees of the daemon.
type steering struct {
	registry   *registry.Registry
	pool       *procman.Pool
	deployer   *deployer
	logbook    *logbook
	sandbox    *sandbox.Host
	version    string
	configPath string
	config     atomic.Pointer[Config] // in force
}

var _ admin.API = (*steering)(nil)

func (s *steering) Version(ctx context.Context) (*admin.Version, error) {
	path := s.config.Load().Deno
	deno, err := DenoVersion(ctx, path)
	if err != nil {
		deno = "unknown: " + err.Error()
	} else {
		deno += " " + path
	}
	return &admin.Version{Denofn: s.version, Bundler: bundler.Version(), Deno: deno}, nil
}

// Functions goes by the registry: a function without processes is one too.
func (s *steering) Functions(context.Context) ([]admin.Function, error) {
	running := make(map[denofn.FunctionName]procman.Status)
	for _, status := range s.pool.Snapshot() {
		running[status.Function] = status
	}
	live := s.registry.Functions()
	functions := make([]admin.Function, len(live))
	for i, release := range live {
		functions[i] = functionOf(release, running[release.Function])
	}
	return functions, nil
}

func functionOf(release *denofn.Release, status procman.Status) admin.Function {
	f := admin.Function{
		Name:       release.Function,
		Repository: release.Repository,
		Release:    release.ID,
		Commit:     release.Commit,
		Handler:    release.Settings.Handler,
		State:      status.State.String(),
		Processes:  make([]admin.Process, 0, len(status.Processes)),
		Waiting:    status.Waiting,
		Requests:   status.Requests,
	}
	switch {
	case release.BundleBytes == 0:
		f.Handler = admin.HandlerStatic
	case f.Handler == "":
		f.Handler = denofn.HandlerHTTP
	}
	for _, p := range status.Processes {
		f.Processes = append(f.Processes, admin.Process{
			PID: p.PID, Release: p.Release, State: p.State.String(), Active: p.Active,
			Requests: p.Requests, MemoryBytes: p.MemoryBytes, Started: p.Started,
		})
		f.MemoryBytes += p.MemoryBytes
	}
	if e := status.Failure; e != nil {
		f.Failure = &admin.Failure{Reason: string(e.Reason), Message: e.Message, Hint: e.Hint, Output: e.Output, Time: e.Time}
	}
	return f
}

func (s *steering) Warm(ctx context.Context, name denofn.FunctionName) error {
	release, err := s.runs(name)
	if err != nil {
		return err
	}
	if release.Settings.Handler == denofn.HandlerTask {
		return &admin.Error{Code: admin.CodeConflict, Message: fmt.Sprintf("%s is a task: each call has a process to itself, and none waits for one", name), Hint: "denofn invoke " + string(name)}
	}
	return s.explain(name, s.pool.Warm(ctx, name))
}

func (s *steering) Stop(ctx context.Context, name denofn.FunctionName) error {
	if _, err := s.runs(name); err != nil {
		return err
	}
	return s.explain(name, s.pool.Stop(ctx, name))
}

func (s *steering) Invoke(ctx context.Context, c admin.Call) (*admin.Result, error) {
	if _, err := s.runs(c.Function); err != nil {
		return nil, err
	}
	result, err := s.pool.Invoke(ctx, procman.Call{Function: c.Function, Input: c.Input, ContentType: c.ContentType})
	if err != nil {
		return nil, s.explain(c.Function, err)
	}
	return &admin.Result{Output: result.Output, ContentType: result.ContentType, Status: result.Status, ExitCode: result.ExitCode}, nil
}

// runs returns the live release of a function that has processes.
func (s *steering) runs(name denofn.FunctionName) (*denofn.Release, error) {
	release, ok := s.registry.Active(name)
	if !ok {
		return nil, s.unknown(name)
	}
	if release.BundleBytes == 0 {
		return nil, &admin.Error{Code: admin.CodeConflict, Message: fmt.Sprintf("%s is static files alone: no process serves it", name)}
	}
	return release, nil
}

func (s *steering) unknown(name denofn.FunctionName) error {
	e := &admin.Error{Code: admin.CodeUnknown, Message: fmt.Sprintf("there is no function %s", name), Hint: "denofn ps lists those that there are"}
	var names []string
	for _, release := range s.registry.Functions() {
		names = append(names, string(release.Function))
	}
	if near := nearest(string(name), names); near != "" {
		e.Hint = fmt.Sprintf("did you mean %s?", near)
	}
	return e
}

// explain makes what people can understand of the pool's errors.
func (s *steering) explain(name denofn.FunctionName, err error) error {
	if start, ok := errors.AsType[*procman.StartError](err); ok {
		return &admin.Error{Code: admin.CodeStartFailed, Message: fmt.Sprintf("%s did not start: %s", name, start.Message), Hint: start.Hint, Output: slices.Clone(start.Output)}
	}
	switch {
	case errors.Is(err, procman.ErrUnknown):
		return s.unknown(name)
	case errors.Is(err, procman.ErrBusy):
		return &admin.Error{Code: admin.CodeBusy, Message: fmt.Sprintf("%s is busy: %v", name, procman.ErrBusy), Hint: "try again, or allow it more instances in its registry.json"}
	case errors.Is(err, procman.ErrShuttingDown):
		return &admin.Error{Code: admin.CodeUnavailable, Message: "the daemon is stopping"}
	case errors.Is(err, context.DeadlineExceeded):
		return &admin.Error{Code: admin.CodeTimeout, Message: fmt.Sprintf("%s: %v", name, err)}
	}
	return err
}
