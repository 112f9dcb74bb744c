// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

func entry(number int32, egress, allow bool, cidr string) networkacl.Entry {
	return networkacl.Entry{Number: number, Egress: egress, Allow: allow, Protocol: networkacl.AllProtocols, CIDR: netip.MustParsePrefix(cidr)}
}

// entriesGen gives few entries of few kinds, so that clones and originals often have the same.
func entriesGen() *rapid.Generator[[]networkacl.Entry] {
	one := rapid.Custom(func(t *rapid.T) networkacl.Entry {
		cidr := rapid.SampledFrom([]string{"0.0.0.0/0", "10.0.0.0/8", "52.119.0.80/32"}).Draw(t, "cidr")
		return entry(rapid.Int32Range(79, 83).Draw(t, "number"), rapid.Bool().Draw(t, "egress"), rapid.Bool().Draw(t, "allow"), cidr)
	})
	return rapid.Map(rapid.SliceOfN(one, 0, 5), func(list []networkacl.Entry) []networkacl.Entry {
		less := func(a, b networkacl.Entry) int {
			if a.Egress != b.Egress {
				return map[bool]int{true: -1, false: 1}[a.Egress]
			}
			return int(a.Number - b.Number)
		}
		slices.SortStableFunc(list, less)
		return slices.CompactFunc(list, func(a, b networkacl.Entry) bool { return less(a, b) == 0 })
	})
}

// Whatever is on a network ACL with the tags of a clone: it is deleted, or taken from its subnet, only where each entry is
// claimed, or one of the copies that the tags tell of, or one that the original has too.
func TestACloneIsDeletedOnlyWhereAllOfItIsAccountedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		const uid = "7b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11"
		o := ownership.Ownership{UID: uid, ClusterID: "x", Started: time.Unix(0, 0), Expires: time.Unix(60, 0), Rules: []v1alpha1.Rule{{RuleNumber: 80, CIDR: "52.119.0.80/32"}}}
		claims, _ := ownership.ParseClaims(o.Tags())
		original := &networkacl.ACL{ID: "acl-1", VPCID: "vpc-1", Entries: entriesGen().Draw(t, "original")}
		if rapid.Bool().Draw(t, "gone") {
			original = nil
		}
		copies := entriesGen().Draw(t, "copies")
		clone := &networkacl.ACL{
			ID: "acl-2", VPCID: "vpc-1", Entries: entriesGen().Draw(t, "clone"), Default: rapid.IntRange(0, 9).Draw(t, "default") == 0,
			SubnetIDs: rapid.SampledFrom([][]string{nil, {"subnet-1"}, {"subnet-2"}, {"subnet-1", "subnet-2"}}).Draw(t, "subnets"),
			Tags: map[string]string{
				ownership.TagClone: uid, ownership.TagCopies: ownership.HashOf(copies), ownership.TagSubnet: rapid.SampledFrom([]string{"subnet-1", "subnet-1", ""}).Draw(t, "for"),
				ownership.TagOriginal: rapid.SampledFrom([]string{"acl-1", "acl-1", "acl-1", "acl-2", ""}).Draw(t, "of"),
			},
		}
		disposition, problem := dispositionFor(clone, claims[0], original)
		if disposition == removal.Leave || disposition == removal.Edited || disposition == removal.InUse || disposition == removal.Adopt {
			g.Expect(problem).NotTo(BeEmpty())
			return
		}
		g.Expect(clone.Default).To(BeFalse())
		g.Expect(clone.Tags[ownership.TagOriginal]).To(Equal("acl-1"))
		if disposition == removal.Return {
			g.Expect(original).NotTo(BeNil())
			g.Expect(clone.SubnetIDs).To(ContainElement("subnet-1"))
		} else {
			g.Expect(clone.SubnetIDs).To(BeEmpty())
		}
		for _, e := range clone.Entries {
			known := claims[0].Owns(e) || slices.ContainsFunc(copies, e.Equal)
			if original != nil {
				known = known || slices.ContainsFunc(original.Entries, func(o networkacl.Entry) bool {
					if e.Egress && o.Egress {
						o.Number = e.Number
					}
					return o.Equal(e)
				})
			}
			g.Expect(known).To(BeTrue(), "%v is a third party's", e)
		}
	})
}

