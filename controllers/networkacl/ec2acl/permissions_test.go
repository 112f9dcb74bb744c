// SPDX-License-Identifier: Apache-2.0

package ec2acl_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// checks are the questions about permissions, and the actions that each has to ask about, in the
// order of its errors.
var checks = map[string]struct {
	actions []string
	call    func(ctx context.Context, client aws.FencedEC2, acl *networkacl.ACL) error
}{
	"CheckInPlace": {[]string{createAction, deleteAction, "ec2:CreateTags", "ec2:DeleteTags"}, ec2acl.CheckInPlace},
	"CheckCloning": {[]string{"ec2:CreateNetworkAcl", "ec2:ReplaceNetworkAclAssociation"}, func(ctx context.Context, client aws.FencedEC2, acl *networkacl.ACL) error {
		return ec2acl.CheckCloning(ctx, client, acl, simSubnet)
	}},
	"CheckClone": {[]string{createAction, deleteAction, "ec2:ReplaceNetworkAclEntry", "ec2:DeleteNetworkAcl", "ec2:CreateTags", "ec2:DeleteTags"}, func(ctx context.Context, client aws.FencedEC2, acl *networkacl.ACL) error {
		return ec2acl.CheckClone(ctx, client, acl.ID)
	}},
}

// refused are the actions that a check's error names, each of them denied.
func refused(g *WithT, err error) []string {
	var named []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			g.Expect(aws.Classify(e)).To(Equal(aws.Denied), "%v", e)
			named = append(named, aws.Action(e))
		}
	} else {
		g.Expect(err).NotTo(HaveOccurred())
	}
	return named
}

// readACL reads simACL.
func readACL(t *testing.T, client aws.FencedEC2) *networkacl.ACL {
	t.Helper()
	acl, err := ec2acl.Read(t.Context(), client, simACL)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return acl
}

// dryRuns are the actions that were asked about. No other call but reads was made.
func dryRuns(g *WithT, s *sim.Simulator) []string {
	var asked []string
	for _, call := range s.Calls() {
		if !call.ReadOnly {
			g.Expect(call.DryRun).To(BeTrue(), "%v", call)
			asked = append(asked, call.Name())
		}
	}
	return asked
}

func TestChecksNameEveryActionThatIsDenied(t *testing.T) {
	for name, check := range checks {
		denied := [][]string{nil, check.actions}
		for _, action := range check.actions {
			denied = append(denied, []string{action})
		}
		for _, denied := range denied {
			t.Run(fmt.Sprintf("%s without %v", name, denied), func(t *testing.T) {
				g := NewWithT(t)
				s, client := simulate(t)
				acl := readACL(t, client)
				before := acls(s)
				for _, action := range denied {
					s.Faults().Add(faults.Fault{Action: action, Denied: true})
				}
				g.Expect(refused(g, check.call(t.Context(), client, acl))).To(Equal(denied))
				g.Expect(acls(s)).To(Equal(before))
				g.Expect(dryRuns(g, s)).To(ConsistOf(check.actions), "each once")
			})
		}
	}
}

// AWS judges the permission before the state, so what it says of the state means yes.
func TestChecksTakeTheStateForAYes(t *testing.T) {
	for action, codes := range map[string][]string{
		createAction:                 {aws.CodeEntryAlreadyExists, aws.CodeEntryLimitExceeded},
		deleteAction:                 {aws.CodeEntryNotFound},
		"ec2:ReplaceNetworkAclEntry": {aws.CodeEntryNotFound, aws.CodeEntryLimitExceeded},
		"ec2:CreateTags":             {aws.CodeTagLimitExceeded},
		"ec2:CreateNetworkAcl":       {aws.CodeACLLimitExceeded},
		"ec2:DeleteNetworkAcl":       {aws.CodeDependency},
	} {
		for name, check := range checks {
			for _, code := range codes {
				if !slices.Contains(check.actions, action) {
					continue
				}
				t.Run(fmt.Sprintf("%s and %s of %s", name, code, action), func(t *testing.T) {
					g := NewWithT(t)
					s, client := simulate(t)
					s.Faults().Add(faults.Fault{Action: action, Error: code, DryRuns: true})
					g.Expect(check.call(t.Context(), client, readACL(t, client))).To(Succeed())
				})
			}
		}
	}
}

func TestChecksTakeNothingElseForAYes(t *testing.T) {
	for _, code := range []string{
		"RequestLimitExceeded", "InternalError", "AuthFailure", "InvalidParameterValue", aws.CodeACLNotFound, aws.CodeAssociationUnknown,
	} {
		for name, check := range checks {
			for _, action := range check.actions {
				t.Run(fmt.Sprintf("%s and %s of %s", name, code, action), func(t *testing.T) {
					g := NewWithT(t)
					s, client := simulate(t)
					acl := readACL(t, client)
					s.Faults().Add(faults.Fault{Action: action, Error: code, DryRuns: true})
					err := check.call(t.Context(), client, acl)
					g.Expect(aws.Code(err)).To(Equal(code), "%v", err)
					g.Expect(aws.Action(err)).To(Equal(action))
				})
			}
		}
	}
}

func TestChecksWhereTheEntryIsThere(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	g.Expect(s.Region().SetEntries(simACL, region.AllowAll(80, true))).To(Succeed())
	before := acls(s)
	g.Expect(ec2acl.CheckInPlace(t.Context(), client, readACL(t, client))).To(Succeed())
	g.Expect(ec2acl.CheckClone(t.Context(), client, simACL)).To(Succeed())
	s.Faults().Add(faults.Fault{Action: deleteAction, Denied: true})
	g.Expect(refused(g, ec2acl.CheckInPlace(t.Context(), client, readACL(t, client)))).To(Equal([]string{deleteAction}))
	g.Expect(acls(s)).To(Equal(before))
}

// What is asked about has to be what will be called: conditions of IAM judge the parameters.
func TestCheckCloningAsksAboutTheCallsOfTheRun(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	original, err := ec2acl.Read(t.Context(), client, simSharedACL)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ec2acl.CheckCloning(t.Context(), client, original, simShared2)).To(Succeed())
	for _, call := range s.Calls() {
		switch call.Action {
		case "CreateNetworkAcl":
			g.Expect(call.Param("VpcId")).To(Equal(simVPC))
			g.Expect(call.Param("TagSpecification.1.ResourceType")).To(Equal("network-acl"))
			g.Expect(call.Param("TagSpecification.1.Tag.1.Key")).To(Equal(cloneKey))
		case "ReplaceNetworkAclAssociation":
			g.Expect(call.Param("AssociationId")).To(Equal(associationOf(s, simShared2)))
			g.Expect(call.Param("NetworkAclId")).To(Equal(simSharedACL))
		}
	}
	g.Expect(ec2acl.CheckCloning(t.Context(), client, original, simSubnet)).To(MatchError(ContainSubstring("is not that of subnet " + simSubnet)))
	g.Expect(dryRuns(g, s)).To(HaveLen(2))
}

// A policy that rests on the clone's tag lets a clone be written to, and nothing else.
func TestCheckCloneUnderAPolicyThatWantsTheTag(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	cloneID := cloneIn(t, s)
	s.Faults().Add(faults.Fault{Action: "ec2:*", MissingTag: cloneKey, Denied: true})
	g.Expect(ec2acl.CheckClone(t.Context(), client, cloneID)).To(Succeed())
	g.Expect(refused(g, ec2acl.CheckClone(t.Context(), client, simACL))).To(Equal(checks["CheckClone"].actions))
}
