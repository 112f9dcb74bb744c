// SPDX-License-Identifier: Apache-2.0

package reservation_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

func TestOnlyClonesForDifferentSubnetsShareANetworkACL(t *testing.T) {
	for name, tc := range map[string]struct {
		one, other reservation.Reservation
		conflict   bool
	}{
		"both in place":                       {in(acl, subnet, inPlace), in(acl, subnet, inPlace), true},
		"both in place, for other subnets":    {in(acl, subnet, inPlace), in(acl, second, inPlace), true},
		"in place, on other network ACLs":     {in(acl, subnet, inPlace), in(otherACL, subnet, inPlace), false},
		"a clone and one in place":            {in(acl, subnet, clone), in(acl, second, inPlace), true},
		"clones for one subnet":               {in(acl, subnet, clone), in(acl, subnet, clone), true},
		"clones for two subnets":              {in(acl, subnet, clone), in(acl, second, clone), false},
		"clones of two, for one subnet":       {in(acl, subnet, clone), in(otherACL, subnet, clone), false},
		"a clone and another ACL, in place":   {in(acl, subnet, clone), in(otherACL, second, inPlace), false},
		"in place, for one subnet, elsewhere": {in(acl, subnet, inPlace), in(otherACL, second, inPlace), false},
		"of other accounts":                   {in(acl, subnet, inPlace), reservation.Reservation{AccountID: otherAccount, Region: region, NetworkACLID: acl, SubnetID: subnet, Mode: inPlace}, false},
		"of other Regions":                    {in(acl, subnet, inPlace), reservation.Reservation{AccountID: account, Region: "eu-central-1", NetworkACLID: acl, SubnetID: subnet, Mode: inPlace}, false},
		"of an account that is not known":     {in(acl, subnet, inPlace), reservation.Reservation{NetworkACLID: acl, SubnetID: subnet, Mode: inPlace}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(tc.one.ConflictsWith(tc.other)).To(Equal(tc.conflict))
			g.Expect(tc.other.ConflictsWith(tc.one)).To(Equal(tc.conflict), "the other way round")
		})
	}
}

func TestObjectsAreOrderedByTheirAgeThenByTheirUID(t *testing.T) {
	g := NewWithT(t)
	sorted := []*v1alpha1.AgentDisconnect{object("z", 3), object("a", 2), object("b", 2), object("0", 1)}
	for i, older := range sorted {
		g.Expect(reservation.IsOlder(older, older)).To(BeFalse(), "than itself")
		for _, younger := range sorted[i+1:] {
			g.Expect(reservation.IsOlder(older, younger)).To(BeTrue(), "%s before %s", older.Name, younger.Name)
			g.Expect(reservation.IsOlder(younger, older)).To(BeFalse(), "%s before %s", younger.Name, older.Name)
		}
	}
}

func TestARunHoldsTheNetworkACLThatItsSubnetHasInTheEnd(t *testing.T) {
	g := NewWithT(t)
	held := func(acl v1alpha1.NetworkACL) reservation.Reservation {
		known := objects.Of(object("a", 1, begun(acl)))
		return reservation.Of(&known)
	}
	g.Expect(held(v1alpha1.NetworkACL{ID: acl, Mode: inPlace})).To(Equal(in(acl, subnet, inPlace)))
	g.Expect(held(v1alpha1.NetworkACL{ID: acl, OriginalID: otherACL, Mode: clone})).
		To(Equal(in(otherACL, subnet, clone)), "its original")
}

func TestFindHolderGivesTheRunThatIsOnAndHoldsWhatIsWanted(t *testing.T) {
	onACL := begun(v1alpha1.NetworkACL{ID: acl, Mode: inPlace})
	cloned := begun(v1alpha1.NetworkACL{ID: otherACL, OriginalID: acl, Mode: clone})
	elsewhere := func(begun func(*v1alpha1.AgentDisconnect)) func(*v1alpha1.AgentDisconnect) {
		return func(obj *v1alpha1.AgentDisconnect) {
			begun(obj)
			obj.Status.Target.AccountID = otherAccount
		}
	}
	changed := func(change func(*v1alpha1.AgentDisconnectStatus)) func(*v1alpha1.AgentDisconnect) {
		return func(obj *v1alpha1.AgentDisconnect) {
			onACL(obj)
			change(&obj.Status)
		}
	}
	for name, tc := range map[string]struct {
		other  func(*v1alpha1.AgentDisconnect)
		wanted reservation.Reservation
		holds  bool
	}{
		"a run on the network ACL":                    {onACL, wants(acl), true},
		"a run on another network ACL":                {onACL, wants(otherACL), false},
		"a run that is over":                          {changed(func(s *v1alpha1.AgentDisconnectStatus) { s.CompletionTime = runtest.At(10) }), wants(acl), false},
		"a run that has not begun":                    {changed(func(s *v1alpha1.AgentDisconnectStatus) { s.StartTime = nil }), wants(acl), false},
		"a run of which no network ACL is known":      {changed(func(s *v1alpha1.AgentDisconnectStatus) { s.NetworkACL = nil }), wants(acl), false},
		"a run in another Region":                     {changed(func(s *v1alpha1.AgentDisconnectStatus) { s.Target.Region = "eu-central-1" }), wants(acl), false},
		"a run in another account":                    {changed(func(s *v1alpha1.AgentDisconnectStatus) { s.Target.AccountID = otherAccount }), wants(acl), false},
		"a clone of another account":                  {elsewhere(cloned), wants(otherACL), false},
		"a run whose Region is not known":             {changed(func(s *v1alpha1.AgentDisconnectStatus) { s.Target = nil }), wants(acl), true},
		"a clone of the network ACL":                  {cloned, wants(acl), true},
		"a clone of it for the same subnet":           {cloned, in(acl, subnet, clone), true},
		"a clone of it for another subnet":            {cloned, in(acl, second, clone), false},
		"a run whose clone is wanted":                 {cloned, wants(otherACL), true},
		"a run whose clone is wanted for a clone":     {cloned, in(otherACL, second, clone), true},
		"a run whose clone has no id, of another ACL": {begun(v1alpha1.NetworkACL{OriginalID: otherACL, Mode: clone}), wants(acl), false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			asking, other, bystander := object("asking", 1, onACL), object("other", 2, tc.other), object("bystander", 3)
			m := manage(t, 0, bystander, asking, other)
			holder, others, err := m.FindHolder(t.Context(), asking, tc.wanted)
			g.Expect(err).NotTo(HaveOccurred())
			var names []string
			for i := range others {
				names = append(names, others[i].Name)
			}
			g.Expect(names).To(ConsistOf("bystander", "other"), "all but the one that asks")

			free, err := m.CheckFree(t.Context(), asking, tc.wanted)
			begun := m.Reserve(t.Context(), asking, tc.wanted, runtest.Start, func() error { return nil })
			if !tc.holds {
				g.Expect(holder).To(BeNil())
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(free).To(Equal(others))
				g.Expect(begun).To(Succeed())
				return
			}
			g.Expect(holder).To(HaveField("Name", "other"))
			refused := "NetworkACLHeld: team/other holds network ACL " + tc.wanted.NetworkACLID + ": this run begins when that one is over"
			g.Expect(err).To(MatchError(refused))
			g.Expect(free).To(BeNil())
			g.Expect(begun).To(MatchError(refused))
		})
	}
}
