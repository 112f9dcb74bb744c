// SPDX-License-Identifier: Apache-2.0

package removal

import (
	"context"

	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
)

// Remover makes the calls of a removal, and compares each answer with the last read. The outcome is
// Done where what was to go is gone, and Missing where AWS says that it does not exist though that
// read shows it: such an answer proves nothing, and a later read decides.
type Remover struct {
	// EC2 sends changes that rest on the read.
	EC2 aws.FencedEC2
	// Read is the network ACL as last read; nil: it was not there, or not read.
	Read *networkacl.ACL
	// Send, if set, makes each call: it may bound it, not begin it, which is Refused without an
	// error, or know more of what AWS answered.
	Send func(ctx context.Context, call Call) (networkacl.Outcome, error)
}

// Call is a call that changes something, once.
type Call func(ctx context.Context) (networkacl.Outcome, error)

// DeleteEntries has AWS delete claimed entries side by side, and gives the outcome of each. Those
// that AWS acknowledged are in the evidence as of then. The caller has seen that each entry is the
// claimed one, or that there is none at its number.
func (r Remover) DeleteEntries(ctx context.Context, claims []Claim, evidence *Evidence, clk clock.PassiveClock) ([]networkacl.Outcome, error) {
	outcomes := make([]networkacl.Outcome, len(claims))
	calls := make([]func() error, len(claims))
	for i, claim := range claims {
		line := v1alpha1.Rule{NetworkACLID: claim.networkACLID, RuleNumber: claim.Number}
		calls[i] = func() (err error) {
			outcomes[i], err = r.send(ctx, func(ctx context.Context) (networkacl.Outcome, error) { return ec2acl.Delete(ctx, r.EC2, line) })
			return err
		}
	}

	err := parallel.Do(calls...)

	var entries []networkacl.Entry
	if r.Read != nil {
		entries = r.Read.Entries
	}

	for i, claim := range claims {
		if outcomes[i] == networkacl.Done {
			evidence.Acknowledge(claim, clk.Now())
		}
		shown, _ := claim.isIn(entries)
		outcomes[i] = comparedWithRead(outcomes[i], shown)
	}
	return outcomes, err
}

// DeleteClone has AWS delete a clone, and its entries with it.
func (r Remover) DeleteClone(ctx context.Context, id string) (networkacl.Outcome, error) {
	outcome, err := r.send(ctx, func(ctx context.Context) (networkacl.Outcome, error) { return ec2acl.DeleteACL(ctx, r.EC2, id) })
	return comparedWithRead(outcome, r.Read != nil), err
}

// ReturnSubnet has AWS give a subnet that the last read shows on a clone its original back.
func (r Remover) ReturnSubnet(ctx context.Context, subnetID, originalID string) (networkacl.Outcome, error) {
	return r.send(ctx, func(ctx context.Context) (networkacl.Outcome, error) {
		return ec2acl.Associate(ctx, r.EC2, r.Read.Associations[subnetID], originalID)
	})
}

// RemoveTags has AWS remove the tags with keys from a network ACL, as the last thing of all.
func (r Remover) RemoveTags(ctx context.Context, id string, keys []string) (networkacl.Outcome, error) {
	outcome, err := r.send(ctx, func(ctx context.Context) (networkacl.Outcome, error) { return ec2acl.RemoveTags(ctx, r.EC2, id, keys) })
	return comparedWithRead(outcome, r.Read != nil), err
}

func (r Remover) send(ctx context.Context, call Call) (networkacl.Outcome, error) {
	if r.Send != nil {
		return r.Send(ctx, call)
	}
	return call(ctx)
}

// comparedWithRead is an outcome, given whether the last read shows what was to go.
func comparedWithRead(outcome networkacl.Outcome, shown bool) networkacl.Outcome {
	if outcome.IsGone(shown) {
		return networkacl.Done
	}
	return outcome
}
