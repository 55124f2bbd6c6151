package procman_test

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

// What is left denied around a named range is all of the private ranges but that.
func TestPrivateNetCoversAllButNamed(t *testing.T) {
	whole := prefixes(t, procman.PrivateNet(denofn.Access{All: true}))
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.Custom(func(t *rapid.T) netip.Addr {
			p := rapid.SampledFrom(whole).Draw(t, "range")
			a := p.Addr().As4()
			for i, b := range rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "bytes") {
				mask := byte(0xff)
				if bits := p.Bits() - 8*i; bits >= 8 {
					mask = 0
				} else if bits > 0 {
					mask >>= bits
				}
				a[i] |= b & mask
			}
			return netip.AddrFrom4(a)
		})
		var names []string
		var named []netip.Prefix
		for _, a := range rapid.SliceOfN(address, 1, 4).Draw(t, "named") {
			p := netip.PrefixFrom(a, rapid.IntRange(9, 32).Draw(t, "bits")).Masked()
			named = append(named, p)
			names = append(names, p.String())
		}
		denied := prefixes(t, procman.PrivateNet(denofn.Access{Allow: names}))
		probe := address.Draw(t, "probe")
		if got, want := contains(denied, probe), !contains(named, probe); got != want {
			t.Fatalf("%s with %v named: denied %t", probe, names, got)
		}
	})
}

func prefixes(t interface{ Fatal(...any) }, list []string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range list {
		if s[0] == '[' {
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	return ps
}

func contains(ps []netip.Prefix, a netip.Addr) bool {
	for _, p := range ps {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
