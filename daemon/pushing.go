package daemon

import (
	"fmt"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/gitreceive"
)

// sshConfig is the table ssh: who may push, and how connections are held.
type sshConfig = struct {
	// Listen is the address that git pushes to, host:port. A socket named "ssh"
	// that systemd passes takes its place.
	Listen string `toml:"listen"`
	// AuthorizedKeys is the file of the keys that may push, in OpenSSH's format.
	AuthorizedKeys string `toml:"authorized_keys"`
	// LoginTime is how long a client may take to log in. Default 30s.
	LoginTime denofn.Duration `toml:"login_time"`
	// IdleTimeout is after how long without a sign of life a client is taken for
	// gone. Default 2m.
	IdleTimeout denofn.Duration `toml:"idle_timeout"`
	// MaxConnections is how many connections there may be, MaxPerAddress how many of
	// one address. Defaults 100 and 20.
	MaxConnections int `toml:"max_connections"`
	MaxPerAddress  int `toml:"max_connections_per_address"`
	// LegacyMACs lets clients in that are built on libssh2 before 1.11. Default false.
	LegacyMACs bool `toml:"legacy_macs"`
}

// gitConfig is the table git: what one push may take. It is not to be guessed at
// what 0 would mean, so it is an error.
type gitConfig = struct {
	// MaxPack is the size of a push as it is sent. Default 1G.
	MaxPack denofn.Bytes `toml:"max_pack"`
	// MaxObject is the size of a file in it. Default 100M.
	MaxObject denofn.Bytes `toml:"max_object"`
	// MaxObjects is how many files, folders and commits a push may bring. Default
	// 1000000.
	MaxObjects int `toml:"max_objects"`
	// MaxFiles is how many files a commit that is pushed may have. Default 50000.
	MaxFiles int `toml:"max_files"`
	// Timeout is how long a push may take, the deploy included. Default 15m.
	Timeout denofn.Duration `toml:"timeout"`
	// MaxPushes is how many pushes are received at once. Default 8.
	MaxPushes int `toml:"max_pushes"`
}

func (c *Config) defaultPushing() {
	c.SSH = sshConfig{
		Listen:         "127.0.0.1:2222",
		AuthorizedKeys: "/etc/denofn/authorized_keys",
		LoginTime:      denofn.Duration{Duration: 30 * time.Second},
		IdleTimeout:    denofn.Duration{Duration: 2 * time.Minute},
		MaxConnections: 100,
		MaxPerAddress:  20,
	}
	c.Git = gitConfig{
		MaxPack:    1 << 30,
		MaxObject:  100 << 20,
		MaxObjects: 1_000_000,
		MaxFiles:   50_000,
		Timeout:    denofn.Duration{Duration: 15 * time.Minute},
		MaxPushes:  8,
	}
}

// checkPushing says what is wrong in the tables ssh and git, or nothing.
func (c *Config) checkPushing() error {
	for _, limit := range []struct {
		key   string
		value int64
	}{
		{"ssh.login_time", int64(c.SSH.LoginTime.Duration)}, {"ssh.idle_timeout", int64(c.SSH.IdleTimeout.Duration)},
		{"ssh.max_connections", int64(c.SSH.MaxConnections)}, {"ssh.max_connections_per_address", int64(c.SSH.MaxPerAddress)},
		{"git.max_pack", int64(c.Git.MaxPack)}, {"git.max_object", int64(c.Git.MaxObject)}, {"git.max_objects", int64(c.Git.MaxObjects)},
		{"git.max_files", int64(c.Git.MaxFiles)}, {"git.timeout", int64(c.Git.Timeout.Duration)}, {"git.max_pushes", int64(c.Git.MaxPushes)},
	} {
		if limit.value <= 0 {
			return fmt.Errorf("%s must be more than 0", limit.key)
		}
	}
	return nil
}

// limits returns what the git server is told.
func (c *Config) limits() gitreceive.Limits {
	return gitreceive.Limits{
		PackBytes:             int64(c.Git.MaxPack),
		ObjectBytes:           int64(c.Git.MaxObject),
		Objects:               c.Git.MaxObjects,
		Files:                 c.Git.MaxFiles,
		Time:                  c.Git.Timeout.Duration,
		Pushes:                c.Git.MaxPushes,
		Connections:           c.SSH.MaxConnections,
		ConnectionsPerAddress: c.SSH.MaxPerAddress,
		LoginTime:             c.SSH.LoginTime.Duration,
		IdleTime:              c.SSH.IdleTimeout.Duration,
	}
}
