package main

import (
	"context"

	"github.com/denofn/denofn/daemon"
	"github.com/denofn/denofn/daemon/admin"
)

// remote is the API of a running daemon, but for what there is to say when none
// runs.
type remote struct {
	*admin.Client
	configPath string
	configErr  error // why the socket is not known
}

// Doctor asks the daemon, or says that there is none and looks for itself.
func (r *remote) Doctor(ctx context.Context) ([]admin.Check, error) {
	if r.configErr != nil {
		return append(daemon.Examine(ctx, r.configPath), admin.Check{Name: "daemon", State: admin.Warning, Detail: "not known: the configuration says where it would be"}), nil
	}
	checks, err := r.Client.Doctor(ctx)
	if err == nil {
		return append(checks, r.checkVersion(ctx)...), nil
	}
	if admin.CodeOf(err) != admin.CodeUnavailable {
		return nil, err
	}
	down := admin.Explain("daemon", err)
	return append([]admin.Check{down}, daemon.Examine(ctx, r.configPath)...), nil
}

// checkVersion reports a daemon that an upgrade has left running.
func (r *remote) checkVersion(ctx context.Context) []admin.Check {
	v, err := r.Client.Version(ctx)
	if err != nil || v.Denofn == denofnVersion() {
		return nil
	}
	return []admin.Check{{Name: "version", State: admin.Warning, Detail: "the daemon is denofn " + v.Denofn + ", this is " + denofnVersion(), Hint: "systemctl restart denofn"}}
}
