package gitreceive

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Exit codes of commands, the same as those of the command line.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Commands are what people may run over SSH beside git: ssh -p 2222 HOST ps. Only
// keys with the role admin may.
type Commands interface {
	// List returns the commands in the order in which they are shown.
	List() []CommandInfo
	// Run runs a command to its end and returns its exit code. It is called for
	// every word, also those that List does not know.
	Run(ctx context.Context, c *Command) int
}

// CommandInfo is a command's name and what it does, in a few words.
type CommandInfo struct{ Name, Summary string }

// A Command is one that is being run. Ctx of Run ends when the client has gone.
type Command struct {
	Args           []string // the command and its arguments
	Key            Key
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// runCommand runs a command that is not git's.
func (s *session) runCommand(words []string) int {
	commands := s.server.config.Commands
	if strings.HasPrefix(words[0], "git-") {
		return s.say(exitUsage, "%s is not served here: only push and fetch are", quote(words[0]))
	}
	if commands == nil {
		return s.say(exitUsage, "%s is not a command here: git can push and fetch, and there is no shell", quote(words[0]))
	}
	if s.key.Role != RoleAdmin {
		s.logger.Warn("command refused", "command", words[0], "role", s.key.Role)
		return s.say(exitFailed, "%s needs a key with the role admin, and this one has %s", quote(words[0]), s.key.Role)
	}
	s.logger.Info("command", "command", words[0])
	return commands.Run(s.ctx, &Command{Args: words, Key: s.key, Stdin: s.in, Stdout: s.out, Stderr: s.stderr})
}

// introduce says who the client is and what it can do here.
func (s *session) introduce(w io.Writer) {
	fmt.Fprintf(w, "You are %s, with the key %s and the role %s.\n", s.key.who(), s.key.Fingerprint, s.key.Role)
	where := "every repository"
	if len(s.key.Repositories) > 0 {
		where = "the repositories " + strings.Join(s.key.Repositories, ", ")
	}
	if s.key.Role == RoleRead {
		fmt.Fprintf(w, "You can clone and fetch %s.\n", where)
	} else {
		fmt.Fprintf(w, "You can push to and fetch %s; a push to %s goes live.\n", where, s.server.config.DeployBranch)
	}
	names, err := s.server.config.Store.List()
	if err == nil {
		mine := slices.DeleteFunc(slices.Clone(names), func(n repositoryName) bool { return !s.key.covers(n) })
		if len(mine) == 0 {
			fmt.Fprintf(w, "There is none yet: the first push of one makes it.\n")
		}
		for _, name := range mine {
			fmt.Fprintf(w, "  %s\n", name)
		}
	}
	if commands := s.server.config.Commands; commands != nil && s.key.Role == RoleAdmin {
		fmt.Fprintf(w, "Commands:\n")
		for _, c := range commands.List() {
			fmt.Fprintf(w, "  %-12s %s\n", c.Name, c.Summary)
		}
	}
}
