package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/agnivade/levenshtein"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway"
	"github.com/denofn/denofn/daemon/manifest"
)

// DefaultConfigPath is read when no --config is given.
const DefaultConfigPath = "/etc/denofn/denofn.toml"

// packagedDeno is where the package puts its Deno.
const packagedDeno = "/usr/lib/denofn/deno"

// Config is what denofn.toml may say. Every key is optional.
type Config struct {
	// StateDir holds everything that must survive: repositories, releases, the
	// functions' own folders and the SSH host key.
	StateDir string `toml:"state_dir"`
	// RuntimeDir holds the sockets of running functions. A socket's path may have
	// only 107 bytes, so this one must be short.
	RuntimeDir string `toml:"runtime_dir"`
	// Deno is the path of the Deno that runs functions. Empty: the packaged one
	// if it is there, else the first on the PATH.
	Deno string `toml:"deno"`
	// DeployBranch is the branch whose pushes go live.
	DeployBranch string `toml:"deploy_branch"`
	// IdleExit is after how long without anything to do the daemon exits, for
	// systemd to start it again. 0: never.
	IdleExit denofn.Duration `toml:"idle_exit"`

	HTTP struct {
		// Listen is the address of the public side, host:port. A socket named
		// "http" that systemd passes takes its place.
		Listen string `toml:"listen"`
		// MaxBody is the longest request body a function is given.
		MaxBody denofn.Bytes `toml:"max_body"`

		// Domain makes NAME.Domain the host of the function NAME.
		Domain string `toml:"domain"`
		// Root is the function that gets every request that is for no other one.
		Root denofn.FunctionName `toml:"root"`
		// TrustedProxies are the addresses and networks whose word is taken for who
		// the client is, in X-Forwarded-For and its like.
		TrustedProxies []string `toml:"trusted_proxies"`

		// MaxHeader is the longest head of a request, HeaderTimeout how long a client
		// may take to send it.
		MaxHeader     denofn.Bytes    `toml:"max_header"`
		HeaderTimeout denofn.Duration `toml:"header_timeout"`
		// IdleTimeout is how long a connection may be without a request.
		IdleTimeout denofn.Duration `toml:"idle_timeout"`
		// StallTimeout is how long a client may take to send the next piece of a body
		// or to take the next piece of an answer, and MinRate the bytes a second that
		// it must come to after that.
		StallTimeout denofn.Duration `toml:"stall_timeout"`
		MinRate      denofn.Bytes    `toml:"min_rate"`
		// MaxConnections is how many connections there may be, MaxPerAddress how many
		// of one address that is not a trusted proxy's.
		MaxConnections int `toml:"max_connections"`
		MaxPerAddress  int `toml:"max_connections_per_address"`

		// AccessLog is which requests are logged: "off", "errors" or "all".
		AccessLog gateway.AccessLog `toml:"access_log"`
		// ServerTiming tells clients what their requests waited for.
		ServerTiming bool `toml:"server_timing"`
		// Metrics is an address, host:port, that serves Prometheus metrics without
		// asking who wants them. Empty: none.
		Metrics string `toml:"metrics"`
	} `toml:"http"`

	// SSH is who may push, and how connections are held; Git what one push may take.
	SSH sshConfig `toml:"ssh"`
	Git gitConfig `toml:"git"`

	Admin struct {
		// Socket is the Unix socket over which the command line speaks to the daemon;
		// its permissions say who may. Empty: beside runtime_dir, with -admin.sock in
		// place of its end. A socket named "admin" that systemd passes takes its place.
		Socket string `toml:"socket"`
	} `toml:"admin"`

	// Functions are the defaults for what a registry.json leaves out, and what all
	// functions share. 0 is the default that the key names.
	Functions struct {
		// IdleTimeout is how long a process outlives its last request. Default 5m.
		IdleTimeout denofn.Duration `toml:"idle_timeout"`
		// Timeout is the longest time to the head of a response. Default 30s.
		Timeout denofn.Duration `toml:"timeout"`
		// StartTimeout is the longest time until a new process serves. Default 10s.
		StartTimeout denofn.Duration `toml:"start_timeout"`
		// Memory, CPU and Tasks (threads) are what one process may use. Default 256M,
		// all processors, 64.
		Memory denofn.Bytes   `toml:"memory"`
		CPU    denofn.Percent `toml:"cpu"`
		Tasks  int            `toml:"tasks"`
		// Disk is what a function may keep in its folders. Default 1G. No registry.json
		// can raise it: the disk is everybody's.
		Disk denofn.Bytes `toml:"disk"`
		// Concurrency is how many requests one process takes at once. Default 1000.
		Concurrency int `toml:"concurrency"`
		// MaxQueue is how many requests may wait for a process of one function, and
		// QueueTimeout for how long. Default 1000 and 30s.
		MaxQueue     int             `toml:"max_queue"`
		QueueTimeout denofn.Duration `toml:"queue_timeout"`
		// Calls is how many calls of one task run at once. Default 4.
		Calls int `toml:"calls"`
		// Warmups is how many processes may be starting at once that no request waits
		// for. Default: one a processor.
		Warmups int `toml:"warmups"`
		// Standby is how many processes wait, started but with nothing loaded, for the
		// functions that were used last and have none, as long as StandbyReserve of
		// memory is to spare. A first request then takes a fraction of a start. Default
		// 0 and 512M: each takes 10 MB while nothing happens.
		Standby        int          `toml:"standby"`
		StandbyReserve denofn.Bytes `toml:"standby_reserve"`
		// LogRate is how many log entries a second a function may write for long.
		// Default 500.
		LogRate int `toml:"log_rate"`
		// RequireSandbox refuses to start where the machine cannot contain functions as
		// it should. Default: start with what there is, and say what is missing.
		RequireSandbox bool `toml:"require_sandbox"`
	} `toml:"functions"`

	// Bundler is how functions are made: where packages come from, and what making
	// one may take.
	Bundler bundlerConfig `toml:"bundler"`

	// Policy is what functions may be granted; package manifest defines it.
	Policy struct {
		Allow           []string `toml:"allow"`
		Deny            []string `toml:"deny"`
		AllowPrivateNet bool     `toml:"allow_private_net"`
		// RequireVersions refuses imports of packages that say no version. Default true.
		RequireVersions bool `toml:"require_versions"`
	} `toml:"policy"`
}

