// SPDX-License-Identifier: Apache-2.0

package run

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// UsableAddresses are the addresses that agents in a subnet can connect to: without an IPv6 range
// of its own, IPv4 alone.
func UsableAddresses(addresses []netip.Addr, ipv6 bool) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addresses), func(a netip.Addr) bool { return !ipv6 && !a.Is4() })
}

// IsPrivate reports whether an endpoint is a VPC endpoint: its addresses are those of interfaces,
// not of lookups.
func IsPrivate(endpoint v1alpha1.Endpoint) bool {
	return strings.HasPrefix(endpoint.Hostname, "vpce-") && !strings.Contains(endpoint.Hostname, ".")
}

// ParseAddresses are the addresses of a status, without what is none.
func ParseAddresses(texts []string) []netip.Addr {
	var addresses []netip.Addr
	for _, text := range texts {
		// What doesn't parse was written by hand: it is no address that AWS gave.
		if address, err := netip.ParseAddr(text); err == nil {
			addresses = append(addresses, address.Unmap())
		}
	}
	return addresses
}

// Desired are the destinations that a run denies: every address seen, and the ranges of the spec,
// but for those that were found to be protected.
func Desired(obj *v1alpha1.AgentDisconnect) []networkacl.Destination {
	var destinations []networkacl.Destination
	for _, endpoint := range obj.Status.Endpoints {
		for _, address := range ParseAddresses(endpoint.Addresses) {
			destinations = append(destinations, networkacl.Destination{
				CIDR: netip.PrefixFrom(address, address.BitLen()), Hostname: endpoint.Hostname, Session: endpoint.Session,
				Traffic: trafficOf(endpoint.Session),
			})
		}
	}

	for _, text := range DeniedRanges(obj) {
		if cidr, err := netip.ParsePrefix(text); err == nil {
			destinations = append(destinations, networkacl.Destination{CIDR: cidr, Session: v1alpha1.EndpointAdditional})
		}
	}
	return WithoutExempt(destinations, obj.Status.Exemptions)
}

// trafficOf is what counts of the traffic to a host: the session of an agent. Of a host of the spec
// all of it does.
func trafficOf(session v1alpha1.EndpointSession) networkacl.Traffic {
	if session == v1alpha1.EndpointAdditional {
		return networkacl.Traffic{}
	}
	return networkacl.HTTPS
}

// DeniedRanges are the ranges of the spec that a run denies, as they were when it began: ledger
// lines may be of them.
func DeniedRanges(obj *v1alpha1.AgentDisconnect) []string {
	more := obj.Spec.AdditionalEndpoints
	if with := obj.Status.StartedWith; with != nil {
		more = with.AdditionalEndpoints
	}
	if more == nil {
		return nil
	}
	return more.CIDRs
}

// WithoutExempt leaves the destinations out that a run was found not to deny.
func WithoutExempt(destinations []networkacl.Destination, exempt []v1alpha1.Exemption) []networkacl.Destination {
	if len(exempt) == 0 {
		return destinations
	}
	return slices.DeleteFunc(destinations, func(d networkacl.Destination) bool {
		return slices.ContainsFunc(exempt, func(e v1alpha1.Exemption) bool {
			left, err := netip.ParsePrefix(e.CIDR)
			return err == nil && d.CIDR.Overlaps(left) && d.CIDR.Bits() <= left.Bits()
		})
	})
}

// UnneededLines are the lines of the ledger whose range overlaps nothing that is to be denied:
// those of destinations that were exempted or released since.
func UnneededLines(lines []v1alpha1.Rule, desired []networkacl.Destination) []v1alpha1.Rule {
	return slices.DeleteFunc(slices.Clone(lines), func(l v1alpha1.Rule) bool {
		prefix, err := netip.ParsePrefix(l.CIDR)
		return err != nil || slices.ContainsFunc(desired, func(d networkacl.Destination) bool { return d.CIDR.Overlaps(prefix) })
	})
}

// UnresolvedHost is the first host of which no address is known; empty: there is none.
func UnresolvedHost(endpoints []v1alpha1.Endpoint) string {
	for _, endpoint := range endpoints {
		if len(endpoint.Addresses) == 0 {
			return endpoint.Hostname
		}
	}
	return ""
}

// AddAddresses adds what is new to an endpoint's addresses, and reports whether anything was.
func AddAddresses(endpoint *v1alpha1.Endpoint, addresses []netip.Addr) (grown bool) {
	for _, address := range addresses {
		if text := address.String(); !slices.Contains(endpoint.Addresses, text) && len(endpoint.Addresses) < v1alpha1.MaxAddresses {
			endpoint.Addresses = append(endpoint.Addresses, text)
			grown = true
		}
	}
	slices.SortFunc(endpoint.Addresses, compareAddresses)
	return grown
}

func compareAddresses(a, b string) int {
	left, errLeft := netip.ParseAddr(a)
	right, errRight := netip.ParseAddr(b)
	if errLeft != nil || errRight != nil {
		return cmp.Compare(a, b)
	}
	return left.Compare(right)
}
