package gitreceive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/denofn/denofn"
)

// A push is one run of receive-pack, from the request to the report. Its methods
// are its steps, in their order; ARCHITECTURE.md tells what holds after each.
type push struct {
	*session
	repository *Repository
	request    *updateRequest
	incoming   *incoming
	side       *sideBand // nil if the client cannot take one
	progress   io.Writer
	errs       []error // of each update: why it is refused
	relies     bool    // on objects of the repository, whose packsMu it holds shared
}

// The names of the steps, for Config.Step.
const (
	stepQuarantined = "quarantined"
	stepPrepared    = "prepared"
	stepMigrated    = "migrated"
	stepRefsMoved   = "refs-moved"
	stepActivated   = "activated"
)

// receivePack serves git push.
func (s *session) receivePack(name denofn.RepositoryName) error {
	if err := s.server.config.Store.checkNew(name); err != nil {
		return s.fatal(err)
	}
	refs, shallow, err := s.server.config.Store.snapshot(name)
	if err != nil {
		return s.fatal(err)
	}
	if err := s.advertise(refs, shallow, receiveCapabilities(), nil); err != nil {
		return err
	}
	packets := newPacketReader(s.in)
	asking := time.AfterFunc(s.server.config.Limits.Time, s.close) // hooks of the client may run for long
	request, err := readUpdateRequest(packets)
	asking.Stop()
	if err != nil {
		return s.fatal(publicly(err))
	}
	if request == nil {
		return nil
	}
	repository, release, err := s.server.config.Store.create(name, s.server.config.DeployBranch)
	if err != nil {
		return s.fatal(err)
	}
	defer s.server.idle.consider(repository)
	defer release()
	p := &push{session: s, repository: repository, request: request, progress: s.stderr, errs: make([]error, len(request.updates))}
	if request.capabilities.has("side-band-64k") {
		p.side = &sideBand{most: sideBand64k, w: s.out}
		p.progress = p.side.stream(bandProgress)
	}
	return p.run(packets)
}

func receiveCapabilities() []string {
	return []string{"report-status", "report-status-v2", "delete-refs", "side-band-64k", "quiet", "atomic", "ofs-delta", "push-options", "object-format=sha1", agent}
}

// run receives what follows the request and reports on it.
func (p *push) run(packets *packetReader) error {
	limits := &p.server.config.Limits
	ctx, cancel := context.WithTimeoutCause(p.ctx, limits.Time, limits.errTime())
	defer cancel()
	p.ctx = ctx
	unpack := p.receiveInTurn(packets.r)
	p.log(unpack)
	err := p.report(unpack)
	if unpack != nil && err == nil {
		p.drain(packets.r)
	}
	return err
}

// receiveInTurn does everything between the request and the report, if there are
// not too many pushes already. Its error is one of the pack, and so of all refs.
func (p *push) receiveInTurn(r *bufio.Reader) error {
	if !p.server.pushes.tryAcquire() {
		return p.tell(&refusal{"too many other pushes are being received", "push again in a moment, or raise git.max_pushes in denofn.toml"})
	}
	defer p.server.pushes.release()
	defer p.side.keepAlive()()
	p.incoming = &incoming{repository: p.repository, shallow: p.request.shallow}
	defer p.letGo()
	if err := p.receive(r); err != nil {
		return err
	}
	p.update()
	return nil
}

// letGo gives back what the push has taken. What it has not migrated is gone.
func (p *push) letGo() {
	if p.relies {
		p.repository.packsMu.RUnlock()
	}
	if err := p.incoming.drop(); err != nil {
		p.logger.Error("quarantine not dropped", "error", err)
	}
}

// receive takes the pack into quarantine and makes sure that it is good.
func (p *push) receive(r *bufio.Reader) error {
	p.checkNames()
	meter := p.newMeter()
	err := p.receiveObjects(p.incoming, r, meter)
	meter.end()
	if err == nil {
		return nil
	}
	if cause := context.Cause(p.ctx); cause != nil {
		err = cause
	}
	told := p.server.config.Limits.explain(err)
	if told == errInternal {
		p.logger.Error("pack not received", "error", err)
	}
	return p.tell(told)
}

func (p *push) receiveObjects(in *incoming, r *bufio.Reader, meter *meter) error {
	limits := p.server.config.Limits
	dir := ""
	if p.request.sendsPack() {
		// When the time is over, the client is told why before it is cut off.
		unblock := context.AfterFunc(p.ctx, func() {
			p.tell(context.Cause(p.ctx))
			p.close()
		})
		err := in.receive(p.ctx, r, limits, meter.update)
		unblock()
		if err != nil {
			return err
		}
		dir = in.quarantine.dir
	}
	// What the check finds must stay until the refs have moved.
	p.repository.packsMu.RLock()
	p.relies = true
	in.objects = newObjects(p.repository, dir)
	if dir == "" {
		return nil
	}
	if err := in.check(p.ctx); err != nil {
		return err
	}
	p.step(stepQuarantined)
	return nil
}

// checkNames refuses what cannot be a ref, and refs that are named twice.
func (p *push) checkNames() {
	times := make(map[string]int)
	for _, u := range p.request.updates {
		times[u.name]++
	}
	for i, u := range p.request.updates {
		if times[u.name] > 1 {
			p.errs[i] = errors.New("it is in this push twice")
		} else if err := checkRefName(u.name); err != nil {
			p.errs[i] = err
		}
	}
}

