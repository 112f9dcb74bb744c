// SPDX-License-Identifier: Apache-2.0

package history

import (
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// before is a Region and its third parties before anything was done.
func before(g *WithT) (*region.Region, *ThirdParties) {
	r, err := world.Default().Build(region.Options{}, true)
	g.Expect(err).NotTo(HaveOccurred())
	return r, Found(r.View(time.Time{}))
}

func deny(number int) acl.Entry {
	return acl.Entry{RuleNumber: number, Egress: true, Protocol: acl.All, CIDR: netip.MustParsePrefix("52.119.223.69/32")}
}

func TestARegionDiffersByWhatWasNotNoted(t *testing.T) {
	id, subnet := ACLs[dedicated], Subnets[dedicated]
	for _, each := range []struct {
		name   string
		deed   func(*region.Region) error
		noted  func(*ThirdParties)
		expect string
	}{
		{"an entry", func(r *region.Region) error { return r.CreateNetworkACLEntry(id, deny(80)) },
			func(s *ThirdParties) { s.Put(id, deny(80)) }, `has "egress 80 deny`},
		{"an entry that is gone", func(r *region.Region) error { return r.DeleteNetworkACLEntry(id, 100, true) },
			func(s *ThirdParties) { s.Drop(id, region.AllowAll(100, true)) }, `lacks "egress 100 allow`},
		{"a tag", func(r *region.Region) error { return r.CreateTags([]string{id}, map[string]string{"team": "x"}) },
			func(s *ThirdParties) { s.Tag(id, "team", "x") }, "tags"},
		{"a tag of a subnet", func(r *region.Region) error { return r.CreateTags([]string{subnet}, map[string]string{"team": "x"}) },
			func(s *ThirdParties) { s.Tag(subnet, "team", "x") }, "tags"},
		{"a subnet that was moved", func(r *region.Region) error { return r.MoveSubnet(subnet, ACLs[shared]) },
			func(s *ThirdParties) { s.Move(subnet, ACLs[shared]) }, "is on network ACL"},
	} {
		t.Run(each.name, func(t *testing.T) {
			g := NewWithT(t)
			r, s := before(g)
			g.Expect(s.Differences(r.View(time.Time{}), NothingOwned)).To(BeEmpty())
			g.Expect(each.deed(r)).To(Succeed())
			g.Expect(s.Differences(r.View(time.Time{}), NothingOwned)).To(ConsistOf(ContainSubstring(each.expect)))
			each.noted(s)
			g.Expect(s.Differences(r.View(time.Time{}), NothingOwned)).To(BeEmpty())
		})
	}
}

func TestWhatIsOwnedIsNoDifferenceWhileItIs(t *testing.T) {
	g := NewWithT(t)
	r, s := before(g)
	g.Expect(r.CreateNetworkACLEntry(ACLs[dedicated], deny(80))).To(Succeed())
	clone, err := r.CreateNetworkACL(world.DefaultVPC, "", "", map[string]string{domain + "clone": "x"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.MoveSubnet(Subnets[shared], clone.ID)).To(Succeed())
	owned := Owned{
		Entry: func(_ string, e acl.Entry) bool { return e == deny(80) },
		Clone: func(id string) (string, bool) { return Subnets[shared], id == clone.ID },
	}
	g.Expect(s.Differences(r.View(time.Time{}), owned)).To(BeEmpty())
	g.Expect(s.Differences(r.View(time.Time{}), NothingOwned)).To(HaveLen(3))
	g.Expect(ProductTags(r.View(time.Time{}))).To(Equal([]string{clone.ID + ": " + domain + "clone"}))

	g.Expect(r.MoveSubnet(Subnets[plain], clone.ID)).To(Succeed())
	g.Expect(s.Differences(r.View(time.Time{}), owned)).To(ConsistOf(ContainSubstring(Subnets[plain])), "a subnet that the clone isn't for")
}

func TestACloneWhoseOriginalWentStaysInItsPlace(t *testing.T) {
	g := NewWithT(t)
	r, s := before(g)
	clone, err := r.CreateNetworkACL(world.DefaultVPC, "", "", map[string]string{domain + "clone": "x"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.CreateNetworkACLEntry(clone.ID, region.AllowAll(300, true))).To(Succeed())
	g.Expect(r.CreateNetworkACLEntry(clone.ID, region.AllowAll(100, false))).To(Succeed())
	g.Expect(r.MoveSubnet(Subnets[dedicated], clone.ID)).To(Succeed())
	g.Expect(r.DeleteNetworkACL(ACLs[dedicated])).To(Succeed())
	s.DeleteACL(ACLs[dedicated], true, func(string) string { return clone.ID })
	g.Expect(s.Differences(r.View(time.Time{}), NothingOwned)).To(ConsistOf(ContainSubstring("which stays, has the tag agentdisconnect.dev/clone")))

	g.Expect(r.SetTags(clone.ID, map[string]string{domain + "adopted": "then"})).To(Succeed())
	g.Expect(s.Differences(r.View(time.Time{}), NothingOwned)).To(BeEmpty(), "its numbers are its own")
	g.Expect(r.CreateNetworkACLEntry(clone.ID, deny(80))).To(Succeed())
	g.Expect(s.Differences(r.View(time.Time{}), NothingOwned)).To(ConsistOf(ContainSubstring("which stays, has [")))
}
