package gitreceive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/denofn/denofn"
)

// Git's commands, as clients send them.
const (
	receivePack = "git-receive-pack"
	uploadPack  = "git-upload-pack"
)

// A session is one command of one client.
type session struct {
	server  *Server
	ctx     context.Context // ends when the client has gone
	key     Key
	command string // receivePack or uploadPack; empty for others
	version int    // of git's protocol that the client asked for
	in      io.Reader
	out     io.Writer
	stderr  io.Writer
	close   func() // cuts the client off
	logger  *slog.Logger
}

// session answers the requests of a channel: one command and, before it, the
// protocol that git would like to speak. There is no shell, no terminal, no
// subsystem and no environment.
func (c *connection) session(ctx context.Context, channel ssh.NewChannel, key Key, logger *slog.Logger) {
	ch, requests, err := channel.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	guarded := newPatientWriter(ch, c.server.config.Limits.IdleTime, func() { c.conn.Close() })
	s := &session{
		server: c.server, ctx: ctx, key: key, logger: logger,
		in: ch, out: guarded, stderr: ch.Stderr(),
		close: func() { ch.Close() },
	}
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel() // before the wait: what runs ends when the channel does
	started := false
	for request := range requests {
		switch {
		case request.Type == "env":
			request.Reply(s.setEnvironment(request.Payload), nil)
		case (request.Type == "exec" || request.Type == "shell") && !started && c.server.beginSession():
			started = true
			request.Reply(true, nil)
			line := ""
			if request.Type == "exec" {
				line = stringOf(request.Payload)
			}
			running.Go(func() {
				defer c.server.sessions.Done()
				exit := s.runSafely(line)
				ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(exit)}))
				ch.Close()
			})
		default:
			request.Reply(false, nil)
		}
	}
}

func stringOf(payload []byte) string {
	var p struct{ Text string }
	if ssh.Unmarshal(payload, &p) != nil {
		return ""
	}
	return p.Text
}

// setEnvironment takes the one variable that git needs.
func (s *session) setEnvironment(payload []byte) bool {
	var p struct{ Name, Value string }
	if ssh.Unmarshal(payload, &p) != nil || p.Name != "GIT_PROTOCOL" || len(p.Value) > 1024 {
		return false
	}
	for part := range strings.SplitSeq(p.Value, ":") {
		switch part {
		case "version=1":
			s.version = max(s.version, 1)
		case "version=2":
			s.version = 2
		}
	}
	return true
}

// runSafely is run for a daemon that has more to do than this one command: a bug
// that a client has found must not take the others down.
func (s *session) runSafely(line string) (exit int) {
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("session panicked", "panic", p, "stack", string(debug.Stack()))
			s.say(exitFailed, "%s", errInternal)
			exit = exitFailed
		}
	}()
	return s.run(line)
}

// run runs a command line and returns its exit code.
func (s *session) run(line string) int {
	words, err := splitWords(line)
	if err != nil {
		return s.say(exitUsage, "%s", err)
	}
	if len(words) == 0 {
		s.introduce(s.out)
		return exitDone
	}
	if words[0] == "git" && len(words) > 1 { // some clients spell it so
		words = append([]string{"git-" + words[1]}, words[2:]...)
	}
	if words[0] != receivePack && words[0] != uploadPack {
		return s.runCommand(words)
	}
	s.command = words[0]
	if len(words) != 2 {
		return s.say(exitUsage, "%s takes the name of a repository", words[0])
	}
	if err := s.git(words[1]); err != nil {
		s.logger.Debug("git session ended", "command", s.command, "error", err)
		return exitFailed
	}
	return exitDone
}

// git serves one of git's two commands.
func (s *session) git(path string) error {
	name, err := denofn.ParseRepositoryName(repositoryOf(path))
	if err != nil {
		return s.fatal(err)
	}
	s.logger = s.logger.With("repository", name)
	if err := s.key.may(s.command == receivePack, name); err != nil {
		s.logger.Warn("access refused", "command", s.command, "error", err)
		return s.fatal(err)
	}
	if s.command == receivePack {
		return s.receivePack(name)
	}
	return s.uploadPack(name)
}

// repositoryOf returns what a path names: with or without a slash before it and
// .git behind it.
func repositoryOf(path string) string {
	path = strings.TrimPrefix(path, "/~/")
	path = strings.TrimPrefix(path, "~/")
	path = strings.TrimLeft(path, "/")
	path = strings.TrimRight(path, "/")
	return strings.TrimSuffix(path, repositorySuffix)
}

// fatal tells a git client why nothing comes of what it wants, in the way that
// every version of git shows, and returns the error.
func (s *session) fatal(err error) error {
	text := err.Error()
	if r, ok := errors.AsType[*refusal](err); ok && r.hint != "" {
		text += "\nhint: " + r.hint
	}
	if known, isOurs := publicText(err); !isOurs {
		s.logger.Error("git session failed", "command", s.command, "error", err)
		text = known
	}
	w := newPacketWriter(s.out)
	w.line("ERR %s", text)
	w.send()
	return err
}

// publicText reports whether an error is about what the client did. Others are
// not shown to it.
func publicText(err error) (string, bool) {
	if isPublic(err) {
		return err.Error(), true
	}
	return errInternal.Error(), false
}

// publicly makes an error of reading a request one that the client is told: it is
// about what it has sent.
func publicly(err error) error {
	if isPublic(err) {
		return err
	}
	return &refusal{err.Error(), ""}
}

// say writes a line for people and returns exit.
func (s *session) say(exit int, format string, args ...any) int {
	fmt.Fprintf(s.stderr, format+"\n", args...)
	return exit
}

// unblock ends the reading from a client when the session's time is over. The
// returned function undoes it.
func (s *session) unblock() func() {
	stop := context.AfterFunc(s.ctx, s.close)
	return func() { stop() }
}

// A patientWriter cuts off a client that does not take what is written to it.
type patientWriter struct {
	w    io.Writer
	most time.Duration
	cut  func()
}

func newPatientWriter(w io.Writer, most time.Duration, cut func()) *patientWriter {
	return &patientWriter{w: w, most: most, cut: cut}
}

func (p *patientWriter) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 { // in parts, so that a slow client is not taken for a dead one
		part := b[:min(len(b), 32<<10)]
		timer := time.AfterFunc(p.most, p.cut)
		n, err := p.w.Write(part)
		timer.Stop()
		written += n
		if err != nil {
			return written, err
		}
		b = b[len(part):]
	}
	return written, nil
}

var errQuote = errors.New("a quotation mark is missing its other half")

// splitWords takes a command line apart as a shell does, without giving anything
// but quotation marks and backslashes a meaning.
func splitWords(line string) ([]string, error) {
	var words []string
	var word []byte
	inWord, mark := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && mark != '\'':
			if i++; i == len(line) {
				return nil, errQuote
			}
			word, inWord = append(word, line[i]), true
		case mark != 0 && c == mark:
			mark = 0
		case mark != 0:
			word = append(word, c)
		case c == '\'' || c == '"':
			mark, inWord = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if inWord {
				words, word, inWord = append(words, string(word)), nil, false
			}
		default:
			word, inWord = append(word, c), true
		}
	}
	if mark != 0 {
		return nil, errQuote
	}
	if inWord {
		words = append(words, string(word))
	}
	return words, nil
}

// isPublic reports whether an error is about what the client did.
func isPublic(err error) bool {
	if _, ok := errors.AsType[*refusal](err); ok {
		return true
	}
	if _, ok := errors.AsType[*denofn.NameError](err); ok {
		return true
	}
	_, ok := errors.AsType[*caseError](err)
	return ok
}
