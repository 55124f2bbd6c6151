package procman

import (
	"net"
	"net/netip"
	"strings"

	"github.com/denofn/denofn"
)

// privateRanges are the addresses of this machine, of the network that it is in
// and of the cloud that it may be in. Deno checks them after it has resolved a
// name, and takes an IPv4 address that is mapped into IPv6 for the former.
var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),      // this machine
	netip.MustParsePrefix("10.0.0.0/8"),     // private
	netip.MustParsePrefix("100.64.0.0/10"),  // carrier-grade NAT, and Tailscale
	netip.MustParsePrefix("127.0.0.0/8"),    // loopback
	netip.MustParsePrefix("169.254.0.0/16"), // link-local, and the metadata of clouds
	netip.MustParsePrefix("172.16.0.0/12"),  // private
	netip.MustParsePrefix("192.0.0.0/24"),   // protocol assignments, and metadata
	netip.MustParsePrefix("192.168.0.0/16"), // private
	netip.MustParsePrefix("198.18.0.0/15"),  // benchmarks, and virtual networks
	netip.MustParsePrefix("224.0.0.0/4"),    // multicast
	netip.MustParsePrefix("240.0.0.0/4"),    // reserved, and broadcast
}

// privateV6 are single addresses because Deno has no spelling for a range of
// IPv6. Those of the machine's own interfaces are added when a process starts.
var privateV6 = []netip.Addr{
	netip.IPv6Unspecified(),
	netip.IPv6Loopback(),
	netip.MustParseAddr("fd00:ec2::254"),     // metadata of AWS
	netip.MustParseAddr("fd20:ce::254"),      // of Google Cloud
	netip.MustParseAddr("fe80::a9fe:a9fe"),   // of OpenStack
	netip.MustParseAddr("fd00:42::42"),       // of Scaleway
	netip.MustParseAddr("2002:a9fe:a9fe::1"), // 6to4 of 169.254.169.254
}

// privateNet returns what has to be denied so that asked does not reach private
// addresses, except for those that its allow list names: as an address, as a
// range, or as localhost. A name that merely resolves to one opens nothing.
//
// A function without any network access needs no denial.
func privateNet(asked denofn.Access) []string {
	if !asked.All && len(asked.Allow) == 0 {
		return nil
	}
	named := namedRanges(asked.Allow)
	var deny []string
	for _, private := range privateRanges {
		for _, rest := range subtract(private, named) {
			deny = append(deny, rest.String())
		}
	}
	for _, addr := range append(ownV6(), privateV6...) {
		if len(subtract(netip.PrefixFrom(addr, addr.BitLen()), named)) > 0 {
			deny = append(deny, "["+addr.String()+"]")
		}
	}
	return deny
}

// namedRanges returns the addresses that an allow list spells out.
func namedRanges(allow []string) []netip.Prefix {
	var named []netip.Prefix
	one := func(addr netip.Addr) {
		addr = addr.WithZone("").Unmap()
		named = append(named, netip.PrefixFrom(addr, addr.BitLen()))
	}
	for _, entry := range allow {
		host := entry
		if h, _, err := net.SplitHostPort(entry); err == nil {
			host = h
		}
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
		if strings.EqualFold(host, "localhost") {
			one(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
			one(netip.IPv6Loopback())
		} else if addr, err := netip.ParseAddr(host); err == nil {
			one(addr)
		} else if prefix, err := netip.ParsePrefix(host); err == nil {
			named = append(named, prefix.Masked())
		}
	}
	return named
}

// subtract returns the ranges that cover all of p but what is in holes.
func subtract(p netip.Prefix, holes []netip.Prefix) []netip.Prefix {
	overlaps := false
	for _, hole := range holes {
		if hole.Overlaps(p) {
			if hole.Bits() <= p.Bits() {
				return nil
			}
			overlaps = true
		}
	}
	if !overlaps {
		return []netip.Prefix{p}
	}
	low, high := halves(p)
	return append(subtract(low, holes), subtract(high, holes)...)
}

// halves splits a range into two of the same size.
func halves(p netip.Prefix) (low, high netip.Prefix) {
	bits := p.Bits()
	bytes := p.Addr().AsSlice()
	low = netip.PrefixFrom(p.Addr(), bits+1)
	bytes[bits/8] |= 1 << (7 - bits%8)
	addr, _ := netip.AddrFromSlice(bytes)
	return low, netip.PrefixFrom(addr, bits+1)
}

// ownV6 returns the IPv6 addresses of this machine's interfaces.
func ownV6() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr().Is6() && !prefix.Addr().IsLoopback() {
			own = append(own, prefix.Addr().WithZone("").Unmap())
		}
	}
	return own
}
