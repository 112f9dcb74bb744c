// SPDX-License-Identifier: Apache-2.0

package ec2acl_test

import (
	"context"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// What the simulator's default world has.
const (
	simVPC       = "vpc-0a7c1e5f3b9d24680"
	simACL       = "acl-0b3d6f9a1c5e72840" // one subnet's own
	simSubnet    = "subnet-0c2e4a6b8d1f35790"
	simSharedACL = "acl-0d5f8a2c4e6b19370"
	simShared1   = "subnet-0e8d6c4b2a9f71350"
	simShared2   = "subnet-0f9b7d5c3e1a86420"
)

const (
	createAction = "ec2:CreateNetworkAclEntry"
	deleteAction = "ec2:DeleteNetworkAclEntry"
)

func simulate(t *testing.T) (*sim.Simulator, aws.FencedEC2) {
	t.Helper()
	s, err := sim.Start(t.Context(), sim.Options{NoAgents: true})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	return s, aws.NewSessions(s.Config(), "agentdisconnect", "test").In("ap-northeast-1").Fenced(holds).EC2
}

func lineOf(number int32, cidr string) v1alpha1.Rule {
	return v1alpha1.Rule{NetworkACLID: simACL, RuleNumber: number, CIDR: cidr, State: creating}
}

// entriesOf are those of the network ACL beside the ones that it came with.
func entriesOf(s *sim.Simulator) []string {
	var entries []string
	found, _ := s.Region().NetworkACL(simACL)
	for _, e := range found.Entries {
		if e.RuleNumber != 100 && !e.Default() {
			entries = append(entries, region.DescribeEntry(e))
		}
	}
	return entries
}

func attempts(s *sim.Simulator, action string) int {
	return len(slices.DeleteFunc(s.Calls(), func(c sim.Call) bool { return c.Name() != action || c.DryRun }))
}

// trouble is what a call meets, and what is then known. made reports whether it took effect all the
// same.
var trouble = map[string]struct {
	fault faults.Fault
	want  networkacl.Outcome
	class aws.Class
	made  bool
}{
	"a lost answer":                 {faults.Fault{Lost: true}, networkacl.Unknown, aws.Unanswered, true},
	"a 500 that took effect":        {faults.Fault{ErrorAfter: "InternalError"}, networkacl.Unknown, aws.Unanswered, true},
	"a 500 without effect":          {faults.Fault{Error: "InternalError"}, networkacl.Unknown, aws.Unanswered, false},
	"a 503":                         {faults.Fault{Error: "Unavailable"}, networkacl.Unknown, aws.Unanswered, false},
	"a caller that waits no longer": {faults.Fault{LatencyAfter: faults.Duration(time.Hour)}, networkacl.Unknown, aws.Unanswered, true},
	"throttling":                    {faults.Fault{Error: "RequestLimitExceeded"}, networkacl.Refused, aws.Throttled, false},
	"a permission withdrawn":        {faults.Fault{Denied: true}, networkacl.Refused, aws.Denied, false},
	"credentials that expired":      {faults.Fault{Error: "RequestExpired"}, networkacl.Refused, aws.NoCredentials, false},
	"an unexpected refusal":         {faults.Fault{Error: "OperationNotPermitted"}, networkacl.Refused, aws.Rejected, false},
	"a quota":                       {faults.Fault{Error: "NetworkAclEntryLimitExceeded"}, networkacl.Refused, aws.Rejected, false},
	"a parameter that AWS refuses":  {faults.Fault{Error: "InvalidParameterValue"}, networkacl.Refused, aws.Rejected, false},
}

// untilEffect is a caller's context. Where the answer never comes, the caller gives up once the
// call took effect.
func untilEffect(t *testing.T, s *sim.Simulator, f faults.Fault) context.Context {
	if f.LatencyAfter == 0 {
		return t.Context()
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	s.Faults().After(f.Action, func(call.Call) { cancel() })
	return ctx
}

func TestCreate(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	outcome, err := ec2acl.Create(t.Context(), client, lineOf(80, "52.119.223.69/32"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcome).To(Equal(networkacl.Done))
	outcome, err = ec2acl.Create(t.Context(), client, lineOf(81, "2001:db8::1/128"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcome).To(Equal(networkacl.Done))
	outcome, err = ec2acl.Create(t.Context(), client, lineOf(82, "192.0.2.0/24"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcome).To(Equal(networkacl.Done))
	made := []string{"egress 80 deny -1 52.119.223.69/32", "egress 81 deny -1 2001:db8::1/128", "egress 82 deny -1 192.0.2.0/24"}
	g.Expect(entriesOf(s)).To(Equal(made))

	for _, cidr := range []string{"52.119.223.69/32", "52.119.223.70/32"} { // equal or not is for a read to say
		outcome, err = ec2acl.Create(t.Context(), client, lineOf(80, cidr))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(outcome).To(Equal(networkacl.Taken))
	}
	g.Expect(entriesOf(s)).To(Equal(made))

	missing := lineOf(80, "52.119.223.69/32")
	missing.NetworkACLID = "acl-0fedcba9876543210"
	outcome, err = ec2acl.Create(t.Context(), client, missing)
	g.Expect(aws.HasCode(err, aws.CodeACLNotFound)).To(BeTrue(), "%v", err)
	g.Expect(outcome).To(Equal(networkacl.Refused))
}

func TestCreateInTrouble(t *testing.T) {
	for name, tc := range trouble {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, client := simulate(t)
			tc.fault.Action = createAction
			s.Faults().Add(tc.fault)
			outcome, err := ec2acl.Create(untilEffect(t, s, tc.fault), client, lineOf(80, "52.119.223.69/32"))
			g.Expect(err).To(HaveOccurred())
			g.Expect(outcome).To(Equal(tc.want), "%v", err)
			g.Expect(aws.Classify(err)).To(Equal(tc.class), "%v", err)
			g.Expect(aws.Action(err)).To(Equal(createAction))
			g.Expect(entriesOf(s)).To(HaveLen(map[bool]int{true: 1}[tc.made]))
			g.Expect(attempts(s, createAction)).To(Equal(1), "a repeat would hide what the first attempt did")
		})
	}
}

func TestDelete(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	line := lineOf(80, "52.119.223.69/32")
	for what, want := range map[string]networkacl.Outcome{"there": networkacl.Done, "not there": networkacl.Missing} {
		if what == "there" {
			_, err := ec2acl.Create(t.Context(), client, line)
			g.Expect(err).NotTo(HaveOccurred())
		}
		outcome, err := ec2acl.Delete(t.Context(), client, line)
		g.Expect(err).NotTo(HaveOccurred(), what)
		g.Expect(outcome).To(Equal(want), what)
		g.Expect(entriesOf(s)).To(BeEmpty())
	}
	found, _ := s.Region().NetworkACL(simACL)
	g.Expect(found.Entries).To(HaveLen(4), "what it came with")

	line.NetworkACLID = "acl-0fedcba9876543210"
	outcome, err := ec2acl.Delete(t.Context(), client, line)
	g.Expect(err).NotTo(HaveOccurred(), "a network ACL that is gone took its entries along")
	g.Expect(outcome).To(Equal(networkacl.Missing))
}

func TestDeleteInTrouble(t *testing.T) {
	for name, tc := range trouble {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, client := simulate(t)
			line := lineOf(80, "52.119.223.69/32")
			_, err := ec2acl.Create(t.Context(), client, line)
			g.Expect(err).NotTo(HaveOccurred())
			tc.fault.Action = deleteAction
			s.Faults().Add(tc.fault)
			outcome, err := ec2acl.Delete(untilEffect(t, s, tc.fault), client, line)
			g.Expect(err).To(HaveOccurred())
			g.Expect(outcome).To(Equal(tc.want), "%v", err)
			g.Expect(aws.Classify(err)).To(Equal(tc.class), "%v", err)
			g.Expect(entriesOf(s)).To(HaveLen(map[bool]int{false: 1}[tc.made]))
			g.Expect(attempts(s, deleteAction)).To(Equal(1))
		})
	}
}
