// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"errors"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// How lines leave the ledger. The tags on the network ACL never claim what the ledger no longer
// has: a clean-up would take a third party's equal entry for the run's. So a line is released
// first, then the tags shrink, and then the line goes.

// giveUp ends lines whose entries are gone, or are not the run's.
func (e *Enforcement) giveUp(ctx context.Context, lines []v1alpha1.Rule) error {
	e.Ledger.Release(lines)
	return e.dropReleased(ctx)
}

// dropReleased has the tags claim no released line any more, and drops those lines. Where the tags
// can't be written, the lines stay, and an entry that a third party makes at one of their numbers
// is left alone.
func (e *Enforcement) dropReleased(ctx context.Context) error {
	_, released, _ := ledger.Lines(e.Object)
	if len(released) == 0 {
		return nil
	}
	if e.undecided != nil {
		return e.Ledger.KeepReleased(ctx, released) // the tags are the only trace of what else they claim
	}
	if trouble := e.shrinkTags(ctx); trouble != nil {
		return errors.Join(trouble, e.Ledger.KeepReleased(ctx, released))
	}
	return e.Ledger.Drop(ctx, released)
}

// shrinkTags has the tags claim what the ledger has without its released lines. With the last line
// of a run that ends, in place, they go.
func (e *Enforcement) shrinkTags(ctx context.Context) error {
	ends := e.Phase != run.Active && e.Phase != run.Suspended
	held := slices.ContainsFunc(e.Status().Rules, func(l v1alpha1.Rule) bool { return l.State != v1alpha1.RuleReleased })
	switch {
	case ends && !e.IsCloned() && !held:
		return e.removeOwnershipTags(ctx)
	case ends && e.IsCloned() && e.stripped():
		return nil // they claim nothing
	}
	return e.ensureOwnershipTags(ctx)
}

// stripped reports whether the network ACL as last read has no tag that says what is the run's.
func (e *Enforcement) stripped() bool {
	return e.seen.acl != nil && !slices.ContainsFunc(append(ownership.TagKeys(string(e.Object.UID)), ownership.TagClone), func(key string) bool {
		_, there := e.seen.acl.Tags[key]
		return there
	})
}

// shows reports whether the network ACL as read in this pass has the entry of a line.
func (e *Enforcement) shows(line v1alpha1.Rule) bool {
	acl := e.ACL()
	return acl != nil && networkacl.AtWork(line, acl.Entries)
}

// showsACL reports whether this pass read the run's network ACL and found it.
func (e *Enforcement) showsACL() bool { return e.ACL() != nil }

// aclMissingForLong reports whether reads, this pass's included, have lacked the network ACL for
// longer than reads may lag.
func (e *Enforcement) aclMissingForLong(now time.Time) bool {
	return e.aclRead && e.seen.acl == nil && !e.seen.aclMissing.IsZero() && now.Sub(e.seen.aclMissing) >= networkacl.AmbiguousFor
}

// whereMissing takes a refusal for want of permission as AWS's word that a network ACL is not
// there, where reads have lacked it for long: a policy that names the VPC does not match what no
// longer exists.
func whereMissing(missing bool) func(networkacl.Outcome, error) (networkacl.Outcome, error) {
	return func(outcome networkacl.Outcome, err error) (networkacl.Outcome, error) {
		if missing && outcome == networkacl.Refused && aws.Classify(err) == aws.Denied {
			return networkacl.Missing, nil
		}
		return outcome, err
	}
}

// explainNotShown names both causes of a refusal for want of permission where reads do not show the
// network ACL: AWS answers the same for a role that lacks the action and for what no longer exists.
func (e *Enforcement) explainNotShown(err error) error {
	acl, recorded := e.Status().NetworkACL, e.Status().Target
	if err == nil || aws.Classify(err) != aws.Denied || !e.aclRead || e.seen.acl != nil || acl == nil || recorded == nil {
		return err
	}
	return problem.Refuse(v1alpha1.ReasonAccessDenied, "AWS denies the manager's role %s on network ACL %s in account %s, Region %s, which reads do not show: it was deleted, or the role lacks the permission. "+
		"After %s of reads that do not show it, the manager treats it as deleted. If it exists, grant the actions of the product's IAM policy (config/iam/policy.json). %s",
		aws.Action(err), acl.ID, recorded.AccountID, recorded.Region, problem.Minutes(networkacl.AmbiguousFor), aws.Message(err))
}
