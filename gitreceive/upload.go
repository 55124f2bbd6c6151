package gitreceive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/gitreceive/packfile"
)

// A fetch is one run of upload-pack: clone, fetch, pull and ls-remote. This file
// is what both protocols share and version 0 of it; upload2.go is version 2.
type fetch struct {
	*session
	repository *Repository
	objects    *objects
	set        *packfile.Set
	refs       []ref
	head       string // the branch that HEAD names
	own        map[plumbing.Hash]bool
	packets    *packetReader
	asking     *time.Timer // cuts off a client that does not come to the point
}

// A fetchRequest is what a client wants.
type fetchRequest struct {
	capabilities capabilities
	wants        []plumbing.Hash
	haves        []plumbing.Hash // that we have too
	shallow      map[plumbing.Hash]bool
	depth        depth
	done         bool
}

// uploadPack serves git fetch.
func (s *session) uploadPack(name denofn.RepositoryName) error {
	repository, err := s.server.config.Store.Open(name)
	if errors.Is(err, ErrNotFound) {
		err = &refusal{fmt.Sprintf("there is no repository %s", name), "the first push makes it"}
	}
	if err != nil {
		return s.fatal(err)
	}
	f := &fetch{session: s, repository: repository, packets: newPacketReader(s.in), head: branchPrefix + s.server.config.DeployBranch}
	defer s.unblock()()
	f.asking = time.AfterFunc(s.server.config.Limits.Time, s.close)
	defer f.asking.Stop()
	if s.version == 2 {
		return f.version2()
	}
	return f.version0()
}

// open reads the refs and then the objects, so that every ref's object is there.
func (f *fetch) open() error {
	f.repository.packsMu.RLock()
	defer f.repository.packsMu.RUnlock()
	var err error
	if f.refs, err = f.repository.refs(); err != nil {
		return err
	}
	if f.own, err = f.repository.shallow(); err != nil {
		return err
	}
	f.close()
	f.objects = newObjects(f.repository, "")
	f.objects.once.Do(f.objects.openLocked)
	f.set, err = f.objects.set, f.objects.err
	return err
}

func (f *fetch) close() {
	if f.objects != nil {
		f.objects.Close()
		f.objects = nil
	}
}

// headRef returns HEAD if the branch that it names exists.
func (f *fetch) headRef() *ref {
	if i, ok := findRef(f.refs, f.head); ok {
		return &f.refs[i]
	}
	return nil
}

// version0 serves versions 0 and 1, which differ in one line.
func (f *fetch) version0() error {
	if err := f.open(); err != nil {
		return f.fatal(err)
	}
	defer f.close()
	can := []string{"multi_ack", "multi_ack_detailed", "no-done", "thin-pack", "side-band", "side-band-64k", "ofs-delta", "shallow",
		"deepen-since", "deepen-not", "deepen-relative", "no-progress", "include-tag", "allow-tip-sha1-in-want", "allow-reachable-sha1-in-want"}
	if f.headRef() != nil {
		can = append(can, "symref=HEAD:"+f.head)
	}
	can = append(can, "object-format=sha1", agent)
	if err := f.advertise(f.refs, sortedHashes(f.own), can, f.headRef()); err != nil {
		return err
	}
	request := &fetchRequest{}
	end, err := f.packets.list(func(line []byte) error { return f.line(request, line) })
	if err == io.ErrUnexpectedEOF && len(request.wants) == 0 {
		return nil // it has seen enough
	}
	if err == nil && end != packetFlush {
		err = errPacket
	}
	if err != nil {
		return f.fatal(publicly(err))
	}
	if len(request.wants) == 0 {
		return nil
	}
	b, err := f.boundary(request)
	if err != nil {
		return f.fatal(err)
	}
	w := newPacketWriter(f.out)
	if request.depth.isSet() {
		writeBoundary(w, b)
		if err := w.flush(); err != nil {
			return err
		}
	}
	if err := f.negotiate(request, w); err != nil {
		return err
	}
	return f.send(request, b, f.sideBand(request))
}

// line reads a line of a request, of any version.
func (f *fetch) line(r *fetchRequest, line []byte) error {
	text := string(line)
	key, value, _ := strings.Cut(text, " ")
	switch key {
	case "want":
		value, rest, _ := strings.Cut(value, " ")
		if r.capabilities == nil {
			r.capabilities = parseCapabilities(rest)
		}
		h, err := f.object(value)
		if err != nil {
			return err
		}
		r.wants = append(r.wants, h)
	case "shallow":
		if !plumbing.IsHash(value) {
			return malformed(line)
		}
		add(&r.shallow, plumbing.NewHash(value))
	case "deepen":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return malformed(line)
		}
		r.depth.commits = n
	case "deepen-since":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n <= 0 {
			return malformed(line)
		}
		r.depth.since = n
	case "deepen-not":
		h, err := f.named(value)
		if err != nil {
			return err
		}
		r.depth.not = append(r.depth.not, value)
		r.depth.excluded = append(r.depth.excluded, h)
	case "deepen-relative":
		r.depth.relative = true
	default:
		return malformed(line)
	}
	return nil
}

func malformed(line []byte) error { return &refusal{fmt.Sprintf("malformed line %.200q", line), ""} }

// object reads the hash of an object that we have.
func (f *fetch) object(text string) (plumbing.Hash, error) {
	if !plumbing.IsHash(text) {
		return plumbing.ZeroHash, &refusal{fmt.Sprintf("malformed hash %s", quote(text)), ""}
	}
	h := plumbing.NewHash(text)
	if _, ok := f.set.Find(h); !ok {
		return h, &refusal{fmt.Sprintf("upload-pack: not our ref %s", h), ""}
	}
	return h, nil
}

