package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/denofn/denofn/micro/denotest"
)

// crashEnv names the step of a deploy at which the denofn of a story kills
// itself, as a power cut would.
const crashEnv = "DENOFN_STORY_CRASH"

// patience bounds every wait of a story.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	runHelper()
	testscript.Main(m, map[string]func(){"denofn": storyMain})
}

// storyMain is the denofn that stories run: the real one, but that it can be told
// to kill itself at a step.
func storyMain() {
	step := os.Getenv(crashEnv)
	env := environment{stdout: os.Stdout, stderr: os.Stderr}
	if step == "" || len(os.Args) != 2 || os.Args[1] != "serve" {
		os.Exit(run(env, os.Args[1:]))
	}
	env.configPath = configFromEnvironment()
	err := serveUntilSignal(env, func(name string) {
		if name == step {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	})
	fmt.Fprintln(os.Stderr, "denofn serve:", err)
	os.Exit(exitFailed)
}

// TestStories runs what users can see as scripts: real git over real SSH, real
// Deno. Each has a machine of its own in $WORK, with a key, a configuration and
// the command `denofn`. The commands it may use beside testscript's own:
//
//	serve [CRASH-STEP]        start the daemon and wait until it serves
//	stop                      SIGTERM; must end with exit code 0
//	killed                    wait for the daemon to have been ended by SIGKILL
//	hup TEXT                  SIGHUP, and wait until the log says TEXT
//	log TEXT [COUNT]          wait until the log has TEXT (COUNT times)
//	fetch [-STATUS] PATH [H]  GET with header lines H; the answer's body is stdout
//	post [-STATUS] PATH BODY  POST; the answer's body is stdout
//	burst N PATH              N requests at once; stdout has their distinct answers
//	stream PATH SECONDS       a request in the background that must not fail
//	streamed                  wait for it; its body is stdout
//	processes N NAME          wait until N processes of the function run
//	readme NAME               the last standard error is what README.md shows under NAME
func TestStories(t *testing.T) {
	deno := denotest.Path(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/stories",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               func(env *testscript.Env) error { return setUpMachine(env, deno) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve":     story((*machine).serve),
			"stop":      story((*machine).stop),
			"killed":    story((*machine).killed),
			"hup":       story((*machine).hup),
			"log":       story((*machine).waitLog),
			"fetch":     story((*machine).fetch),
			"post":      story((*machine).post),
			"burst":     story((*machine).burst),
			"stream":    story((*machine).stream),
			"streamed":  story((*machine).streamed),
			"processes": story((*machine).processes),
			"readme":    story((*machine).readme),
		},
	})
}

// A machine is what one story has to itself.
type machine struct {
	env    *testscript.Env
	dir    string // short, for sockets
	daemon *exec.Cmd
	log    *syncBuffer
	http   string // address
	ended  chan error
	body   chan answer
}

type answer struct {
	text string
	err  error
}

type machineKey struct{}

func story(run func(*machine, *testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, negated bool, args []string) {
		if negated {
			ts.Fatalf("this command cannot be negated")
		}
		run(ts.Value(machineKey{}).(*machine), ts, args)
	}
}

func setUpMachine(env *testscript.Env, deno string) error {
	dir, err := os.MkdirTemp("/tmp", "d") // the path of a socket has to be short
	if err != nil {
		return err
	}
	m := &machine{env: env, dir: dir, log: new(syncBuffer)}
	env.Values[machineKey{}] = m
	env.Defer(m.close)
	work := env.WorkDir
	config := fmt.Sprintf("state_dir = %q\nruntime_dir = %q\ndeno = %q\n[http]\nlisten = \"127.0.0.1:0\"\n[ssh]\nlisten = \"127.0.0.1:0\"\nauthorized_keys = %q\n",
		filepath.Join(work, "state"), filepath.Join(dir, "r"), deno, filepath.Join(work, "authorized_keys"))
	for _, key := range []string{"key", "stranger"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", filepath.Join(work, key)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ssh-keygen: %w\n%s", err, out)
		}
	}
	public, err := os.ReadFile(filepath.Join(work, "key.pub"))
	if err != nil {
		return err
	}
	files := map[string]string{
		"denofn.toml":     config,
		"authorized_keys": string(public),
		".gitconfig":      "[user]\nname = Ada\nemail = ada@localhost\n[init]\ndefaultBranch = main\n[advice]\npushUpdateRejected = false\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	env.Setenv("HOME", work)
	env.Setenv("DENOFN_CONFIG", filepath.Join(work, "denofn.toml"))
	env.Setenv("GIT_SSH_COMMAND", "ssh -F "+filepath.Join(work, "ssh_config"))
	env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	env.Setenv("GIT_TERMINAL_PROMPT", "0")
	env.Setenv("RUNTIME", filepath.Join(dir, "r"))
	return nil
}

