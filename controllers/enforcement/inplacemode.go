// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement/entries"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
)

// What entries asks of the mode.

// DescribeACL reads the network ACL.
func (p *inPlace) DescribeACL(ctx context.Context, reads aws.Polled) (*networkacl.ACL, error) {
	return ec2acl.Read(ctx, reads.EC2, p.Status().NetworkACL.ID)
}

// LastOriginal is none: the network ACL is no copy.
func (p *inPlace) LastOriginal() *networkacl.ACL { return nil }

// CheckClaim has nothing to check: the run owns no more of the network ACL than its entries.
func (p *inPlace) CheckClaim() error { return nil }

// IsBeforeFirstWrite reports whether the run began and no line of its ledger was attempted.
func (p *inPlace) IsBeforeFirstWrite() bool {
	lines := p.Status().Rules
	attempted := func(l v1alpha1.Rule) bool { return !ledger.IsUnattempted(l) }
	return p.IsPlaced() && len(lines) > 0 && !slices.ContainsFunc(lines, attempted)
}

// OwnershipTags are those that name the lines.
func (p *inPlace) OwnershipTags(lines []v1alpha1.Rule) map[string]string {
	return p.Ownership(lines).Tags()
}

// HasModeTags is always true: there are no further tags.
func (p *inPlace) HasModeTags(map[string]string) bool { return true }

// ShrinkTags has the tags claim what the ledger has without its released lines. With the last line
// of a run that ends, they go.
func (p *inPlace) ShrinkTags(ctx context.Context) error {
	if p.IsEnding() && !p.HasUnreleasedLine() {
		return p.RemoveOwnershipTags(ctx)
	}
	return p.EnsureOwnershipTags(ctx)
}

// ExplainTagError has nothing to add to what AWS says.
func (p *inPlace) ExplainTagError(err error) error { return err }

// FindDrift says what is not as it should be with subnet, network ACL and rules, as they were last
// read.
func (p *inPlace) FindDrift(valid []v1alpha1.Rule) entries.Drift {
	if drift := p.FindAssociationDrift(p.LastACL()); drift.Reason != "" {
		return drift
	}
	// Whether the others consent is judged with all that the denies act on.
	if mayShare := p.Status().NetworkACL.ModeReason == v1alpha1.NetworkACLModeRequested; !mayShare {
		if drift := p.FindOtherSubnets(); drift.Reason != "" {
			return drift
		}
	}
	return p.FindRuleDrift(valid)
}

// SyncFromOriginal has nothing to follow: the network ACL is no copy.
func (p *inPlace) SyncFromOriginal(context.Context) error { return nil }