// DefaultConfig returns what holds where the file says nothing.
func DefaultConfig() Config {
	var c Config
	c.StateDir = "/var/lib/denofn"
	c.RuntimeDir = "/run/denofn"
	c.DeployBranch = "main"
	c.HTTP.Listen = "127.0.0.1:8000"
	c.HTTP.MaxBody = 100 << 20
	c.defaultHTTP()
	c.defaultPushing()
	c.Functions.IdleTimeout = denofn.Duration{Duration: 5 * time.Minute}
	c.Functions.Timeout = denofn.Duration{Duration: 30 * time.Second}
	c.Policy.Deny = []string{"run", "ffi"}
	c.Policy.RequireVersions = true
	return c
}

// A ConfigError says what is wrong in the configuration file, and where.
type ConfigError struct {
	Path    string
	Line    int // from 1; 0: the file as a whole
	Message string
}

func (e *ConfigError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.Path, e.Message)
	}
	return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Message)
}

// ReadConfig reads and checks the configuration file at path. Relative paths in
// it are taken from the file's folder. The file at DefaultConfigPath may be
// missing. Errors about the content are *ConfigError.
func ReadConfig(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && path == DefaultConfigPath {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c, err := parseConfig(path, text)
	if err != nil {
		return nil, err
	}
	if err := c.complete(path); err != nil {
		return nil, err
	}
	return c, nil
}

func parseConfig(path string, text []byte) (*Config, error) {
	c := DefaultConfig()
	meta, err := toml.NewDecoder(bytes.NewReader(text)).Decode(&c)
	if perr, ok := errors.AsType[toml.ParseError](err); ok {
		message := perr.Message
		if perr.LastKey != "" {
			message = fmt.Sprintf("%s: %s", perr.LastKey, message)
		}
		return nil, &ConfigError{path, perr.Position.Line, message}
	}
	if err != nil {
		return nil, mistyped(path, text, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		key := unknown[0]
		message := fmt.Sprintf("unknown key %s", key)
		if near := nearest(key.String(), configKeys(reflect.TypeFor[Config](), "")); near != "" {
			message += fmt.Sprintf(": did you mean %s?", near)
		}
		return nil, &ConfigError{path, lineOf(text, key), message}
	}
	return &c, nil
}

// complete checks the values against each other and fills in what depends on the
// machine.
func (c *Config) complete(path string) error {
	at := func(format string, args ...any) error {
		return &ConfigError{Path: path, Message: fmt.Sprintf(format, args...)}
	}
	base, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return err
	}
	c.completePaths(base)
	if c.StateDir == "" || c.RuntimeDir == "" {
		return at("state_dir and runtime_dir must not be empty")
	}
	for _, dir := range []string{c.StateDir, c.RuntimeDir} {
		if strings.Contains(dir, ",") {
			return at("%s: a path with a comma cannot be granted to Deno: choose another folder for state_dir and runtime_dir", dir)
		}
	}
	if longest := longestSocketPath(c.RuntimeDir); longest > maxSocketPath {
		return at("runtime_dir: %s is %d bytes too long: Linux limits the path of a socket to %d bytes, and a function's socket lies below it",
			c.RuntimeDir, longest-maxSocketPath, maxSocketPath)
	}
	if longest := len(filepath.Dir(c.Admin.Socket)) + len("/.sock-1234567890/s"); max(longest, len(c.Admin.Socket)) > maxSocketPath {
		return at("admin.socket: the path %s is too long: Linux limits the path of a socket to %d bytes", c.Admin.Socket, maxSocketPath)
	}
	if err := c.checkPushing(); err != nil {
		return at("%s", err)
	}
	if c.DeployBranch == "" || strings.ContainsAny(c.DeployBranch, " ~^:?*[\\") {
		return at("deploy_branch: %q is not the name of a branch", c.DeployBranch)
	}
	if c.HTTP.MaxBody == 0 {
		return at(`http.max_body must not be 0: write the longest body that a request may have, like "100M"`)
	}
	if f := c.Functions; f.Tasks < 0 || f.Concurrency < 0 || f.MaxQueue < 0 || f.Calls < 0 || f.Warmups < 0 || f.Standby < 0 || f.LogRate < 0 {
		return at("functions: a number must not be negative")
	}
	if _, err := c.gatewayOptions(); err != nil {
		return at("http: %s", err)
	}
	if c.Functions.Timeout.Duration == 0 {
		return at(`functions.timeout must not be 0: write the longest time a function may take to answer, like "30s"`)
	}
	if err := checkBundler(c.Bundler); err != nil {
		return at("bundler.%s", err)
	}
	if _, err := c.policy(); err != nil {
		return at("policy: %s", err)
	}
	if c.Deno == "" {
		c.Deno = packagedDeno
		if _, err := os.Stat(c.Deno); err != nil {
			found, err := exec.LookPath("deno")
			if err != nil {
				return at("there is no Deno at %s and none on the PATH: install it, or set the key deno to where it is", packagedDeno)
			}
			c.Deno = found
		}
	}
	if info, err := os.Stat(c.Deno); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return at("deno: %s is not a program that can be run", c.Deno)
	}
	return nil
}

