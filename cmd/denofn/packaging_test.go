package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const packagingDir = "../../packaging"

// The completions know the commands that there are. They are written from the
// table of commands, so a new command needs nothing but -update.
func TestCompletions(t *testing.T) {
	for name, write := range map[string]func([]command) string{
		"denofn.bash": bashCompletion,
		"denofn.zsh":  zshCompletion,
		"denofn.fish": fishCompletion,
	} {
		path := filepath.Join(packagingDir, "completions", name)
		want := write(commands())
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s does not fit the commands: run  go test ./cmd/denofn -run TestCompletions -update", path)
		}
	}
}

func names(all []command) string {
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	return strings.Join(names, " ")
}

func bashCompletion(all []command) string {
	return `# bash completion for denofn(1).

_denofn() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' i
	if [[ $previous == --config ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == --config ]]; then
			((i++))
		elif [[ ${COMP_WORDS[i]} != -* ]]; then
			command=${COMP_WORDS[i]}
			break
		fi
	done
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--config --help' -- "$word")
	elif [[ -z $command ]]; then
		mapfile -t COMPREPLY < <(compgen -W '` + names(all) + `' -- "$word")
	fi
}
complete -o filenames -F _denofn denofn
`
}

func zshCompletion(all []command) string {
	var b strings.Builder
	b.WriteString(`#compdef denofn
# zsh completion for denofn(1).

local -a commands
commands=(
`)
	for _, c := range all {
		fmt.Fprintf(&b, "	'%s:%s'\n", c.name, strings.ReplaceAll(c.summary, "'", `'\''`))
	}
	b.WriteString(`)
_arguments \
	'--config[configuration file]:file:_files' \
	'--help[show help]' \
	"1:command:{ _describe command commands }" \
	'*::argument:_files'
`)
	return b.String()
}

func fishCompletion(all []command) string {
	var b strings.Builder
	b.WriteString(`# fish completion for denofn(1).

complete -c denofn -f
complete -c denofn -l config -r -F -d 'configuration file'
complete -c denofn -l help -d 'show help'
`)
	for _, c := range all {
		fmt.Fprintf(&b, "complete -c denofn -n '__fish_use_subcommand' -a %s -d '%s'\n", c.name, strings.ReplaceAll(c.summary, "'", `\'`))
	}
	return b.String()
}

// What bash makes of its completion, asked as readline asks.
func TestBashCompletion(t *testing.T) {
	for line, want := range map[string]string{
		"denofn se":                     "serve",
		"denofn --config /x ver":        "version",
		"denofn --co":                   "--config",
		"denofn serve s":                "",
		"denofn --config /etc/host":     "/etc/hostname",
		"denofn serve --config /etc/pa": "/etc/passwd",
	} {
		words := strings.Fields(line)
		script := fmt.Sprintf(`. %s; COMP_WORDS=(%s); COMP_CWORD=%d; _denofn; printf '%%s\n' "${COMPREPLY[@]}"`,
			filepath.Join(packagingDir, "completions", "denofn.bash"), line, len(words)-1)
		out, err := exec.Command("bash", "-c", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := strings.Fields(string(out)); want == "" && len(got) > 0 || want != "" && !slices.Contains(got, want) {
			t.Errorf("%q is completed to %q, not %q", line, got, want)
		}
	}
}

// Each command is in the man page, and the page knows no other.
func TestCommandsAreInTheManPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(packagingDir, "man", "denofn.1"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), ".Sh COMMANDS\n")
	section, _, _ = strings.Cut(section, ".Sh ")
	for _, c := range commands() {
		if !strings.Contains(section, ".It Cm "+c.name) {
			t.Errorf("denofn.1 has no command %s below COMMANDS: add  .It Cm %s", c.name, c.name)
		}
	}
	if n := strings.Count(section, ".It Cm "); n != len(commands()) {
		t.Errorf("denofn.1 has %d commands, and the program %d", n, len(commands()))
	}
}
