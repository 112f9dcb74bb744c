// SPDX-License-Identifier: Apache-2.0

package clone

import (
	"context"
	"maps"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// OwnershipTags are the tags that a clone has from its creation on.
func (c *Clone) OwnershipTags(rules []v1alpha1.Rule) map[string]string {
	owned := c.Ownership(rules)
	tags := owned.Tags()
	maps.Copy(tags, map[string]string{
		ownership.TagClone: string(c.Object.UID), ownership.TagCluster: owned.ClusterTag(), ownership.TagOriginal: c.Status().NetworkACL.OriginalID, ownership.TagSubnet: c.Object.Spec.SubnetID,
	})
	if copies, err := c.baseline(); err == nil {
		tags[ownership.TagCopies] = ownership.HashOf(clones.InClone(copies))
	}
	return tags
}

// HasModeTags reports whether tags say that the network ACL is this run's clone, and of what.
func (c *Clone) HasModeTags(tags map[string]string) bool {
	if tags[ownership.TagClone] != string(c.Object.UID) || tags[ownership.TagCluster] != c.Ownership(nil).ClusterTag() {
		return false
	}

	copies, err := c.baseline()
	return err != nil || tags[ownership.TagCopies] == ownership.HashOf(clones.InClone(copies))
}

// ShrinkTags has the tags claim what the ledger has without its released lines.
func (c *Clone) ShrinkTags(ctx context.Context) error {
	if c.IsEnding() && c.isStripped() {
		return nil // they claim nothing
	}
	return c.EnsureOwnershipTags(ctx)
}

// isStripped reports whether the network ACL as last read has no tag that says what is the run's.
func (c *Clone) isStripped() bool {
	return c.LastACL() != nil && !slices.ContainsFunc(append(ownership.TagKeys(string(c.Object.UID)), ownership.TagClone), func(key string) bool {
		_, there := c.LastACL().Tags[key]
		return there
	})
}

// retagClone puts the tag back that marks the network ACL as the run's clone, where it was removed:
// the manager's policy allows the deletion of no network ACL without it.
func (c *Clone) retagClone(ctx context.Context) error {
	clone, uid := c.LastACL(), string(c.Object.UID)
	if clone == nil || clone.Tags[ownership.TagClone] == uid {
		return nil
	}
	tags := map[string]string{ownership.TagClone: uid, ownership.TagCluster: c.Ownership(nil).ClusterTag()}
	_, err := ec2acl.WriteTags(ctx, c.Fenced().EC2, clone.ID, tags)
	return c.ExplainTagError(err)
}

// ExplainTagError gives the reason why AWS denies what is asked of a clone, where that is a tag
// that the clone lost.
func (c *Clone) ExplainTagError(err error) error {
	clone, target, uid := c.LastACL(), c.Status().Target, string(c.Object.UID)
	if err == nil || aws.Classify(err) != aws.Denied || clone == nil || target == nil || clone.Tags[ownership.TagClone] == uid {
		return err
	}
	return problem.Refuse(v1alpha1.ReasonAccessDenied, "clone %s of the run, in account %s and Region %s, no longer has its tag %s, and the manager's role may not write it: the product's IAM policy denies that for a network ACL without the tag. "+
		"Restore the tag, and the manager does the rest: aws ec2 create-tags --region %s --resources %s --tags Key=%s,Value=%s",
		clone.ID, target.AccountID, target.Region, ownership.TagClone, target.Region, clone.ID, ownership.TagClone, uid)
}