// What stands in another order lets other traffic pass.
func TestCopiesAreInTheOrderOfTheOriginal(t *testing.T) {
	g := NewWithT(t)
	original := []networkacl.Entry{entry(100, true, true, "10.0.0.0/8"), entry(110, true, false, "0.0.0.0/0")}
	g.Expect(areCopiesOf([]networkacl.Entry{entry(90, true, true, "10.0.0.0/8"), entry(91, true, false, "0.0.0.0/0")}, original)).To(BeTrue())
	g.Expect(areCopiesOf([]networkacl.Entry{entry(90, true, false, "0.0.0.0/0"), entry(91, true, true, "10.0.0.0/8")}, original)).To(BeFalse())
}

// What was seen of a finding is kept for two days after it was last looked at.
func TestWhatWasSeenLongAgoIsForgotten(t *testing.T) {
	g := NewWithT(t)
	start, rule := time.Unix(0, 0), removal.OfTag("acl-1", ownership.ClaimedRule{Number: 80}, time.Time{}, false)
	one, other := Found{UID: "one"}, Found{UID: "other"}
	var m memory
	deleted := func(at time.Time) bool { return m.of(one, at).removed.IsGone(rule, at) }
	m.of(one, start).removed.Acknowledge(rule, start)
	m.of(other, start.Add(48*time.Hour))
	g.Expect(deleted(start.Add(48 * time.Hour))).To(BeTrue())
	m.of(other, start.Add(96*time.Hour+time.Second))
	g.Expect(deleted(start.Add(96*time.Hour + time.Second))).To(BeFalse())
}

func TestPastEnd(t *testing.T) {
	g := NewWithT(t)
	f := Found{Expires: time.Unix(0, 0)}
	g.Expect(f.PastEnd(f.Expires.Add(5*time.Minute - 1))).To(BeFalse())
	g.Expect(f.PastEnd(f.Expires.Add(5 * time.Minute))).To(BeTrue())
	g.Expect(Found{}.PastEnd(time.Now())).To(BeFalse(), "no end is known")
}

// FuzzFoundOn reads whatever tags third parties may write.
func FuzzFoundOn(f *testing.F) {
	const uid = "7b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11"
	good := ownership.Ownership{UID: uid, Owner: "a/b", ClusterID: "x", Started: time.Unix(0, 0), Expires: time.Unix(60, 0)}.Tags()
	f.Add(ownership.TagDomain+uid, good[ownership.TagDomain+uid], ownership.TagClone, uid, "acl-1")
	f.Add(ownership.TagDomain+uid, good[ownership.TagDomain+uid], ownership.TagClone, "", "acl-2")
	f.Add(ownership.TagDomain+uid+"/owner", "a/b", ownership.TagAdopted, "soon", "")
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2, original string) {
		g := NewWithT(t)
		acl := &networkacl.ACL{ID: "acl-2", VPCID: "vpc-1", Entries: []networkacl.Entry{entry(80, true, false, "52.119.0.80/32")}, Tags: map[string]string{
			key1: value1, key2: value2, ownership.TagOriginal: original,
		}}
		for _, found := range foundOn(acl, map[string]*networkacl.ACL{}) {
			switch found.Kind {
			case KindClone, KindRules:
				claims, _ := ownership.ParseClaims(acl.Tags)
				g.Expect(slices.ContainsFunc(claims, found.is)).To(BeTrue())
				wanted := map[bool]Kind{true: KindClone, false: KindRules}[acl.Tags[ownership.TagClone] == found.UID]
				g.Expect(found.Kind).To(Equal(wanted))
			case KindUnreadable:
				g.Expect(found.Problem).NotTo(BeEmpty())
			}
		}
	})
}
