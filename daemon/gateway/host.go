package gateway

import (
	"bytes"
	"net/netip"

	"github.com/denofn/denofn/daemon/gateway/http1"
)

// A host is the authority of a request, checked.
type host struct {
	name string // lower case, without a final dot; of an IPv6 address, in brackets
	port string // may be empty
}

const (
	maxHostLength  = 253
	maxLabelLength = 63
)

var errHost = &http1.Error{Status: 400, Reason: "Host is not a host name or address"}

// parseHost checks the value of Host before anything is looked up with it: it is
// a name of letters, digits, hyphens and underscores between dots, or an address,
// and perhaps a port. The grammar of URLs allows more, which no name that is
// served here has.
func parseHost(b []byte) (h host, err error) {
	if len(b) > maxHostLength+len(".:65535") {
		return host{}, errHost
	}
	name := b
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return host{}, errHost
		}
		name = b[:end+1]
		addr, err := netip.ParseAddr(string(b[1:end]))
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return host{}, errHost
		}
		h.name = "[" + addr.String() + "]"
	} else {
		for i, c := range b {
			if c == ':' {
				name = b[:i]
				break
			}
		}
		if h.name, err = parseName(name); err != nil {
			return host{}, err
		}
	}
	if rest := b[len(name):]; len(rest) > 0 {
		if rest[0] != ':' || len(rest) > len(":65535") {
			return host{}, errHost
		}
		n := 0
		for _, c := range rest[1:] {
			if c < '0' || c > '9' {
				return host{}, errHost
			}
			n = n*10 + int(c-'0')
		}
		if n > 65535 {
			return host{}, errHost
		}
		h.port = string(rest[1:])
	}
	return h, nil
}

func parseName(b []byte) (string, error) {
	if n := len(b); n > 1 && b[n-1] == '.' {
		b = b[:n-1]
	}
	if len(b) == 0 || len(b) > maxHostLength {
		return "", errHost
	}
	var lower [maxHostLength]byte
	label := 0
	for i, c := range b {
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_':
		case c == '-':
			if label == 0 {
				return "", errHost
			}
		case c == '.':
			if label == 0 {
				return "", errHost
			}
			label = -1
		default:
			return "", errHost
		}
		if label++; label > maxLabelLength {
			return "", errHost
		}
		lower[i] = c
	}
	if label == 0 {
		return "", errHost
	}
	return string(lower[:len(b)]), nil
}
