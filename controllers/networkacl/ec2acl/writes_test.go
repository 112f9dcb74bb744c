// SPDX-License-Identifier: Apache-2.0

package ec2acl_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

const cloneKey = ownership.TagClone

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// acls are all network ACLs as they are now: what a write can change.
func acls(s *sim.Simulator) []region.ACL { return s.Region().View(time.Time{}).NetworkACLs() }

func associationOf(s *sim.Simulator, subnetID string) string {
	found, _ := s.Region().SubnetACL(subnetID)
	for _, a := range found.Associations {
		if a.SubnetID == subnetID {
			return a.ID
		}
	}
	return ""
}

// cloneIn is a network ACL that a run could have made, without a subnet.
func cloneIn(t *testing.T, s *sim.Simulator) string {
	t.Helper()
	made, err := s.Region().CreateNetworkACL(simVPC, "", "", map[string]string{cloneKey: "uid", "Name": "x"})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return made.ID
}

func done(g *WithT) func(networkacl.Outcome, error) {
	return func(outcome networkacl.Outcome, err error) {
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(outcome).To(Equal(networkacl.Done))
	}
}

func missing(g *WithT) func(networkacl.Outcome, error) {
	return func(outcome networkacl.Outcome, err error) {
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(outcome).To(Equal(networkacl.Missing))
	}
}

// writes are the calls that change something, each on a network ACL of its own that has the tag
// cloneKey and entry 80.
var writes = map[string]struct {
	action string
	call   func(ctx context.Context, client aws.FencedEC2, s *sim.Simulator, cloneID string) (networkacl.Outcome, error)
}{
	"CreateClone": {"ec2:CreateNetworkAcl", func(ctx context.Context, client aws.FencedEC2, _ *sim.Simulator, _ string) (networkacl.Outcome, error) {
		_, outcome, err := ec2acl.CreateClone(ctx, client, simVPC, "token", map[string]string{cloneKey: "uid"})
		return outcome, err
	}},
	"Associate": {"ec2:ReplaceNetworkAclAssociation", func(ctx context.Context, client aws.FencedEC2, s *sim.Simulator, cloneID string) (networkacl.Outcome, error) {
		return ec2acl.Associate(ctx, client, associationOf(s, simSubnet), cloneID)
	}},
	"DeleteACL": {"ec2:DeleteNetworkAcl", func(ctx context.Context, client aws.FencedEC2, _ *sim.Simulator, cloneID string) (networkacl.Outcome, error) {
		return ec2acl.DeleteACL(ctx, client, cloneID)
	}},
	"WriteTags": {"ec2:CreateTags", func(ctx context.Context, client aws.FencedEC2, _ *sim.Simulator, cloneID string) (networkacl.Outcome, error) {
		return ec2acl.WriteTags(ctx, client, cloneID, map[string]string{"agentdisconnect.dev/uid": "1"})
	}},
	"RemoveTags": {"ec2:DeleteTags", func(ctx context.Context, client aws.FencedEC2, _ *sim.Simulator, cloneID string) (networkacl.Outcome, error) {
		return ec2acl.RemoveTags(ctx, client, cloneID, []string{cloneKey})
	}},
	"CreateEntry": {createAction, func(ctx context.Context, client aws.FencedEC2, _ *sim.Simulator, cloneID string) (networkacl.Outcome, error) {
		return ec2acl.CreateEntry(ctx, client, cloneID, AllowOut(90, "10.0.0.0/8"))
	}},
	"ReplaceEntry": {"ec2:ReplaceNetworkAclEntry", func(ctx context.Context, client aws.FencedEC2, _ *sim.Simulator, cloneID string) (networkacl.Outcome, error) {
		return ec2acl.ReplaceEntry(ctx, client, cloneID, AllowOut(80, "10.0.0.0/8"))
	}},
	"DeleteEntry": {deleteAction, func(ctx context.Context, client aws.FencedEC2, _ *sim.Simulator, cloneID string) (networkacl.Outcome, error) {
		return ec2acl.DeleteEntry(ctx, client, cloneID, DenyOut(80, "192.0.2.1/32"))
	}},
}

