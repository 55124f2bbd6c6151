// Package daemon puts denofn together. daemon.go starts and stops the parts,
// config.go says what they may be told, deploy.go is the way from a pushed
// commit to live functions, and report.go is what the person who pushed reads.
//
//	git push → gitreceive → deploy → bundler → registry     (write half)
//	HTTP     → gateway → procman → Deno process             (read half)
//
// The registry is where the two meet: what its state file says is live, is live.
package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/denofn/denofn/bundler"
	"github.com/denofn/denofn/daemon/admin"
	"github.com/denofn/denofn/daemon/gateway"
	"github.com/denofn/denofn/daemon/metrics"
	"github.com/denofn/denofn/daemon/registry"
	"github.com/denofn/denofn/gitreceive"
	"github.com/denofn/denofn/procman"
	"github.com/denofn/denofn/procman/sandbox"
)

// Names of the sockets that systemd may pass.
const (
	SocketHTTP  = "http"
	SocketSSH   = "ssh"
	SocketAdmin = "admin"
)

// Options is what a Daemon is given beside its configuration file.
type Options struct {
	ConfigPath string
	// Sockets are the listeners that systemd passed, by name. With none at all the
	// daemon opens its own; with any, all that it serves must be among them.
	Sockets map[string][]net.Listener
	Logger  *slog.Logger
	Version string // of denofn, for people
	// HostKeyPath is the SSH host key, when it is not the one in the state folder,
	// which is made at the first start.
	HostKeyPath string
	// Step, if set, is called at each named step of a deploy, so that tests can end
	// the daemon there.
	Step func(name string)
}

// A Daemon is a running denofn.
type Daemon struct {
	options    Options
	config     *Config // as of the last Reload; only Open and Reload touch it
	lock       *os.File
	registry   *registry.Registry
	sandbox    *sandbox.Host
	pool       *procman.Pool
	bundler    *bundler.Bundler
	git        *gitreceive.Server
	deployer   *deployer
	gateway    *gateway.Gateway
	web        []*gateway.Server
	scrapes    scrapeServer
	logbook    *logbook
	steering   *steering
	admin      *admin.Server
	publishing sync.Mutex // one publish at a time, so that the last is the newest
	servers    errgroup.Group
	failed     chan error // the first server that ended on its own

	loop     *loop // the daemon's own way to its HTTP side
	activity activity
	idle     chan struct{} // closed when nothing has happened for long
	endWatch context.CancelFunc
}

// Open reads the configuration and the state, reconciles the two halves, and
// begins to serve. The daemon is ready when it returns.
func Open(ctx context.Context, options Options) (_ *Daemon, err error) {
	config, err := ReadConfig(options.ConfigPath)
	if err != nil {
		return nil, err
	}
	d := &Daemon{options: options, config: config, failed: make(chan error, 1), logbook: newLogbook(), loop: newLoop(), idle: make(chan struct{})}
	sockets, err := d.sockets()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			closeAll(sockets)
			d.abandon()
		}
	}()
	if err := d.openState(); err != nil {
		return nil, err
	}
	if err := d.openParts(sockets); err != nil {
		return nil, err
	}
	if err := d.reconcile(ctx); err != nil {
		return nil, err
	}
	d.serve(sockets)
	return d, nil
}

// openState takes the state folder for this daemon alone.
func (d *Daemon) openState() error {
	for _, dir := range []string{d.config.StateDir, d.config.RuntimeDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create folder: %w", err)
		}
	}
	lock, err := lockFile(filepath.Join(d.config.StateDir, "lock"))
	if err != nil {
		return fmt.Errorf("state_dir %s: %w", d.config.StateDir, err)
	}
	d.lock = lock
	return nil
}

func (d *Daemon) openParts(sockets map[string][]net.Listener) error {
	config, logger := d.config, d.options.Logger
	policy, err := config.policy()
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	d.registry, err = registry.Open(filepath.Join(config.StateDir, "registry"))
	if err != nil {
		return fmt.Errorf("open registry: %w", err)
	}
	for _, repair := range d.registry.Repairs() {
		logger.Error("registry was damaged", "repair", repair)
	}
	d.sandbox, err = sandbox.Open(sandbox.Config{Deno: config.Deno, Helper: helperPath(), Logger: logger})
	if err != nil {
		return fmt.Errorf("open sandbox: %w", err)
	}
	d.pool, err = procman.New(config.pool(d.sandbox, logger, output{logger, d.logbook}))
	if err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	if err := d.openGateway(); err != nil {
		return fmt.Errorf("open gateway: %w", err)
	}
	d.bundler, err = bundler.New(config.bundler(d.sandbox, logger))
	if err != nil {
		return fmt.Errorf("open bundler: %w", err)
	}
	d.deployer = &deployer{
		registry: d.registry,
		pool:     d.pool,
		publish:  d.publish,
		deploys:  metrics.NewDeploys(),
		bundler:  d.bundler,
		check:    config.Bundler.Check,
		baseURL:  baseURL(sockets[SocketHTTP][0].Addr()),
		logger:   logger,
	}
	d.deployer.policy.Store(policy)
	d.deployer.unversioned.Store(!config.Policy.RequireVersions)
	d.steering = &steering{registry: d.registry, pool: d.pool, deployer: d.deployer, logbook: d.logbook, sandbox: d.sandbox, version: d.options.Version, configPath: d.options.ConfigPath}
	d.steering.config.Store(config)
	scrape, err := d.openMetrics()
	if err != nil {
		return fmt.Errorf("open metrics: %w", err)
	}
	d.admin, err = admin.NewServer(admin.Config{
		API: d.steering, MaxInput: int64(config.HTTP.MaxBody), Logger: logger,
		Handlers: map[string]http.Handler{"GET /metrics": scrape},
	})
	if err != nil {
		return fmt.Errorf("open admin server: %w", err)
	}
	store, err := gitreceive.OpenStore(filepath.Join(config.StateDir, "repos"))
	if err != nil {
		return fmt.Errorf("open repositories: %w", err)
	}
	d.git, err = gitreceive.New(gitreceive.Config{
		Store:              store,
		HostKeyPath:        cmp.Or(d.options.HostKeyPath, filepath.Join(config.StateDir, "ssh_host_ed25519_key")),
		AuthorizedKeysPath: config.SSH.AuthorizedKeys,
		DeployBranch:       config.DeployBranch,
		Deployer:           d.deployer,
		Commands:           remoteCommands{d.steering},
		Limits:             config.limits(),
		LegacyMACs:         config.SSH.LegacyMACs,
		Logger:             logger,
		Step:               d.options.Step,
	})
	if err != nil {
		return fmt.Errorf("open git server: %w", err)
	}
	d.deployer.store = store
	return nil
}

