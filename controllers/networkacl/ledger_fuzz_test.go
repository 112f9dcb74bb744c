// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

// Whatever a person writes into a line of the ledger, only an entry that is the line's is ever deleted.
func FuzzLedgerLine(f *testing.F) {
	const all, mine = "0.0.0.0/0", "52.119.223.69/32"
	f.Add(ACLID, int32(80), mine, "Installed", int64(600), "", int32(80), mine, uint8(1), "-1")
	f.Add(ACLID, int32(80), mine, "Creating", int64(10), "", int32(80), mine, uint8(3), "-1")
	f.Add(ACLID, int32(80), mine, "Creating", int64(301), "", int32(81), mine, uint8(1), "-1")
	f.Add(ACLID, int32(80), mine, "Deleting", int64(-1), "", int32(80), mine, uint8(0), "-1")
	f.Add(ACLID, int32(32767), all, "Installed", int64(0), all, int32(32767), all, uint8(1), "-1")
	f.Add("acl-0", int32(0), "10.0.0.1/8", "", int64(0), "10.0.0.0/8", int32(80), "::/0", uint8(7), "6")
	f.Add(ACLID, int32(80), "2001:db8:1::/48", "Installed", int64(130), "2001:DB8:1::/48 192.0.2.0/24", int32(70), "::/0", uint8(3), "-1")
	f.Add(ACLID, int32(80), "2001:DB8::1/128", "Installed", int64(130), "", int32(80), "2001:db8::1/128", uint8(1), "-1")
	f.Add(ACLID, int32(80), "::ffff:192.0.2.1/128", "Installed", int64(130), "", int32(80), "192.0.2.1/32", uint8(1), "-1")
	f.Fuzz(func(t *testing.T, acl string, number int32, cidr, state string, ago int64, ranges string, foundNumber int32, foundCIDR string, flags uint8, protocol string) {
		g := NewWithT(t)
		line := v1alpha1.Rule{NetworkACLID: acl, RuleNumber: number, CIDR: cidr, State: v1alpha1.RuleState(state)}
		if ago >= 0 {
			line.LastAttemptTime = &metav1.Time{Time: now.Add(-time.Duration(ago%1e6) * time.Second)}
		}
		spec := strings.Fields(ranges)
		err := networkacl.Sound(line, ACLID, spec)
		if err != nil {
			g.Expect(len(err.Error())).To(BeNumerically("<", 300+4*(len(acl)+len(cidr))))
		}
		observed := slices.Clone(AllowAll)
		if found, err := netip.ParsePrefix(foundCIDR); err == nil {
			e := networkacl.Entry{Number: foundNumber, Egress: flags&1 != 0, Allow: flags&2 != 0, Protocol: protocol, CIDR: found.Masked()}
			if flags&4 != 0 {
				e.PortRange = &networkacl.PortRange{From: 1, To: 2}
			}
			observed = append(observed, e)
		}
		if err == nil {
			expectOurShape(g, line, spec)
			expectUndone(g, line, observed)
		}
		for _, sentence := range networkacl.Drift([]v1alpha1.Rule{line}, observed, nil, now) {
			g.Expect(line.State).To(Equal(installed), sentence)
			g.Expect(networkacl.Lost(line, observed) || networkacl.Overridden(line, observed, nil)).To(BeTrue(), sentence)
			g.Expect(ago < 0 || ago%1e6 >= 120).To(BeTrue(), "reads may lag: %s", sentence)
		}
	})
}