func TestWritesInTrouble(t *testing.T) {
	for write, w := range writes {
		for name, tc := range trouble {
			t.Run(write+" and "+name, func(t *testing.T) {
				t.Parallel()
				g := NewWithT(t)
				s, client := simulate(t)
				cloneID := cloneIn(t, s)
				g.Expect(s.Region().SetEntries(cloneID, region.AllowAll(80, true))).To(Succeed())
				before := acls(s)
				tc.fault.Action = w.action
				s.Faults().Add(tc.fault)
				outcome, err := w.call(untilEffect(t, s, tc.fault), client, s, cloneID)
				g.Expect(err).To(HaveOccurred())
				g.Expect(outcome).To(Equal(tc.want), "%v", err)
				g.Expect(aws.Classify(err)).To(Equal(tc.class), "%v", err)
				g.Expect(aws.Action(err)).To(Equal(w.action))
				if tc.made {
					g.Expect(acls(s)).NotTo(Equal(before))
				} else {
					g.Expect(acls(s)).To(Equal(before))
				}
				g.Expect(attempts(s, w.action)).To(Equal(1), "a repeat would hide what the first attempt did")
			})
		}
	}
}

func TestEntriesOfAClone(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	cloneID := cloneIn(t, s)
	icmp := DenyOut(9, "0.0.0.0/0")
	icmp.Protocol, icmp.ICMP = "1", &networkacl.ICMP{Type: 8, Code: -1}
	icmp6 := AllowOut(10, "2001:db8::/32")
	icmp6.Protocol, icmp6.ICMP = "58", &networkacl.ICMP{Type: -1, Code: -1}
	udp := TCP(AllowOut(11, "10.0.0.0/8"), 53, 53)
	udp.Protocol = "17"
	esp := AllowOut(12, "10.0.0.0/8")
	esp.Protocol = "50"
	copied := []networkacl.Entry{
		DenyOut(7, "2001:db8::/32"), TCP(AllowOut(8, "10.0.0.0/8"), 443, 444), icmp, icmp6, udp, esp,
		Ingress(TCP(AllowOut(8, "2001:db8:1::/48"), 0, 65535)), Ingress(AllowOut(100, "0.0.0.0/0")),
	}
	for _, e := range copied {
		done(g)(ec2acl.CreateEntry(t.Context(), client, cloneID, e))
	}
	entries := func() []networkacl.Entry {
		found, err := ec2acl.Read(t.Context(), client, cloneID)
		g.Expect(err).NotTo(HaveOccurred())
		return slices.DeleteFunc(found.Entries, func(e networkacl.Entry) bool { return e.Number >= networkacl.DefaultIPv4 })
	}
	g.Expect(entries()).To(Equal(copied), "read back as it was written")

	outcome, err := ec2acl.CreateEntry(t.Context(), client, cloneID, copied[0])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcome).To(Equal(networkacl.Taken))
	outcome, err = ec2acl.CreateEntry(t.Context(), client, missingACL, copied[0])
	g.Expect(aws.Code(err)).To(Equal(aws.CodeACLNotFound))
	g.Expect(outcome).To(Equal(networkacl.Refused))

	// Each becomes what the one before it was, but for its number and direction.
	for i := range copied {
		e := copied[(i+len(copied)-1)%len(copied)]
		e.Number, e.Egress = copied[i].Number, copied[i].Egress
		done(g)(ec2acl.ReplaceEntry(t.Context(), client, cloneID, e))
		g.Expect(entries()[i]).To(Equal(e))
	}
	outcome, err = ec2acl.ReplaceEntry(t.Context(), client, cloneID, DenyOut(50, "192.0.2.1/32"))
	g.Expect(aws.Code(err)).To(Equal(aws.CodeEntryNotFound))
	g.Expect(outcome).To(Equal(networkacl.Refused))

	done(g)(ec2acl.DeleteEntry(t.Context(), client, cloneID, copied[1]))
	left := entries()
	g.Expect(left).To(HaveLen(len(copied) - 1))
	g.Expect(left).To(ContainElement(HaveField("CIDR", netip.MustParsePrefix("10.0.0.0/8"))))
	g.Expect(slices.ContainsFunc(left, func(e networkacl.Entry) bool { return e.Number == 8 && !e.Egress })).To(BeTrue(), "of one direction only")
	missing(g)(ec2acl.DeleteEntry(t.Context(), client, cloneID, copied[1]))
	missing(g)(ec2acl.DeleteEntry(t.Context(), client, missingACL, copied[1]))
	g.Expect(entries()).To(Equal(left))
}

