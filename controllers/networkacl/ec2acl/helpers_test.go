// SPDX-License-Identifier: Apache-2.0

package ec2acl_test

import (
	"context"
	"net/netip"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

const (
	aclID     = "acl-0a1b2c3d4e5f60718"
	creating  = v1alpha1.RuleCreating
	installed = v1alpha1.RuleInstalled
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// holds is a fence that always does.
func holds(context.Context) (time.Time, error) { return time.Now(), nil }

// Short forms for entries, lines and destinations.

func out(number int32, allow bool, cidr string) networkacl.Entry {
	return networkacl.Entry{
		Number: number, Egress: true, Allow: allow, Protocol: networkacl.AllProtocols, CIDR: netip.MustParsePrefix(cidr),
	}
}

func allowOut(number int32, cidr string) networkacl.Entry { return out(number, true, cidr) }
func denyOut(number int32, cidr string) networkacl.Entry  { return out(number, false, cidr) }

func tcp(e networkacl.Entry, from, to int32) networkacl.Entry {
	e.Protocol, e.PortRange = "6", &networkacl.PortRange{From: from, To: to}
	return e
}

func ingress(e networkacl.Entry) networkacl.Entry {
	e.Egress = false
	return e
}

func rule(number int32, cidr string, state v1alpha1.RuleState) v1alpha1.Rule {
	return v1alpha1.Rule{NetworkACLID: aclID, RuleNumber: number, CIDR: cidr, State: state}
}

func entryOf(r v1alpha1.Rule) networkacl.Entry {
	return networkacl.Deny(r.RuleNumber, netip.MustParsePrefix(r.CIDR))
}

// to is all traffic to a range.
func to(prefix netip.Prefix) networkacl.Destination { return networkacl.Destination{CIDR: prefix} }
