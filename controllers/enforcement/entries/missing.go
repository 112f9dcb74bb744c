// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// showsEntry reports whether the network ACL as read in this pass has the entry of a line.
func (e *Entries) showsEntry(line v1alpha1.Rule) bool {
	acl := e.ACLOfPass()
	return acl != nil && networkacl.AtWork(line, acl.Entries)
}

// ShowsACL reports whether this pass read the run's network ACL and found it.
func (e *Entries) ShowsACL() bool { return e.ACLOfPass() != nil }

// isACLMissingForLong reports whether reads, this pass's included, have lacked the network ACL for
// longer than reads may lag.
func (e *Entries) isACLMissingForLong(now time.Time) bool {
	return e.hasRead && e.seen.acl == nil && !e.seen.missingSince.IsZero() && now.Sub(e.seen.missingSince) >= networkacl.AmbiguousFor
}

// AcceptDenialAsMissing takes a refusal for want of permission as AWS's word that a network ACL is
// not there, where reads have lacked it for long: a policy that names the VPC does not match what
// no longer exists.
func (e *Entries) AcceptDenialAsMissing() func(networkacl.Outcome, error) (networkacl.Outcome, error) {
	missing := e.isACLMissingForLong(e.Clock.Now())
	return func(outcome networkacl.Outcome, err error) (networkacl.Outcome, error) {
		if missing && outcome == networkacl.Refused && aws.Classify(err) == aws.Denied {
			return networkacl.Missing, nil
		}
		return outcome, err
	}
}

// ExplainNotShown names both causes of a refusal for want of permission where reads do not show the
// network ACL: AWS answers the same for a role that lacks the action and for what no longer exists.
func (e *Entries) ExplainNotShown(err error) error {
	acl, recorded := e.Status().NetworkACL, e.Status().Target
	if err == nil || aws.Classify(err) != aws.Denied || !e.hasRead || e.seen.acl != nil || acl == nil || recorded == nil {
		return err
	}
	return problem.Refuse(v1alpha1.ReasonAccessDenied, "AWS denies the manager's role %s on network ACL %s in account %s, Region %s, which reads do not show: it was deleted, or the role lacks the permission. "+
		"After %s of reads that do not show it, the manager treats it as deleted. If it exists, grant the actions of the product's IAM policy (config/iam/policy.json). %s",
		aws.Action(err), acl.ID, recorded.AccountID, recorded.Region, problem.Minutes(networkacl.AmbiguousFor), aws.Message(err))
}