func TestCreateClone(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	before := len(acls(s))
	tags := map[string]string{cloneKey: "uid", "agentdisconnect.dev/original": simACL}
	s.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAcl", Lost: true, Times: 1})
	id, outcome, err := ec2acl.CreateClone(t.Context(), client, simVPC, "uid/run/1", tags)
	g.Expect(err).To(HaveOccurred())
	g.Expect(outcome).To(Equal(networkacl.Unknown))
	g.Expect(id).To(BeEmpty())

	id, outcome, err = ec2acl.CreateClone(t.Context(), client, simVPC, "uid/run/1", tags)
	done(g)(outcome, err)
	g.Expect(acls(s)).To(HaveLen(before+1), "the token gives what the lost call made")
	made, _ := s.Region().NetworkACL(id)
	g.Expect(made.Tags).To(Equal(tags))
	g.Expect(made.VPCID).To(Equal(simVPC))
	g.Expect(made.Associations).To(BeEmpty())

	_, outcome, err = ec2acl.CreateClone(t.Context(), client, simVPC, "uid/run/1", map[string]string{cloneKey: "another"})
	g.Expect(aws.Code(err)).To(Equal("IdempotentParameterMismatch"))
	g.Expect(outcome).To(Equal(networkacl.Refused))

	another, outcome, err := ec2acl.CreateClone(t.Context(), client, simVPC, "uid/run/2", tags)
	done(g)(outcome, err)
	g.Expect(another).NotTo(Equal(id))

	s.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAcl", Error: aws.CodeACLLimitExceeded})
	_, outcome, err = ec2acl.CreateClone(t.Context(), client, simVPC, "uid/run/3", tags)
	g.Expect(aws.Code(err)).To(Equal(aws.CodeACLLimitExceeded))
	g.Expect(outcome).To(Equal(networkacl.Refused))
	g.Expect(acls(s)).To(HaveLen(before + 2))
}

func TestAssociate(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	cloneID := cloneIn(t, s)
	first := associationOf(s, simShared1)
	done(g)(ec2acl.Associate(t.Context(), client, first, cloneID))
	g.Expect(mustSubnetACL(g, s, simShared1)).To(Equal(cloneID))
	g.Expect(mustSubnetACL(g, s, simShared2)).To(Equal(simSharedACL), "the other subnet stays")

	outcome, err := ec2acl.Associate(t.Context(), client, first, simSharedACL)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcome).To(Equal(networkacl.Stale))
	g.Expect(mustSubnetACL(g, s, simShared1)).To(Equal(cloneID))

	s.Faults().Add(faults.Fault{Action: "ec2:ReplaceNetworkAclAssociation", Lost: true, Times: 1})
	second := associationOf(s, simShared1)
	outcome, _ = ec2acl.Associate(t.Context(), client, second, simSharedACL)
	g.Expect(outcome).To(Equal(networkacl.Unknown))
	outcome, err = ec2acl.Associate(t.Context(), client, second, simSharedACL)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcome).To(Equal(networkacl.Stale), "the lost call took effect")
	g.Expect(mustSubnetACL(g, s, simShared1)).To(Equal(simSharedACL))

	outcome, err = ec2acl.Associate(t.Context(), client, associationOf(s, simShared1), missingACL)
	g.Expect(aws.Code(err)).To(Equal(aws.CodeACLNotFound))
	g.Expect(outcome).To(Equal(networkacl.Refused))
}

func mustSubnetACL(g *WithT, s *sim.Simulator, subnetID string) string {
	found, ok := s.Region().SubnetACL(subnetID)
	g.Expect(ok).To(BeTrue())
	return found.ID
}

func TestDeleteACL(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	cloneID := cloneIn(t, s)
	g.Expect(s.Region().MoveSubnet(simSubnet, cloneID)).To(Succeed())
	outcome, err := ec2acl.DeleteACL(t.Context(), client, cloneID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcome).To(Equal(networkacl.InUse))
	g.Expect(mustSubnetACL(g, s, simSubnet)).To(Equal(cloneID))

	g.Expect(s.Region().MoveSubnet(simSubnet, simACL)).To(Succeed())
	for _, outcome := range []func(*WithT) func(networkacl.Outcome, error){done, missing} { // there, and no longer there
		outcome(g)(ec2acl.DeleteACL(t.Context(), client, cloneID))
		_, there := s.Region().NetworkACL(cloneID)
		g.Expect(there).To(BeFalse())
	}

	outcome, err = ec2acl.DeleteACL(t.Context(), client, simSharedACL)
	g.Expect(err).To(HaveOccurred(), "the VPC's default")
	g.Expect(outcome).To(BeElementOf(networkacl.Refused, networkacl.InUse))
}