// named returns the commit of a ref, under its full or its short name.
func (f *fetch) named(name string) (plumbing.Hash, error) {
	for _, prefix := range []string{"", "refs/", tagPrefix, branchPrefix} {
		if i, ok := findRef(f.refs, prefix+name); ok {
			h, _, err := peel(f.set, f.refs[i].hash)
			return h, err
		}
	}
	return plumbing.ZeroHash, &refusal{fmt.Sprintf("there is no ref %s", quote(name)), ""}
}

func (f *fetch) boundary(r *fetchRequest) (*boundary, error) {
	if _, ok := r.capabilities["deepen-relative"]; ok {
		r.depth.relative = true
	}
	return findBoundary(f.ctx, f.set, r.wants, r.depth, r.shallow, f.own)
}

func writeBoundary(w *packetWriter, b *boundary) {
	for _, h := range b.shallow {
		w.line("shallow %s", h)
	}
	for _, h := range b.unshallow {
		w.line("unshallow %s", h)
	}
}

// negotiate finds out what the client has. The kinds of acknowledgement grew over
// time; a client names the best that it knows.
func (f *fetch) negotiate(r *fetchRequest, w *packetWriter) error {
	detailed := r.capabilities.has("multi_ack_detailed")
	multi := detailed || r.capabilities.has("multi_ack")
	var last string
	ready, missed := false, false
	known, reached := 0, false // how many haves the answer is for
	enough := func() bool {
		if known != len(r.haves) {
			ok, err := reachesAll(f.ctx, f.set, r.wants, r.haves)
			known, reached = len(r.haves), ok && err == nil
		}
		return reached
	}
	for {
		packet, err := f.packets.next()
		if err != nil {
			return err
		}
		text := string(packet.data)
		hash, isHave := strings.CutPrefix(text, "have ")
		switch {
		case packet.kind == packetFlush:
			if detailed && len(r.haves) > 0 && !missed && enough() {
				ready = true
				w.line("ACK %s ready", last)
			}
			if len(r.haves) == 0 || multi {
				w.line("NAK")
			}
			if ready && r.capabilities.has("no-done") {
				w.line("ACK %s", last)
				return w.send()
			}
			missed = false
		case isHave && plumbing.IsHash(hash):
			if len(r.haves) > maxPacketsInList {
				return f.fatal(&refusal{"too many haves", ""})
			}
			h := plumbing.NewHash(hash)
			_, ok := f.set.Find(h)
			if ok {
				r.haves = append(r.haves, h)
				last = hash
			} else {
				missed = true
			}
			switch {
			case ok && detailed:
				w.line("ACK %s common", hash)
			case ok && multi:
				w.line("ACK %s continue", hash)
			case ok && len(r.haves) == 1:
				w.line("ACK %s", hash)
			case !ok && detailed && enough():
				ready = true
				w.line("ACK %s ready", hash)
			case !ok && multi && enough():
				w.line("ACK %s continue", hash)
			}
		case packet.kind == packetData && text == "done":
			r.done = true
			if len(r.haves) == 0 {
				w.line("NAK")
			} else if multi {
				w.line("ACK %s", last)
			}
			return w.send()
		default:
			return f.fatal(malformed(packet.data))
		}
		if packet.kind == packetFlush {
			if err := w.send(); err != nil {
				return err
			}
		}
	}
}

// sideBand returns the side band that the client asked for, or nil.
func (f *fetch) sideBand(r *fetchRequest) *sideBand {
	switch {
	case r.capabilities.has("side-band-64k"):
		return &sideBand{most: sideBand64k, w: f.out}
	case r.capabilities.has("side-band"):
		return &sideBand{most: sideBandSmall, w: f.out}
	}
	return nil
}

// send sends the pack.
func (f *fetch) send(r *fetchRequest, b *boundary, side *sideBand) error {
	f.asking.Stop() // from here on the client takes what it is given, or patientWriter ends it
	out := f.out
	if side != nil {
		out = side.stream(bandData)
		defer side.keepAlive()()
	}
	began := time.Now()
	w := newWalk(f.ctx, f.set)
	w.cut, w.had = b.cut, maps.Clone(f.own)
	for h := range r.shallow {
		add(&w.had, h)
	}
	err := w.run(slices.Concat(r.wants, b.parents), r.haves)
	if err == nil && r.capabilities.has("include-tag") {
		err = w.includeTags(f.refs)
	}
	if err != nil {
		return f.broken(side, err)
	}
	selection := packfile.Selection{
		Set: f.set, Objects: w.objects, OffsetDeltas: r.capabilities.has("ofs-delta"),
		Progress: func(string, int, int) error { return context.Cause(f.ctx) },
	}
	if r.capabilities.has("thin-pack") {
		selection.Has = w.has
	}
	if err := packfile.Write(out, selection); err != nil {
		return f.broken(side, err)
	}
	f.logger.Info("fetched", "repository", f.repository.name, "objects", w.objects.Count(), "took", time.Since(began))
	if side != nil {
		_, err = io.WriteString(f.out, "0000")
	}
	return err
}

// broken ends a pack that cannot be finished in a way that the client notices.
func (f *fetch) broken(side *sideBand, err error) error {
	if f.ctx.Err() == nil {
		f.logger.Error("pack not sent", "repository", f.repository.name, "error", err)
		if side != nil {
			fmt.Fprintln(side.stream(bandFatal), errInternal)
		}
	}
	return err
}
