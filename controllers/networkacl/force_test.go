// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

func TestEnforcementTellsOwnDeniesFromOthers(t *testing.T) {
	Everywhere := netip.MustParsePrefix("0.0.0.0/0")
	address := func(text string) netip.Prefix { return netip.MustParsePrefix(text + "/32") }
	allow := networkacl.Entry{Number: 100, Egress: true, Allow: true, Protocol: networkacl.AllProtocols, CIDR: Everywhere}
	earlyAllow := allow
	earlyAllow.Number = 5
	lines := []v1alpha1.Rule{{RuleNumber: 80, CIDR: "192.0.2.1/32"}, {RuleNumber: 81, CIDR: "192.0.2.2/32"}}
	own := []networkacl.Entry{networkacl.Deny(80, address("192.0.2.1")), networkacl.Deny(81, address("192.0.2.2")), allow}

	for name, tc := range map[string]struct {
		observed           []networkacl.Entry
		own, foreign, open int
		inForce            bool
	}{
		"all are the run's":                   {own, 2, 0, 0, true},
		"one is missing":                      {own[1:], 1, 0, 1, false},
		"one is denied by a third party":      {append([]networkacl.Entry{networkacl.Deny(20, address("192.0.2.1"))}, own[1:]...), 1, 1, 0, true},
		"a third party's deny comes first":    {append([]networkacl.Entry{networkacl.Deny(20, address("192.0.2.1"))}, own...), 1, 1, 0, true},
		"a third party denies everything":     {append([]networkacl.Entry{networkacl.Deny(10, Everywhere)}, own...), 0, 1, 0, false},
		"a third party allows everything":     {append([]networkacl.Entry{earlyAllow}, own...), 0, 0, 2, false},
		"a rule's number has another's entry": {[]networkacl.Entry{networkacl.Deny(80, Everywhere), allow}, 0, 1, 0, false},
		"no entry at all":                     {nil, 0, 1, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			force := networkacl.Enforcement(lines, tc.observed, []networkacl.Destination{{CIDR: address("192.0.2.1")}, {CIDR: address("192.0.2.2")}})
			g.Expect(force.Own).To(Equal(tc.own), "own")
			g.Expect(force.Foreign).To(Equal(tc.foreign), "foreign")
			g.Expect(force.Open).To(HaveLen(tc.open))
			g.Expect(force.InForce()).To(Equal(tc.inForce))
		})
	}
}