// reconcile gives the pool what the registry says is live, and deploys every
// repository whose deploy branch has moved without its releases, as after a
// crash between the two or when the registry was deleted.
func (d *Daemon) reconcile(ctx context.Context) error {
	var update procman.Update
	for _, r := range d.registry.Functions() {
		spec := procman.Spec{Release: r, Dir: d.registry.ReleaseDir(r.Function, r.ID)}
		update.Set = append(update.Set, procman.Change{Spec: spec})
	}
	d.pool.Update(poolUpdate(update.Set, nil))
	d.publish()
	if err := d.deployer.catchUp(ctx, d.config.DeployBranch); err != nil {
		return err
	}
	d.deployer.collectAll()
	return nil
}

func (d *Daemon) serve(sockets map[string][]net.Listener) {
	for _, l := range sockets[SocketHTTP] {
		server := gateway.NewServer(d.activity.visitors(l), d.gateway)
		d.web = append(d.web, server)
		d.run("http", server.Serve)
	}
	for _, l := range sockets[SocketSSH] {
		d.run("ssh", func() error { return d.git.Serve(d.activity.residents(l)) })
	}
	health := gateway.NewServer(d.loop, d.gateway)
	d.web = append(d.web, health)
	d.run("health", health.Serve)
	d.watch()
	if d.scrapes.listener != nil {
		d.run("metrics", d.scrapes.serve)
		d.options.Logger.Info("showing metrics", "address", d.scrapes.listener.Addr().String())
	}
	for _, l := range sockets[SocketAdmin] {
		d.run("admin", func() error { return d.admin.Serve(d.activity.residents(l)) })
	}
	d.options.Logger.Info("serving", "http", addresses(sockets[SocketHTTP]), "ssh", addresses(sockets[SocketSSH]),
		"host_key", d.git.Fingerprint(), "functions", len(d.registry.Functions()))
}

// run serves until Shutdown; a server that ends before is told to Failed.
func (d *Daemon) run(name string, serve func() error) {
	d.servers.Go(func() error {
		if err := serve(); err != nil {
			select {
			case d.failed <- fmt.Errorf("serve %s: %w", name, err):
			default:
			}
		}
		return nil
	})
}

// Failed delivers the error of a server that ended without being told to. The
// daemon is of no use then and should be shut down.
func (d *Daemon) Failed() <-chan error { return d.failed }

// Reload rereads the configuration and the keys. On an error what was in force
// stays in force. Keys that name folders and addresses need a restart; Reload
// logs those that changed.
func (d *Daemon) Reload() error {
	next, err := ReadConfig(d.options.ConfigPath)
	if err != nil {
		return err
	}
	policy, err := next.policy()
	if err != nil {
		return err
	}
	options, err := next.gatewayOptions()
	if err != nil {
		return err
	}
	if err := d.git.Reload(); err != nil {
		return err
	}
	d.deployer.policy.Store(policy)
	d.deployer.unversioned.Store(!next.Policy.RequireVersions)
	if err := d.gateway.Configure(options); err != nil {
		return err
	}
	for _, key := range needRestart(d.config, next) {
		d.options.Logger.Warn("key changed, restart to apply it", "key", key)
	}
	d.config = next
	d.steering.config.Store(next)
	d.options.Logger.Info("configuration reread", "path", d.options.ConfigPath)
	return nil
}

// Shutdown stops accepting, lets pushes and requests that have begun end, stops
// every process, and returns. When ctx ends first, what is left is cut off and
// ctx's error returned.
func (d *Daemon) Shutdown(ctx context.Context) error {
	began := time.Now()
	d.endWatch()
	d.logbook.close()
	var drain errgroup.Group
	drain.Go(func() error { return d.git.Shutdown(ctx) })
	drain.Go(func() error { return d.admin.Shutdown(ctx) })
	drain.Go(func() error { return d.scrapes.shutdown(ctx) })
	for _, server := range d.web {
		drain.Go(func() error { return server.Shutdown(ctx) })
	}
	err := drain.Wait()
	err = errors.Join(err, d.pool.Shutdown(ctx), d.bundler.Close(), d.sandbox.Close(), d.servers.Wait(), d.lock.Close())
	d.options.Logger.Info("stopped", "took", time.Since(began))
	return err
}

// abandon releases what a failed Open had taken.
func (d *Daemon) abandon() {
	if d.bundler != nil {
		d.bundler.Close()
	}
	if d.scrapes.listener != nil {
		d.scrapes.listener.Close()
	}
	if d.pool != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		d.pool.Shutdown(ctx)
	}
	if d.sandbox != nil {
		d.sandbox.Close()
	}
	if d.lock != nil {
		d.lock.Close()
	}
}
