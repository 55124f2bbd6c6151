package daemon

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway"
	"github.com/denofn/denofn/procman"
)

// defaultHTTP fills in what the gateway defines.
func (c *Config) defaultHTTP() {
	o := gateway.DefaultOptions()
	h := &c.HTTP
	h.MaxBody = denofn.Bytes(o.MaxBody)
	h.MaxHeader = denofn.Bytes(o.MaxHeader)
	h.HeaderTimeout = denofn.Duration{Duration: o.HeadTimeout}
	h.IdleTimeout = denofn.Duration{Duration: o.IdleTimeout}
	h.StallTimeout = denofn.Duration{Duration: o.StallTimeout}
	h.MinRate = denofn.Bytes(o.MinRate)
	h.MaxConnections = o.MaxConnections
	h.MaxPerAddress = o.MaxPerAddress
	h.AccessLog = o.AccessLog
}

// gatewayOptions returns what the section http says of the gateway.
func (c *Config) gatewayOptions() (gateway.Options, error) {
	h := &c.HTTP
	o := gateway.Options{
		Domain:         h.Domain,
		Root:           h.Root,
		MaxBody:        int64(h.MaxBody),
		MaxHeader:      int(h.MaxHeader),
		IdleTimeout:    h.IdleTimeout.Duration,
		HeadTimeout:    h.HeaderTimeout.Duration,
		StallTimeout:   h.StallTimeout.Duration,
		MinRate:        int64(h.MinRate),
		MaxConnections: h.MaxConnections,
		MaxPerAddress:  h.MaxPerAddress,
		AccessLog:      h.AccessLog,
		ServerTiming:   h.ServerTiming,
	}
	for _, text := range h.TrustedProxies {
		prefix, err := parseNetwork(text)
		if err != nil {
			return o, err
		}
		o.TrustedProxies = append(o.TrustedProxies, prefix)
	}
	return o, o.Check()
}

// parseNetwork reads an address or a network.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Errorf(`trusted_proxies: %q is not an address or a network: write one like "127.0.0.1" or "10.0.0.0/8"`, text)
	}
	return prefix.Masked(), nil
}

// openGateway makes the gateway, which knows no function yet.
func (d *Daemon) openGateway() error {
	options, err := d.config.gatewayOptions()
	if err != nil {
		return err
	}
	own, err := ownPages()
	if err != nil {
		return err
	}
	d.gateway, err = gateway.New(gateway.Config{
		Acquire: func(ctx context.Context, name denofn.FunctionName) (gateway.Lease, error) {
			lease, err := d.pool.Acquire(ctx, name)
			if err != nil {
				return nil, err
			}
			return lease, nil
		},
		Invoke:  d.invoke,
		Own:     own,
		Options: options,
		Logger:  d.options.Logger,
	})
	return err
}

// invoke runs a task for a request. One that ends without an answer has failed,
// unless it ended well.
func (d *Daemon) invoke(ctx context.Context, call gateway.Call) (gateway.Result, error) {
	r, err := d.pool.Invoke(ctx, procman.Call{Function: call.Function, Input: call.Input, ContentType: call.Type, RequestID: call.RequestID})
	if err != nil {
		return gateway.Result{}, err
	}
	if r.Status == 0 {
		if r.ExitCode != 0 {
			return gateway.Result{}, fmt.Errorf("task ended with exit code %d", r.ExitCode)
		}
		r.Status = http.StatusNoContent
	}
	return gateway.Result{Status: r.Status, Type: r.ContentType, Output: r.Output}, nil
}

// publish tells the gateway which functions are live. Whoever changes that in the
// registry calls it, after the pool has been told.
func (d *Daemon) publish() {
	d.publishing.Lock()
	defer d.publishing.Unlock()
	var functions []gateway.Function
	for _, r := range d.registry.Functions() {
		functions = append(functions, gateway.Function{Release: r, Dir: d.registry.ReleaseDir(r.Function, r.ID)})
	}
	if err := d.gateway.Update(functions); err != nil {
		d.options.Logger.Error("function served without its static files", "error", err)
	}
}
