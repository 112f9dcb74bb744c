// SPDX-License-Identifier: Apache-2.0

package clones_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
)

// An original that did not change is no reason to end a run, whatever room there is for more.
func TestAnUnchangedOriginalIsFollowedWhereThereIsNoRoom(t *testing.T) {
	g := NewWithT(t)
	first := AllowOut(1, Everywhere)
	host := []networkacl.Destination{Dest(v1alpha1.EndpointACS, "a.example", "10.0.0.1/32")}
	copies, err := clones.Recopy(copiesOf(first), []networkacl.Entry{first}, nil, host, 0)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(copies).To(Equal(copiesOf(first)))
	_, err = clones.Recopy(copiesOf(DenyOut(1, Everywhere)), []networkacl.Entry{first}, nil, host, 0)
	g.Expect(err).To(HaveOccurred(), "a change that leaves no room is")
}

// What is new is made first, by number, unless that would do to traffic what neither state does.
func TestStepsAreInTheOrderThatLeavesTrafficAloneThatDoesNotChange(t *testing.T) {
	test, all := DenyOut(10, "192.0.2.0/24"), AllowOut(100, Everywhere)
	for name, tc := range map[string]struct {
		entries         []networkacl.Entry
		create, replace networkacl.Entry
		createFirst     bool
	}{
		"nothing is in the way":                     {[]networkacl.Entry{test, all}, DenyOut(20, "10.0.0.0/8"), AllowOut(10, "203.0.113.0/24"), true},
		"what is new would cut off what is allowed": {[]networkacl.Entry{test, all}, DenyOut(20, "10.0.0.0/8"), AllowOut(10, "10.1.0.0/16"), false},
		"what is new would open what is denied":     {[]networkacl.Entry{test}, AllowOut(20, "10.0.0.0/8"), DenyOut(10, "10.1.0.0/16"), false},
	} {
		t.Run(name, func(t *testing.T) {
			want := []clones.CopyStep{{Verb: clones.StepCreate, Entry: tc.create}, {Verb: clones.StepReplace, Entry: tc.replace}}
			if !tc.createFirst {
				slices.Reverse(want)
			}
			NewWithT(t).Expect(clones.InOrder(tc.entries, []networkacl.Entry{tc.create}, []networkacl.Entry{tc.replace}, nil, 0)).To(Equal(want))
		})
	}
}

// To deny for a moment what is allowed before and after is worse than to allow what is denied.
func TestStepsOpenRatherThanCutOffWhereOneOfBothIsNeeded(t *testing.T) {
	g := NewWithT(t)
	entries := []networkacl.Entry{DenyOut(10, "10.1.0.0/16"), AllowOut(20, "10.0.0.0/15")}
	first, second := AllowOut(10, "10.0.0.0/16"), DenyOut(20, "10.0.0.0/15")
	steps := clones.InOrder(entries, nil, []networkacl.Entry{second, first}, nil, 0)
	g.Expect(steps).To(Equal([]clones.CopyStep{{Verb: clones.StepReplace, Entry: first}, {Verb: clones.StepReplace, Entry: second}}))
}

func TestAFullNetworkACLMakesRoomFirst(t *testing.T) {
	g := NewWithT(t)
	stays, goes, comes := AllowOut(100, "10.0.0.0/8"), AllowOut(110, "192.0.2.0/24"), AllowOut(120, "198.51.100.0/24")
	order := func(quota int) []clones.CopyVerb {
		var verbs []clones.CopyVerb
		for _, step := range clones.InOrder([]networkacl.Entry{stays, goes}, []networkacl.Entry{comes}, nil, []networkacl.Entry{goes}, quota) {
			verbs = append(verbs, step.Verb)
		}
		return verbs
	}
	g.Expect(order(3)).To(Equal([]clones.CopyVerb{clones.StepRemove, clones.StepCreate}), "the default entry counts")
	g.Expect(order(4)).To(Equal([]clones.CopyVerb{clones.StepCreate, clones.StepRemove}))
	g.Expect(order(0)).To(Equal([]clones.CopyVerb{clones.StepCreate, clones.StepRemove}))
}

// What an entry of AWS's says is kept whole, be it more than AWS is known to say.
func TestACopyWithPortsAndICMPIsReadAgain(t *testing.T) {
	g := NewWithT(t)
	c := same(TCP(ICMP(AllowOut(100, Everywhere), 8, 0), 80, 443))
	g.Expect(c.String()).To(Equal("egress 100 allow 6 0.0.0.0/0 ports 80-443 icmp 8/0"))
	read, err := clones.ParseCopy(c.String())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read).To(Equal(c))
}

func TestDifferences(t *testing.T) {
	g := NewWithT(t)
	before := copiesOf(AllowOut(100, Everywhere), DenyOut(90, "10.0.0.0/8"), Ingress(AllowOut(100, Everywhere)), AllowOut(110, Everywhere))
	after := copiesOf(TCP(AllowOut(100, Everywhere), 443, 443), DenyOut(80, "10.0.0.0/8"), Ingress(AllowOut(100, Everywhere)), AllowOut(110, Everywhere))
	g.Expect(clones.Differences(before, after)).To(Equal([]string{
		"rule 80: deny all traffic out to 10.0.0.0/8 was added",
		"rule 90: deny all traffic out to 10.0.0.0/8 was removed",
		"rule 100: allow all traffic out to 0.0.0.0/0 was replaced by rule 100: allow TCP port 443 out to 0.0.0.0/0",
	}))
	g.Expect(clones.Differences(before, before)).To(BeEmpty())
	g.Expect(clones.Differences(nil, copiesOf(Ingress(AllowOut(100, Everywhere))))).To(HaveLen(1), "direction and number tell entries apart")
}

// What can't be read is no reason to follow, nor is a destination that no entry can deny.
func TestRecopyOfWhatCannotBeFollowed(t *testing.T) {
	g := NewWithT(t)
	broken := AllowOut(100, Everywhere)
	broken.Protocol = "tcp"
	_, err := clones.Recopy(nil, []networkacl.Entry{broken}, nil, nil, 0)
	g.Expect(err).To(HaveOccurred())
	_, err = clones.Recopy(nil, []networkacl.Entry{AllowOut(100, Everywhere)}, nil, []networkacl.Destination{Dest(v1alpha1.EndpointACS, "a.example", "::ffff:10.0.0.1/128")}, 0)
	g.Expect(err).To(MatchError(ContainSubstring("is not an IPv4 or IPv6 range")))
}
