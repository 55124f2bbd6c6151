package gitreceive

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// tell shows the person who pushes an error with its hint and returns it.
func (p *push) tell(err error) error {
	if r, ok := errors.AsType[*refusal](err); ok {
		fmt.Fprintf(p.progress, "error: %s\n", r.message)
		if r.hint != "" {
			fmt.Fprintf(p.progress, "hint: %s\n", r.hint)
		}
	}
	return err
}

// report tells the client what became of the pack and of each ref.
func (p *push) report(unpack error) error {
	if !p.request.capabilities.has("report-status") && !p.request.capabilities.has("report-status-v2") {
		if p.side != nil {
			_, err := io.WriteString(p.out, "0000")
			return err
		}
		return nil
	}
	var text strings.Builder
	w := newPacketWriter(&text)
	if unpack != nil {
		w.line("unpack %s", oneLine(unpack))
	} else {
		w.line("unpack ok")
	}
	for i, u := range p.request.updates {
		switch {
		case unpack != nil:
			w.line("ng %s %s", u.name, oneLine(unpack))
		case p.errs[i] != nil:
			w.line("ng %s %s", u.name, oneLine(p.errs[i]))
		default:
			w.line("ok %s", u.name)
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	if p.side == nil {
		_, err := io.WriteString(p.out, text.String())
		return err
	}
	if _, err := io.WriteString(p.side.stream(bandData), text.String()); err != nil {
		return err
	}
	_, err := io.WriteString(p.out, "0000")
	return err
}

// oneLine writes an error so that it fits beside a ref.
func oneLine(err error) string {
	const longest = 500
	line, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, line)
	if len(line) > longest {
		line = strings.ToValidUTF8(line[:longest], "") + "…"
	}
	return line
}

func (p *push) log(unpack error) {
	for i, u := range p.request.updates {
		err := p.errs[i]
		if unpack != nil {
			err = unpack
		}
		attrs := []any{"repository", p.repository.name, "ref", u.name, "old", hashOrNone(u.old), "new", hashOrNone(u.new)}
		if err != nil {
			p.logger.Warn("push refused", append(attrs, slog.Any("error", err))...)
		} else {
			p.logger.Info("pushed", attrs...)
		}
	}
}

func hashOrNone(h plumbing.Hash) string {
	if h.IsZero() {
		return "none"
	}
	return h.String()
}

// drain reads on what a client still sends after its push was refused, so that
// it comes to see why, within reason.
func (p *push) drain(r io.Reader) {
	const patience = 5 * time.Second
	timer := time.AfterFunc(patience, p.close)
	defer timer.Stop()
	buffer := make([]byte, 32<<10)
	for left := p.server.config.Limits.PackBytes; left > 0; {
		n, err := r.Read(buffer)
		if err != nil {
			return
		}
		timer.Reset(patience)
		left -= int64(n)
	}
}
