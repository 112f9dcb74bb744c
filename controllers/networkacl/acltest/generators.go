// SPDX-License-Identifier: Apache-2.0

package acltest

import (
	"fmt"
	"net/netip"

	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// The ranges are few and close together, so that they meet: 16 addresses of each family.

// RangeGen draws ranges near one another, so that they often overlap.
func RangeGen() *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		narrower := rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3, 4}).Draw(t, "host bits")
		last := rapid.IntRange(0, 15).Draw(t, "last")
		addr, bits := netip.AddrFrom4([4]byte{10, 0, 0, byte(last)}), 32
		if rapid.IntRange(0, 3).Draw(t, "family") == 0 {
			addr, bits = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", last)), 128
		}
		return netip.PrefixFrom(addr, bits-narrower).Masked()
	})
}

// TrafficGen draws what counts of the traffic to an address.
func TrafficGen() *rapid.Generator[networkacl.Traffic] {
	return rapid.SampledFrom([]networkacl.Traffic{{}, networkacl.HTTPS, networkacl.HTTPS})
}

// DesiredGen draws at least that many destinations.
func DesiredGen(least int) *rapid.Generator[[]networkacl.Destination] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) networkacl.Destination {
		cidr := RangeGen().Draw(t, "cidr")
		var traffic networkacl.Traffic // of a range of the spec all of it counts
		if cidr.IsSingleIP() {
			traffic = TrafficGen().Draw(t, "traffic")
		}
		return networkacl.Destination{
			CIDR:     cidr,
			Traffic:  traffic,
			Hostname: rapid.SampledFrom([]string{"", "a.example", "b.example"}).Draw(t, "host"),
			Session: rapid.SampledFrom([]v1alpha1.EndpointSession{
				v1alpha1.EndpointACS, v1alpha1.EndpointTCS, v1alpha1.EndpointAdditional,
			}).Draw(t, "session"),
		}
	}), least, 14)
}

// Shuffled draws an order of values.
func Shuffled[T any](t *rapid.T, in []T, label string) []T {
	if len(in) == 0 {
		return nil
	}
	return rapid.Permutation(in).Draw(t, label)
}
