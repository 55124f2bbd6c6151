package gitreceive

import (
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// version2 serves protocol version 2: the client sends commands, each of which is
// complete in itself.
func (f *fetch) version2() error {
	defer f.close()
	w := newPacketWriter(f.out)
	w.line("version 2")
	w.line("%s", agent)
	w.line("ls-refs=unborn")
	w.line("fetch=shallow")
	w.line("object-format=sha1")
	if err := w.flush(); err != nil {
		return err
	}
	for {
		command, args, err := f.readCommand()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return f.fatal(publicly(err))
		}
		// Every command sees the repository as it is when it comes.
		if err := f.open(); err != nil {
			return f.fatal(err)
		}
		switch command {
		case "":
			return nil
		case "ls-refs":
			err = f.listRefs(args)
		case "fetch":
			err = f.fetch2(args)
		default:
			err = f.fatal(&refusal{fmt.Sprintf("unknown command %s", quote(command)), ""})
		}
		if err != nil {
			return err
		}
	}
}

// readCommand returns a command and its arguments; io.EOF when there are no more.
func (f *fetch) readCommand() (command string, args []string, err error) {
	first, err := f.packets.next()
	if err != nil || first.kind == packetFlush {
		return "", nil, err
	}
	command, ok := strings.CutPrefix(string(first.data), "command=")
	if first.kind != packetData || !ok {
		return "", nil, errPacket
	}
	end, err := f.packets.list(func(line []byte) error {
		if format, ok := strings.CutPrefix(string(line), "object-format="); ok && format != "sha1" {
			return errFormat(format)
		}
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	if end == packetDelimiter {
		if end, err = f.packets.list(func(line []byte) error {
			args = append(args, string(line))
			return nil
		}); err != nil {
			return "", nil, err
		}
	}
	if end != packetFlush {
		return "", nil, errPacket
	}
	return command, args, nil
}

// listRefs is the command ls-refs.
func (f *fetch) listRefs(args []string) error {
	var prefixes []string
	var peel, symrefs, unborn bool
	for _, arg := range args {
		if prefix, ok := strings.CutPrefix(arg, "ref-prefix "); ok {
			prefixes = append(prefixes, prefix)
		}
		peel = peel || arg == "peel"
		symrefs = symrefs || arg == "symrefs"
		unborn = unborn || arg == "unborn"
	}
	wanted := func(name string) bool {
		for _, prefix := range prefixes {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return len(prefixes) == 0
	}
	w := newPacketWriter(f.out)
	if wanted("HEAD") {
		target := ""
		if symrefs {
			target = " symref-target:" + f.head
		}
		if head := f.headRef(); head != nil {
			w.line("%s HEAD%s", head.hash, target)
		} else if unborn {
			w.line("unborn HEAD%s", target)
		}
	}
	for _, r := range f.refs {
		switch {
		case !wanted(r.name):
		case peel && !r.peeled.IsZero():
			w.line("%s %s peeled:%s", r.hash, r.name, r.peeled)
		default:
			w.line("%s %s", r.hash, r.name)
		}
	}
	return w.flush()
}

// fetch2 is the command fetch.
func (f *fetch) fetch2(args []string) error {
	r := &fetchRequest{capabilities: capabilities{"side-band-64k": ""}}
	haves := 0
	for _, arg := range args {
		hash, isHave := strings.CutPrefix(arg, "have ")
		switch {
		case isHave && plumbing.IsHash(hash):
			haves++
			h := plumbing.NewHash(hash)
			if _, ok := f.set.Find(h); ok {
				r.haves = append(r.haves, h)
			}
		case arg == "done":
			r.done = true
		case arg == "thin-pack", arg == "no-progress", arg == "include-tag", arg == "ofs-delta":
			r.capabilities[arg] = ""
		default:
			if err := f.line(r, []byte(arg)); err != nil {
				return f.fatal(err)
			}
		}
	}
	w := newPacketWriter(f.out)
	if len(r.wants) == 0 {
		return w.flush()
	}
	if haves > 0 && !r.done {
		w.line("acknowledgments")
		for _, h := range r.haves {
			w.line("ACK %s", h)
		}
		if len(r.haves) == 0 {
			w.line("NAK")
		}
		ready, err := reachesAll(f.ctx, f.set, r.wants, r.haves)
		if err != nil {
			return f.fatal(err)
		}
		if !ready {
			return w.flush()
		}
		w.line("ready")
		w.delimiter()
	}
	b, err := f.boundary(r)
	if err != nil {
		return f.fatal(err)
	}
	if r.depth.isSet() || len(f.own) > 0 || len(r.shallow) > 0 {
		w.line("shallow-info")
		writeBoundary(w, b)
		w.delimiter()
	}
	w.line("packfile")
	if err := w.send(); err != nil {
		return err
	}
	return f.send(r, b, f.sideBand(r))
}
