// SPDX-License-Identifier: Apache-2.0

package networkacl

import "net/netip"

// Traffic is what counts of the traffic to a destination. The zero value is all of it.
type Traffic struct {
	// Protocol is a protocol number, as that of an entry.
	Protocol string
	Port     int32
}

// HTTPS is the traffic of an agent's session: a WebSocket over TLS.
var HTTPS = Traffic{Protocol: "6", Port: 443}

// widest gives a kind of traffic that has all of both: where they differ, all traffic.
func (t Traffic) widest(o Traffic) Traffic {
	if t == o {
		return t
	}
	return Traffic{}
}

// matchesSome reports whether an entry matches any of the traffic.
func (e Entry) matchesSome(t Traffic) bool {
	return t == Traffic{} || e.Protocol == AllProtocols || e.matchesPort(t)
}

// matchesAll reports whether an entry matches all of the traffic.
func (e Entry) matchesAll(t Traffic) bool {
	return e.Protocol == AllProtocols && e.allPorts() || t != Traffic{} && e.matchesPort(t)
}

func (e Entry) matchesPort(t Traffic) bool {
	return e.Protocol == t.Protocol && (e.PortRange == nil || e.PortRange.From <= t.Port && t.Port <= e.PortRange.To)
}

// trafficTo is what counts of the traffic to the range of a ledger line: all of it, where nothing
// desired is just that range.
func trafficTo(cidr netip.Prefix, desired []Destination) Traffic {
	var traffic Traffic
	known := false
	for _, d := range desired {
		switch {
		case d.CIDR != cidr:
		case !known:
			traffic, known = d.Traffic, true
		default:
			traffic = traffic.widest(d.Traffic)
		}
	}
	return traffic
}
