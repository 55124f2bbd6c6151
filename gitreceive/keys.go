package gitreceive

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/denofn/denofn"
)

type repositoryName = denofn.RepositoryName

// A Role is what a key may be used for.
type Role string

// The roles, each of which may do what the one before it may.
const (
	RoleRead   Role = "read"   // clone and fetch
	RoleDeploy Role = "deploy" // push
	RoleAdmin  Role = "admin"  // commands
)

// A Key is an authorized key.
type Key struct {
	Name         string // the comment behind it
	Fingerprint  string // "SHA256:…"
	Role         Role
	Repositories []string // patterns of repository names; none: all
}

// who names the key's owner for people.
func (k Key) who() string {
	if k.Name == "" {
		return "somebody without a name"
	}
	return k.Name
}

// covers reports whether the key is for a repository. As in OpenSSH's lists, a
// pattern that starts with ! takes out what it matches.
func (k Key) covers(name repositoryName) bool {
	covered := len(k.Repositories) == 0
	for _, pattern := range k.Repositories {
		pattern, not := strings.CutPrefix(pattern, "!")
		if ok, _ := path.Match(strings.ToLower(pattern), name.Fold()); ok && not {
			return false
		} else if ok {
			covered = true
		}
	}
	return covered
}

// may returns why the key may not push to or fetch a repository, or nil.
func (k Key) may(push bool, name repositoryName) error {
	switch {
	case !k.covers(name):
		return &refusal{fmt.Sprintf("this key is not for the repository %s", name), ""}
	case push && k.Role == RoleRead:
		return &refusal{"this key may read and not push", `give it denofn-role="deploy" in the server's authorized_keys`}
	}
	return nil
}

// An authorizedKey is a Key with what it is matched by.
type authorizedKey struct {
	Key
	from    []string  // patterns of addresses; none: all
	expires time.Time // zero: never
}

// A KeyError says what is wrong in a line of authorized_keys. The other lines
// count all the same.
type KeyError struct {
	Line    int
	Message string
}

func (e *KeyError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// ParseKeys reads a file in the format of OpenSSH's authorized_keys. Two options
// are denofn's own: denofn-role="read|deploy|admin", deploy if there is none, and
// denofn-repositories="app,web-*" for a key that is for some repositories only. Of
// OpenSSH's, from= and expiry-time= are kept, those that take something away are
// true anyway, and a key with an option that would have to be kept and cannot be,
// like command=, is left out.
func ParseKeys(text []byte) ([]Key, []*KeyError) {
	parsed, errs := parseKeys(text)
	var keys []Key
	for _, k := range parsed {
		keys = append(keys, k.key.Key)
	}
	return keys, errs
}

type parsedKey struct {
	public ssh.PublicKey
	key    *authorizedKey
}

func parseKeys(text []byte) ([]parsedKey, []*KeyError) {
	var keys []parsedKey
	var errs []*KeyError
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimLeft(bytes.TrimRight(line, " \t\r\n"), " \t") // as OpenSSH; other space is no space
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		public, comment, options, _, err := ssh.ParseAuthorizedKey(line)
		if err != nil {
			message := "this is not a public key"
			if bytes.Contains(line, []byte("ssh-dss ")) {
				message = "DSA keys are too weak: make one with ssh-keygen -t ed25519"
			}
			errs = append(errs, &KeyError{number, message})
			continue
		}
		key, err := newAuthorizedKey(public, comment, options)
		if err != nil {
			errs = append(errs, &KeyError{number, err.Error()})
			continue
		}
		keys = append(keys, parsedKey{public, key})
	}
	return keys, errs
}