func (m *machine) close() {
	if m.daemon != nil {
		m.daemon.Process.Kill()
		<-m.ended
	}
	os.RemoveAll(m.dir)
}

func (m *machine) serve(ts *testscript.TestScript, args []string) {
	m.log.reset()
	m.daemon = exec.Command("denofn", "serve")
	path, err := exec.LookPath("denofn")
	ts.Check(err)
	m.daemon.Path = path
	m.daemon.Env = append(os.Environ(), "DENOFN_CONFIG="+ts.Getenv("DENOFN_CONFIG"))
	if len(args) == 1 {
		m.daemon.Env = append(m.daemon.Env, crashEnv+"="+args[0])
	}
	m.daemon.Stderr = m.log
	ts.Check(m.daemon.Start())
	m.ended = make(chan error, 1)
	go func(daemon *exec.Cmd, ended chan error) { ended <- daemon.Wait() }(m.daemon, m.ended)
	line := m.find(ts, regexp.MustCompile(`serving.*`))
	address := func(name string) string {
		match := regexp.MustCompile(name + `=(\S+)`).FindStringSubmatch(line)
		if match == nil {
			ts.Fatalf("no address of %s in %q", name, line)
		}
		return match[1]
	}
	m.http = address("http")
	_, port, err := net.SplitHostPort(address("ssh"))
	ts.Check(err)
	config := func(alias, key string) string {
		return fmt.Sprintf("Host %s\nHostName 127.0.0.1\nPort %s\nIdentityFile %s\nIdentitiesOnly yes\nStrictHostKeyChecking no\nUserKnownHostsFile %s\nLogLevel ERROR\nBatchMode yes\n\n",
			alias, port, ts.MkAbs(key), ts.MkAbs("known_hosts"))
	}
	ts.Check(os.WriteFile(ts.MkAbs(ts.Getenv("WORK")+"/ssh_config"),
		[]byte(config("denofn", ts.Getenv("WORK")+"/key")+config("stranger", ts.Getenv("WORK")+"/stranger")), 0o600))
	ts.Setenv("URL", "http://"+m.http)
}

// find waits until a line of the log matches and returns the match.
func (m *machine) find(ts *testscript.TestScript, pattern *regexp.Regexp) string {
	deadline := time.Now().Add(patience)
	for {
		if found := pattern.FindString(m.log.String()); found != "" {
			return found
		}
		select {
		case err := <-m.ended:
			m.ended <- err
			ts.Fatalf("the daemon ended: %v\n%s", err, m.log)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the log has no %s:\n%s", pattern, m.log)
		}
	}
}

func (m *machine) waitLog(ts *testscript.TestScript, args []string) {
	times := 1
	if len(args) == 2 {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		times = n
	}
	m.until(ts, func() error {
		if n := strings.Count(m.log.String(), args[0]); n != times {
			return fmt.Errorf("the log has %q %d times, not %d:\n%s", args[0], n, times, m.log)
		}
		return nil
	})
}

// until polls check until it has nothing to say.
func (m *machine) until(ts *testscript.TestScript, check func() error) {
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (m *machine) stop(ts *testscript.TestScript, _ []string) {
	ts.Check(m.daemon.Process.Signal(syscall.SIGTERM))
	if err := m.wait(ts); err != nil {
		ts.Fatalf("the daemon ended with %v:\n%s", err, m.log)
	}
}

func (m *machine) killed(ts *testscript.TestScript, _ []string) {
	exit, ok := errors.AsType[*exec.ExitError](m.wait(ts))
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		ts.Fatalf("the daemon was not killed: %v\n%s", exit, m.log)
	}
}

