package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/denofn/denofn"
)

// Options are what can be changed while the gateway runs. A zero value has the
// default that its field names; fields that name none are off.
type Options struct {
	// Domain makes NAME.Domain the host of the function NAME.
	Domain string
	// Root is the function that gets every request that is for no other one.
	Root denofn.FunctionName
	// TrustedProxies are the addresses whose word is taken for who the client is. Who
	// connects to a Unix socket is trusted too: only a proxy is let in there.
	TrustedProxies []netip.Prefix

	// MaxBody is the longest request body, MaxHeader the longest head, in bytes.
	// Default 100M and 32K.
	MaxBody   int64
	MaxHeader int
	// IdleTimeout is how long a connection may be without a request. Default 75s.
	IdleTimeout time.Duration
	// HeadTimeout is how long a client may take to send a head. Default 10s.
	HeadTimeout time.Duration
	// StallTimeout is how long a client may take to send the next piece of a body, or
	// to take the next piece of an answer. Default 30s.
	StallTimeout time.Duration
	// MinRate is how many bytes a second a client must send of a body and take of an
	// answer, on average after StallTimeout. Default 2K.
	MinRate int64
	// MaxConnections is how many there may be, and MaxPerAddress how many of one
	// client's address; trusted proxies are not counted. Default 8192 and 1024.
	MaxConnections int
	MaxPerAddress  int

	// AccessLog is which requests are logged. Default AccessLogOff.
	AccessLog AccessLog
	// ServerTiming tells clients in Server-Timing what their request waited for.
	ServerTiming bool
}

// An AccessLog says which requests are logged.
type AccessLog string

// The access logs that there are.
const (
	AccessLogOff    AccessLog = "off"
	AccessLogErrors AccessLog = "errors" // those answered with 500 and above, or cut off
	AccessLogAll    AccessLog = "all"
)

const (
	defaultMaxBody        = 100 << 20
	defaultMaxHeader      = 32 << 10
	defaultIdleTimeout    = 75 * time.Second
	defaultHeadTimeout    = 10 * time.Second
	defaultStallTimeout   = 30 * time.Second
	defaultMinRate        = 2 << 10
	defaultMaxConnections = 8192
	defaultMaxPerAddress  = 1024
)

// DefaultOptions returns what holds where nothing is said.
func DefaultOptions() Options {
	var o Options
	if err := o.complete(); err != nil {
		panic(err) // no default is wrong
	}
	return o
}

// Check says what is wrong with the options.
func (o Options) Check() error { return o.complete() }

func (o *Options) complete() error {
	setDefault(&o.MaxBody, defaultMaxBody)
	setDefault(&o.MaxHeader, defaultMaxHeader)
	setDefault(&o.IdleTimeout, defaultIdleTimeout)
	setDefault(&o.HeadTimeout, defaultHeadTimeout)
	setDefault(&o.StallTimeout, defaultStallTimeout)
	setDefault(&o.MinRate, defaultMinRate)
	setDefault(&o.MaxConnections, defaultMaxConnections)
	setDefault(&o.MaxPerAddress, defaultMaxPerAddress)
	setDefault(&o.AccessLog, AccessLogOff)
	switch o.AccessLog {
	case AccessLogOff, AccessLogErrors, AccessLogAll:
	default:
		return fmt.Errorf("access log %q is not off, errors or all", o.AccessLog)
	}
	if o.MaxBody < 0 || o.MaxHeader < 0 || o.IdleTimeout < 0 || o.HeadTimeout < 0 || o.StallTimeout < 0 ||
		o.MinRate < 0 || o.MaxConnections < 0 || o.MaxPerAddress < 0 {
		return errors.New("negative limit")
	}
	if o.MaxHeader < minMaxHeader {
		return fmt.Errorf("max header %s is below %s, which ordinary browsers need", denofn.Bytes(o.MaxHeader), denofn.Bytes(minMaxHeader))
	}
	o.Domain = strings.ToLower(strings.TrimSuffix(o.Domain, "."))
	if o.Domain != "" {
		if host, err := parseHost([]byte(o.Domain)); err != nil || host.name != o.Domain || host.port != "" {
			return fmt.Errorf("domain %q is not a host name", o.Domain)
		}
	}
	if o.Root != "" {
		if _, err := denofn.ParseFunctionName(string(o.Root)); err != nil {
			return fmt.Errorf("root: %w", err)
		}
	}
	return nil
}

const minMaxHeader = 4 << 10

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// trusts reports whether addr is that of a trusted proxy.
func (o *Options) trusts(addr netip.Addr) bool {
	for _, prefix := range o.TrustedProxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