// update moves the refs, and deploys if the deploy branch is among them. From
// here on nobody else pushes to the repository.
func (p *push) update() {
	for i := range p.request.updates {
		u := &p.request.updates[i]
		if p.errs[i] == nil && !u.new.IsZero() {
			peeled, err := p.incoming.tip(u.name, u.new)
			u.peeled, p.errs[i] = peeled, p.server.config.Limits.explain(err)
		}
	}
	if err := p.takeTurn(); err != nil {
		p.refuse(err)
		return
	}
	defer func() { <-p.repository.turn }()
	refs, err := p.repository.refs()
	if err != nil {
		p.internal("refs not read", err)
		return
	}
	p.accept(refs)
	if p.request.capabilities.has("atomic") && p.refused() {
		p.refuse(errors.New("atomic push failed"))
	}
	updates := p.accepted()
	if len(updates) == 0 {
		return
	}
	if err := p.checkFiles(updates); err != nil {
		p.refuse(p.tell(p.server.config.Limits.explain(err)))
		return
	}
	p.deployAndMove(updates)
}

// takeTurn waits until no other push to the repository is between here and its
// end.
func (p *push) takeTurn() error {
	select {
	case p.repository.turn <- struct{}{}:
		return nil
	default:
	}
	p.logger.Debug("waiting for another push")
	fmt.Fprintf(p.progress, "Waiting for another push to %s to end.\n", p.repository.name)
	select {
	case p.repository.turn <- struct{}{}:
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}

// accept refuses the updates that cannot be made now.
func (p *push) accept(refs []ref) {
	indexes := p.acceptedIndexes()
	for i, err := range checkUpdates(refs, p.accepted()) {
		p.errs[indexes[i]] = err
	}
}

func (p *push) acceptedIndexes() []int {
	var indexes []int
	for i := range p.errs {
		if p.errs[i] == nil {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

func (p *push) accepted() []refUpdate {
	var updates []refUpdate
	for _, i := range p.acceptedIndexes() {
		updates = append(updates, p.request.updates[i])
	}
	return updates
}

func (p *push) refused() bool {
	return slices.ContainsFunc(p.errs, func(err error) bool { return err != nil })
}

// refuse refuses all updates that are not refused yet.
func (p *push) refuse(err error) {
	for i := range p.errs {
		if p.errs[i] == nil {
			p.errs[i] = err
		}
	}
}

// internal refuses everything for a reason that is the server's.
func (p *push) internal(what string, err error) {
	p.logger.Error(what, "error", err)
	p.refuse(errInternal)
}

// deployAndMove is the heart: prepare, migrate, move, activate.
func (p *push) deployAndMove(updates []refUpdate) {
	var deployment Deployment
	for _, u := range updates {
		if u.name != branchPrefix+p.server.config.DeployBranch {
			continue
		}
		var err error
		if deployment, err = p.prepare(u); err != nil {
			p.refuse(err)
			return
		}
	}
	discard := func() {
		if deployment != nil {
			deployment.Discard()
		}
	}
	p.step(stepPrepared)
	if err := context.Cause(p.ctx); err != nil {
		discard()
		p.refuse(err)
		return
	}
	if err := p.migrate(); err != nil {
		discard()
		p.internal("objects not migrated", err)
		return
	}
	p.step(stepMigrated)
	errs, err := p.repository.updateRefs(updates, true)
	if err != nil {
		discard()
		p.internal("refs not moved", err)
		return
	}
	if at := slices.IndexFunc(errs, func(err error) bool { return err != nil }); at >= 0 {
		// Somebody moved them without asking us.
		discard()
		p.refuse(errs[at])
		return
	}
	p.step(stepRefsMoved)
	if deployment != nil {
		// The push has happened: whether the client is still there does not matter.
		if err := deployment.Activate(context.WithoutCancel(p.ctx)); err != nil {
			p.moveBack(updates)
			p.refuse(err)
			return
		}
		p.step(stepActivated)
	}
	p.tellStored(updates)
}

func (p *push) prepare(u refUpdate) (Deployment, error) {
	if !u.new.IsZero() {
		p.warn(u.new)
	}
	return p.server.config.Deployer.Prepare(p.ctx, &Push{
		Repository: p.repository.name,
		Objects:    p.incoming.objects,
		Old:        u.old,
		New:        u.new,
		Options:    parseOptions(p.request.options),
		Key:        p.key,
		Terminal:   p.request.capabilities.terminal(),
		Progress:   p.progress,
	})
}

func (p *push) migrate() error {
	if err := p.repository.addShallow(p.incoming.newGraft); err != nil {
		return err
	}
	if p.incoming.quarantine == nil {
		return nil
	}
	return p.incoming.quarantine.migrate()
}

// moveBack undoes what updateRefs did.
func (p *push) moveBack(updates []refUpdate) {
	back := make([]refUpdate, len(updates))
	for i, u := range updates {
		back[i] = refUpdate{name: u.name, old: u.new, new: u.old}
	}
	if _, err := p.repository.updateRefs(back, true); err != nil {
		p.logger.Error("refs not moved back", "error", err)
	}
}

// tellStored says of the branches that are not deployed that they are kept.
func (p *push) tellStored(updates []refUpdate) {
	for _, u := range updates {
		short, isBranch := strings.CutPrefix(u.name, branchPrefix)
		if !isBranch || short == p.server.config.DeployBranch || u.new.IsZero() {
			continue
		}
		fmt.Fprintf(p.progress, "Branch %s is stored, not deployed: only %s goes live.\n", short, p.server.config.DeployBranch)
	}
}

func (p *push) step(name string) {
	if p.server.config.Step != nil {
		p.server.config.Step(name)
	}
}