func (m *machine) wait(ts *testscript.TestScript) error {
	select {
	case err := <-m.ended:
		m.daemon = nil
		return err
	case <-time.After(patience):
		ts.Fatalf("the daemon does not end:\n%s", m.log)
		return nil
	}
}

func (m *machine) hup(ts *testscript.TestScript, args []string) {
	before := strings.Count(m.log.String(), args[0])
	ts.Check(m.daemon.Process.Signal(syscall.SIGHUP))
	m.waitLog(ts, []string{args[0], strconv.Itoa(before + 1)})
}

func (m *machine) fetch(ts *testscript.TestScript, args []string) {
	status, args := expectedStatus(ts, args)
	request, err := http.NewRequest(http.MethodGet, "http://"+m.http+args[0], nil)
	ts.Check(err)
	for _, header := range args[1:] {
		name, value, _ := strings.Cut(header, ":")
		request.Header.Set(name, strings.TrimSpace(value))
	}
	m.do(ts, request, status)
}

func (m *machine) post(ts *testscript.TestScript, args []string) {
	status, args := expectedStatus(ts, args)
	request, err := http.NewRequest(http.MethodPost, "http://"+m.http+args[0], strings.NewReader(args[1]))
	ts.Check(err)
	m.do(ts, request, status)
}

// expectedStatus takes a leading -STATUS off the arguments; without one it is 200.
func expectedStatus(ts *testscript.TestScript, args []string) (int, []string) {
	code, ok := strings.CutPrefix(args[0], "-")
	if !ok {
		return http.StatusOK, args
	}
	status, err := strconv.Atoi(code)
	ts.Check(err)
	return status, args[1:]
}

func (m *machine) do(ts *testscript.TestScript, request *http.Request, status int) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	ts.Check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	ts.Check(err)
	if response.StatusCode != status {
		ts.Fatalf("%s %s: %s, not %d: %s\n%s", request.Method, request.URL, response.Status, status, body, m.log)
	}
	fmt.Fprintf(ts.Stdout(), "%s", body)
}

func (m *machine) burst(ts *testscript.TestScript, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	answers := make(chan answer, n)
	for range n {
		go func() { answers <- get("http://" + m.http + args[1]) }()
	}
	seen := make(map[string]bool)
	for range n {
		a := <-answers
		ts.Check(a.err)
		if !seen[a.text] {
			seen[a.text] = true
			fmt.Fprintln(ts.Stdout(), a.text)
		}
	}
}

func get(url string) answer {
	client := http.Client{Timeout: patience}
	response, err := client.Get(url)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", url, response.Status, body)
	}
	return answer{string(body), err}
}

func (m *machine) stream(ts *testscript.TestScript, args []string) {
	m.body = make(chan answer, 1)
	go func(url string, body chan answer) { body <- get(url) }("http://"+m.http+args[0], m.body)
}

func (m *machine) streamed(ts *testscript.TestScript, _ []string) {
	a := <-m.body
	ts.Check(a.err)
	fmt.Fprint(ts.Stdout(), a.text)
}

// processes counts by the socket folder in the arguments of each process, which
// holds the function's name.
func (m *machine) processes(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	socket := filepath.Join(ts.Getenv("RUNTIME"), args[1]) + "-"
	m.until(ts, func() error {
		paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
		ts.Check(err)
		n := 0
		for _, path := range paths {
			line, _ := os.ReadFile(path)
			for arg := range strings.SplitSeq(string(line), "\x00") {
				if strings.HasPrefix(arg, socket) {
					n++
				}
			}
		}
		if n != want {
			return fmt.Errorf("%d processes of %s, not %d", n, args[1], want)
		}
		return nil
	})
}

// A syncBuffer is a bytes.Buffer for one writer and many readers.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *syncBuffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Reset()
}
