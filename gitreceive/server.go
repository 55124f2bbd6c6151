// Package gitreceive is a git server: SSH with public keys alone, git's push and
// fetch over it, and bare repositories on disk that git itself can read. It asks
// a Deployer before the deploy branch moves, and knows nothing else of what a
// push is good for.
//
// To follow a push read server.go, connection.go, session.go, receive.go and
// incoming.go; to follow a fetch, upload.go and walk.go instead of the last two.
// What clients send is outside input all the way: packets, requests, packs
// (package packfile) and the objects in them (package fsck).
package gitreceive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Config is what a Server is made of.
type Config struct {
	Store *Store
	// HostKeyPath is the server's ed25519 key, in OpenSSH's format. It is made when
	// it is not there.
	HostKeyPath string
	// AuthorizedKeysPath lists who may do what, in OpenSSH's format; see ParseKeys.
	// It is read again when it changes.
	AuthorizedKeysPath string
	// DeployBranch is the branch that goes live, without refs/heads/.
	DeployBranch string
	Deployer     Deployer
	// Commands are what people may run over SSH beside git; nil: nothing.
	Commands Commands
	Limits   Limits
	// LegacyMACs also allows hmac-sha2-256 and hmac-sha2-512 as they were before
	// 2012, for clients built on libssh2 before 1.11, as Debian 12's libgit2 is.
	LegacyMACs bool
	Logger     *slog.Logger
	// Step, if set, is called at each named step of a push, for tests.
	Step func(name string)
}

// A Server serves git over SSH. Make it with New, run it with Serve, end it with
// Shutdown.
type Server struct {
	config Config
	signer ssh.Signer
	keys   *keyring
	ssh    *ssh.ServerConfig
	pushes semaphore

	mu          sync.Mutex // guards what follows
	stopping    bool
	listeners   map[net.Listener]bool
	connections map[*connection]bool
	addresses   map[string]int // how many connections come from each

	serving  sync.WaitGroup // connections
	sessions sync.WaitGroup // commands that run
	idle     *consolidator
}

// New checks the configuration, reads the keys, and makes the host key if need be.
func New(config Config) (*Server, error) {
	switch {
	case config.Store == nil, config.Deployer == nil, config.Logger == nil:
		return nil, errors.New("a git server needs a store, a deployer and a logger")
	case config.HostKeyPath == "" || config.AuthorizedKeysPath == "":
		return nil, errors.New("a git server needs the paths of its key and of the authorized keys")
	}
	if err := checkRefName(branchPrefix + config.DeployBranch); err != nil {
		return nil, fmt.Errorf("deploy branch: %w", err)
	}
	config.Limits.setDefaults()
	signer, made, err := openHostKey(config.HostKeyPath)
	if err != nil {
		return nil, fmt.Errorf("open host key: %w", err)
	}
	s := &Server{
		config:      config,
		signer:      signer,
		keys:        newKeyring(config.AuthorizedKeysPath, config.Logger),
		pushes:      make(semaphore, config.Limits.Pushes),
		listeners:   make(map[net.Listener]bool),
		connections: make(map[*connection]bool),
		addresses:   make(map[string]int),
	}
	if made {
		config.Logger.Info("host key made", "path", config.HostKeyPath, "fingerprint", s.Fingerprint())
	}
	if err := s.keys.reload(); err != nil {
		return nil, err
	}
	names, err := config.Store.List()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := config.Store.repository(name).setHead(config.DeployBranch); err != nil {
			return nil, fmt.Errorf("set HEAD of %s: %w", name, err)
		}
	}
	s.ssh = s.sshConfig()
	s.idle = newConsolidator(config.Store, config.Logger, func() bool { return len(s.pushes) == 0 })
	return s, nil
}

// Fingerprint returns that of the host key, as ssh shows it: "SHA256:…".
func (s *Server) Fingerprint() string { return ssh.FingerprintSHA256(s.signer.PublicKey()) }

// Reload rereads the authorized keys. On an error those in force stay.
func (s *Server) Reload() error { return s.keys.reload() }

// Serve accepts connections until Shutdown, and returns nil then. It closes l.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.track(l) {
		return nil
	}
	s.idle.considerAll()
	for {
		conn, err := l.Accept()
		if err != nil {
			if s.isStopping() {
				return nil
			}
			if isTemporary(err) {
				s.config.Logger.Warn("connection not accepted", "error", err)
				time.Sleep(50 * time.Millisecond) // out of files: give the others time to end
				continue
			}
			return fmt.Errorf("accept connection: %w", err)
		}
		c, err := s.admit(conn)
		if err != nil {
			s.config.Logger.Warn("connection refused", "address", conn.RemoteAddr().String(), "error", err)
			conn.Close()
			continue
		}
		s.serving.Go(func() {
			defer s.dismiss(c)
			c.serve()
		})
	}
}

func isTemporary(err error) bool {
	temporary, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && temporary.Temporary()
}

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping {
		s.listeners[l] = true
	}
	return !s.stopping
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// admit takes a connection in, if there is room for it.
func (s *Server) admit(conn net.Conn) (*connection, error) {
	address := hostOf(conn.RemoteAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	switch limits := &s.config.Limits; {
	case s.stopping:
		return nil, errors.New("stopping")
	case len(s.connections) >= limits.Connections:
		return nil, fmt.Errorf("there are %d connections (ssh.max_connections)", limits.Connections)
	case s.addresses[address] >= limits.ConnectionsPerAddress:
		return nil, fmt.Errorf("there are %d connections from that address (ssh.max_connections_per_address)", limits.ConnectionsPerAddress)
	}
	c := newConnection(s, conn, address)
	s.connections[c] = true
	s.addresses[address]++
	return c, nil
}

func (s *Server) dismiss(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
	if s.addresses[c.address]--; s.addresses[c.address] == 0 {
		delete(s.addresses, c.address)
	}
}

func hostOf(address net.Addr) string {
	if host, _, err := net.SplitHostPort(address.String()); err == nil {
		return host
	}
	return address.String()
}

// beginSession counts a command as running, unless the server stops.
func (s *Server) beginSession() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.sessions.Add(1)
	return true
}

// Shutdown stops accepting, lets the commands that run end, and closes what is
// left. When ctx ends first, commands are cut off and ctx's error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	for l := range s.listeners {
		l.Close()
	}
	s.mu.Unlock()
	s.idle.stop()
	err := waitFor(ctx, &s.sessions)
	s.mu.Lock()
	for c := range s.connections {
		c.conn.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
	return err
}

func waitFor(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A semaphore lets so many in as it has room for.
type semaphore chan struct{}

func (s semaphore) tryAcquire() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s semaphore) release() { <-s }

// sshConfig allows modern algorithms alone: what ssh-audit has nothing to say
// about.
func (s *Server) sshConfig() *ssh.ServerConfig {
	c := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-denofn",
		PublicKeyAuthAlgorithms: []string{
			ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
			ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
			ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
		},
		PublicKeyCallback: s.keys.authenticate,
	}
	c.KeyExchanges = []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519}
	c.Ciphers = []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherChaCha20Poly1305, ssh.CipherAES256CTR, ssh.CipherAES192CTR, ssh.CipherAES128CTR}
	c.MACs = []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM}
	if s.config.LegacyMACs {
		c.MACs = append(c.MACs, ssh.HMACSHA256, ssh.HMACSHA512)
	}
	c.AddHostKey(s.signer)
	return c
}

// quote writes a word that came from outside for people.
func quote(word string) string { return fmt.Sprintf("%.100q", strings.ToValidUTF8(word, "?")) }