// expectOurShape holds what Sound promises: the line is of an entry that the controller makes for such a spec.
func expectOurShape(g Gomega, line v1alpha1.Rule, ranges []string) {
	e := networkacl.EntryOf(line)
	g.Expect(e).To(Equal(networkacl.Entry{Number: line.RuleNumber, Egress: true, Protocol: networkacl.AllProtocols, CIDR: e.CIDR}))
	g.Expect(e.CIDR.IsValid()).To(BeTrue())
	g.Expect(e.CIDR.String()).To(Equal(line.CIDR), "as the planner writes it")
	g.Expect(line.RuleNumber).To(And(BeNumerically(">=", networkacl.FirstNumber), BeNumerically("<=", networkacl.LastNumber)))
	if !e.CIDR.IsSingleIP() {
		g.Expect(ranges).To(ContainElement(Satisfy(func(text string) bool {
			prefix, err := netip.ParsePrefix(text)
			return err == nil && prefix == e.CIDR
		})))
	}
}

func expectUndone(g Gomega, line v1alpha1.Rule, observed []networkacl.Entry) {
	found, there := networkacl.At(observed, line.RuleNumber)
	ours := there && found.Equal(EntryOf(line)) && line.State != v1alpha1.RuleReleased
	var seen removal.Evidence
	first, again := seen.Next(removal.OfLine(line), observed, now), seen.Next(removal.OfLine(line), observed, now.Add(time.Hour))
	for _, next := range []removal.Next{first, again} {
		g.Expect(next.Step).To(BeElementOf(removal.StepDelete, removal.StepWait, removal.StepGone))
		if ours {
			g.Expect(next.Step).To(Equal(removal.StepDelete), "what is ours goes")
		}
		if there && !ours {
			g.Expect(next.Step).NotTo(Equal(removal.StepDelete), "%v is a third party's", found)
		}
	}
	if !there {
		g.Expect(first.Step).NotTo(Equal(removal.StepDelete), "there is nothing to delete")
	}
	g.Expect(networkacl.AtWork(line, observed)).To(Equal(there && found.Equal(EntryOf(line))))
}

// A range of the spec, however it is written, gives lines that are sound: a run whose own lines weren't would be stuck.
func FuzzRangeOfTheSpec(f *testing.F) {
	for _, seed := range []string{
		"192.0.2.0/24", "192.0.2.10/32", "10.0.0.0/16", "2001:db8::/48", "2001:DB8::/48", "2001:0db8::/48", "2001:db8:0:0::/64", "2001:db8::1/128",
		"10.0.0.1/16", "::ffff:10.0.0.0/112", "10.0.0.0/016", "fe80::%eth0/64", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g := NewWithT(t)
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix != prefix.Masked() || prefix.Addr().Is4In6() {
			return // the API server takes no such range
		}
		observed := With(AllowOut(101, "::/0"))
		desired := []networkacl.Destination{{CIDR: prefix, Session: v1alpha1.EndpointAdditional}}
		plan, err := networkacl.NewPlan(networkacl.PlanInput{NetworkACLID: ACLID, Desired: desired, Observed: observed, Quota: 20})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(plan.Create).To(HaveLen(1))
		g.Expect(networkacl.Sound(plan.Create[0], ACLID, []string{text})).To(Succeed())
		by, denied := networkacl.Denied(append(observed, networkacl.EntryOf(plan.Create[0])), To(prefix))
		g.Expect(denied).To(BeTrue())
		g.Expect(by).To(Equal(plan.Create[0].RuleNumber))
	})
}

func TestARangeThatTheSpecWritesInAnotherWayIsTheRuns(t *testing.T) {
	g := NewWithT(t)
	for _, text := range []string{"2001:DB8:1::/48", "2001:0db8:0001::/48", "2001:db8:1:0:0:0:0:0/48"} {
		g.Expect(networkacl.Sound(Rule(80, "2001:db8:1::/48", installed), ACLID, []string{text})).To(Succeed(), text)
		g.Expect(networkacl.Sound(Rule(80, text, installed), ACLID, []string{text})).NotTo(Succeed(), "the ledger has one way to write it")
	}
	g.Expect(networkacl.Sound(Rule(80, "::ffff:192.0.2.1/128", installed), ACLID, nil)).NotTo(Succeed(), "no run denies it")
}
