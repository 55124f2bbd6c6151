package denofn_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are what people read; every command in their indented blocks is checked.
var pages = []string{"README.md", "CONTRIBUTING.md", "contrib/bench/README.md"}

// elsewhereRun are make targets that .ci/run leaves out, and why.
var elsewhereRun = map[string]string{
	"bench": "numbers of a busy machine say nothing; make test compiles the programs",
	"race":  "takes longer than the everyday loop may; run before a release",
}

// commandsOf returns the commands in the indented code blocks of a page, without
// their trailing comments.
func commandsOf(t *testing.T, page string) []string {
	t.Helper()
	f, err := os.Open(page)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var commands []string
	fenced := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "```") {
			fenced = !fenced
		}
		command, ok := strings.CutPrefix(lines.Text(), "    ")
		if !ok || fenced {
			continue
		}
		command, _, _ = strings.Cut(command, "  #")
		commands = append(commands, strings.TrimSpace(command))
	}
	return commands
}

// Every command that a page shows exists: a make target that CI runs, a test that
// can be listed, a program that can be built. What the README shows of pushes is
// compared in cmd/denofn, and its transcript of a package in packaging.
func TestCommandsInDocumentsExist(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	ci, err := os.ReadFile(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		for _, command := range commandsOf(t, page) {
			words := strings.Fields(command)
			switch {
			case len(words) < 2:
			case words[0] == "make":
				checkTarget(t, page, words[1], string(makefile), string(ci))
			case words[0] == "go" && words[1] == "test":
				checkTest(t, page, words[2:])
			case words[0] == "go" && words[1] == "run":
				i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "./") })
				if i < 0 {
					t.Errorf("%s: %s runs nothing of ours", page, command)
				} else if files, _ := filepath.Glob(filepath.Join(words[i], "main.go")); len(files) == 0 {
					t.Errorf("%s: %s: no program there", page, command)
				}
			}
		}
	}
}

func checkTarget(t *testing.T, page, target, makefile, ci string) {
	t.Helper()
	if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:`).MatchString(makefile) {
		t.Errorf("%s: make %s: no such target", page, target)
	}
	if elsewhereRun[target] == "" && !regexp.MustCompile(`(?m)^\s*make .*\b`+regexp.QuoteMeta(target)+`\b`).MatchString(ci) {
		t.Errorf("%s: make %s: .ci/run does not run it", page, target)
	}
}

func checkTest(t *testing.T, page string, args []string) {
	t.Helper()
	name := "."
	for i, arg := range args {
		if arg == "-run" || arg == "-fuzz" {
			name, _, _ = strings.Cut(args[i+1], "/")
		}
	}
	out, err := exec.Command("go", "test", args[0], "-list", name).CombinedOutput()
	if err != nil {
		t.Errorf("%s: go test %v: %v\n%s", page, args, err, out)
	} else if args[0] != "./..." && !strings.Contains(string(out), strings.Trim(name, ".")) {
		t.Errorf("%s: go test %v: nothing is called that", page, args)
	}
}