// completePaths takes relative paths from the folder base.
func (c *Config) completePaths(base string) {
	if c.Admin.Socket == "" && c.RuntimeDir != "" {
		c.Admin.Socket = filepath.Clean(c.RuntimeDir) + "-admin.sock"
	}
	for _, p := range []*string{&c.StateDir, &c.RuntimeDir, &c.Deno, &c.SSH.AuthorizedKeys, &c.Admin.Socket} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
}

func (c *Config) policy() (*manifest.Policy, error) {
	return manifest.NewPolicy(c.Policy.Allow, c.Policy.Deny)
}

const maxSocketPath = 107

// longestSocketPath returns the length of the longest path that procman can make
// for a socket: the longest name, a process number and the file's name.
func longestSocketPath(runtimeDir string) int {
	return len(runtimeDir) + len("/") + denofn.MaxNameLength + len("-9999999/http.sock")
}

// configKeys returns the dotted names of every key that t's fields name.
func configKeys(t reflect.Type, prefix string) []string {
	var keys []string
	for field := range t.Fields() {
		key := prefix + field.Tag.Get("toml")
		keys = append(keys, key)
		if field.Type.Kind() == reflect.Struct && field.Type.Name() == "" {
			keys = append(keys, configKeys(field.Type, key+".")...)
		}
	}
	return keys
}

// nearest returns the candidate that is closest to what was written, or "" when
// none is close enough to be what was meant.
func nearest(written string, candidates []string) string {
	best, bestDistance := "", len(written)/2+1
	for _, c := range candidates {
		if d := levenshtein.ComputeDistance(written, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// lineOf returns the line on which the text sets key, since the decoder reports
// no position for keys that it did not use. It knows the plain spelling of keys
// and tables, and answers 0 for others.
func lineOf(text []byte, key toml.Key) int {
	table := ""
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			header, _, _ := strings.Cut(strings.Trim(line, "["), "]")
			table = strings.TrimSpace(header) + "."
			if table == key.String()+"." {
				return i + 1
			}
			continue
		}
		name, _, isSetting := strings.Cut(line, "=")
		if isSetting && table+strings.TrimSpace(name) == key.String() {
			return i + 1
		}
	}
	return 0
}