func newAuthorizedKey(public ssh.PublicKey, comment string, options []string) (*authorizedKey, error) {
	k := &authorizedKey{Key: Key{Name: printable(comment), Fingerprint: ssh.FingerprintSHA256(public), Role: RoleDeploy}}
	if err := checkStrength(public); err != nil {
		return nil, err
	}
	for _, option := range options {
		if err := k.option(option); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func checkStrength(public ssh.PublicKey) error {
	if _, ok := public.(*ssh.Certificate); ok {
		return errors.New("certificates are not supported")
	}
	if holder, ok := public.(ssh.CryptoPublicKey); ok {
		if key, ok := holder.CryptoPublicKey().(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
			return fmt.Errorf("an RSA key of %d bits is too weak: make one with ssh-keygen -t ed25519", key.N.BitLen())
		}
	}
	return nil
}

// option applies one option of a line.
func (k *authorizedKey) option(option string) error {
	name, value, hasValue := strings.Cut(option, "=")
	value = strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`), `\"`, `"`)
	switch strings.ToLower(name) {
	case "denofn-role":
		k.Role = Role(value)
		if !slices.Contains([]Role{RoleRead, RoleDeploy, RoleAdmin}, k.Role) {
			return fmt.Errorf("denofn-role is read, deploy or admin, not %q", value)
		}
	case "denofn-repositories":
		for pattern := range strings.SplitSeq(value, ",") {
			pattern = strings.TrimSpace(pattern)
			if _, err := path.Match(pattern, ""); err != nil || strings.Trim(pattern, "!") == "" {
				return fmt.Errorf("denofn-repositories has a malformed pattern %q", pattern)
			}
			k.Repositories = append(k.Repositories, pattern)
		}
	case "from":
		k.from = strings.Split(value, ",")
	case "expiry-time":
		expires, err := parseExpiry(value)
		if err != nil {
			return err
		}
		k.expires = expires
	case "restrict", "no-agent-forwarding", "no-port-forwarding", "no-pty", "no-user-rc", "no-x11-forwarding":
		// Nobody gets any of it here.
	case "agent-forwarding", "port-forwarding", "pty", "user-rc", "x11-forwarding", "environment", "permitopen", "permitlisten", "tunnel":
		// What these would allow is allowed to nobody.
	default:
		if hasValue {
			name += "="
		}
		return fmt.Errorf("the option %s cannot be kept here, so the key is left out", quote(name))
	}
	return nil
}

// parseExpiry reads YYYYMMDD[HHMM[SS]][Z].
func parseExpiry(value string) (time.Time, error) {
	zone := time.Local
	digits, utc := strings.CutSuffix(value, "Z")
	if utc {
		zone = time.UTC
	}
	const layout = "20060102150405"
	if n := len(digits); n == 8 || n == 12 || n == 14 {
		if t, err := time.ParseInLocation(layout[:n], digits, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("expiry-time is YYYYMMDD or YYYYMMDDHHMM, not %q", value)
}

// refuses returns why the key may not be used now from an address, or nil.
func (k *authorizedKey) refuses(remote net.Addr, now time.Time) error {
	if !k.expires.IsZero() && now.After(k.expires) {
		return errors.New("the key has expired")
	}
	if len(k.from) > 0 && !matchAddress(k.from, hostOf(remote)) {
		return errors.New("the key may not be used from this address")
	}
	return nil
}

// matchAddress applies a list of OpenSSH's: addresses, networks, and patterns with
// * and ?, each of which may be denied with !.
func matchAddress(patterns []string, host string) bool {
	address, _ := netip.ParseAddr(host)
	address = address.Unmap()
	matched := false
	for _, pattern := range patterns {
		pattern, not := strings.CutPrefix(strings.TrimSpace(pattern), "!")
		ok := false
		if network, err := netip.ParsePrefix(pattern); err == nil {
			ok = network.Contains(address)
		} else if single, err := netip.ParseAddr(pattern); err == nil {
			ok = single.Unmap() == address
		} else {
			ok, _ = path.Match(strings.ToLower(pattern), strings.ToLower(address.String()))
		}
		if ok && not {
			return false
		}
		matched = matched || ok
	}
	return matched
}

// A keyring is authorized_keys as it is on disk.
type keyring struct {
	path   string
	logger *slog.Logger

	mu   sync.Mutex                // guards what follows
	keys map[string]*authorizedKey // by the key as it goes over the wire
	seen fileState
}

// A fileState tells whether a file has changed.
type fileState struct {
	size    int64
	changed time.Time
	exists  bool
}

func newKeyring(path string, logger *slog.Logger) *keyring {
	return &keyring{path: path, logger: logger}
}

func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return fileState{info.Size(), info.ModTime(), true}
}

// reload reads the keys.
func (r *keyring) reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reloadLocked()
}

func (r *keyring) reloadLocked() error {
	state := stateOf(r.path)
	text, err := os.ReadFile(r.path)
	if err != nil && state.exists {
		return fmt.Errorf("read authorized keys: %w", err)
	}
	parsed, errs := parseKeys(text)
	r.keys, r.seen = make(map[string]*authorizedKey), state
	for _, p := range parsed {
		if wire := string(p.public.Marshal()); r.keys[wire] == nil { // as OpenSSH: the first line counts
			r.keys[wire] = p.key
		}
	}
	for _, e := range errs {
		r.logger.Warn("key left out", "path", r.path, "line", e.Line, "reason", e.Message)
	}
	if len(r.keys) == 0 {
		r.logger.Warn("nobody can push: there is no key", "path", r.path)
	}
	return nil
}

// find returns an authorized key, after looking whether the file has changed.
func (r *keyring) find(public ssh.PublicKey) *authorizedKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	if state := stateOf(r.path); state != r.seen {
		if err := r.reloadLocked(); err != nil {
			r.logger.Error("authorized keys not reread, the old ones stay in force", "error", err)
			r.seen = state
		} else {
			r.logger.Info("authorized keys reread", "path", r.path, "keys", len(r.keys))
		}
	}
	return r.keys[string(public.Marshal())]
}

// keyOf is where the Key of a connection is kept among its permissions.
type keyOf struct{}

var errRefused = errors.New("key refused")

// authenticate implements ssh.ServerConfig.PublicKeyCallback. That of the key
// which in the end is proved to be the client's is the one that counts.
func (r *keyring) authenticate(conn ssh.ConnMetadata, public ssh.PublicKey) (*ssh.Permissions, error) {
	key := r.find(public)
	reason := errors.New("unknown key")
	if key != nil {
		reason = key.refuses(conn.RemoteAddr(), time.Now())
	}
	if reason != nil {
		r.logger.Info("key refused", "address", hostOf(conn.RemoteAddr()), "key", ssh.FingerprintSHA256(public), "type", public.Type(), "reason", reason)
		return nil, errRefused
	}
	return &ssh.Permissions{ExtraData: map[any]any{keyOf{}: key.Key}}, nil
}
