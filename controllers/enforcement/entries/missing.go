// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

// Remover makes the calls of a removal with clients, on what this pass read. Where reads, this
// pass's included, have lacked the network ACL for longer than reads may lag, a refusal for want of
// permission is AWS's word that it is not there: a policy that names the VPC does not match what no
// longer exists.
func (e *Entries) Remover(clients aws.Fenced) removal.Remover {
	missing := e.hasRead && e.seen.acl == nil && e.seen.missing.HasLasted(networkacl.AmbiguousFor, e.Clock.Now())
	return removal.Remover{EC2: clients.EC2, Read: e.ACLOfPass(), Send: func(ctx context.Context, call removal.Call) (networkacl.Outcome, error) {
		outcome, err := call(ctx)
		if missing && outcome == networkacl.Refused && aws.Classify(err) == aws.Denied {
			return networkacl.Missing, nil
		}
		return outcome, e.explainNotShown(err)
	}}
}

// explainNotShown names both causes of a refusal for want of permission where reads do not show the
// network ACL: AWS answers the same for a role that lacks the action and for what no longer exists.
func (e *Entries) explainNotShown(err error) error {
	acl, recorded := e.Status().NetworkACL, e.Status().Target
	if err == nil || aws.Classify(err) != aws.Denied || !e.hasRead || e.seen.acl != nil || acl == nil || recorded == nil {
		return err
	}
	return problem.Refuse(v1alpha1.ReasonAccessDenied, "AWS denies the manager's role %s on network ACL %s in account %s, Region %s, which reads do not show: it was deleted, or the role lacks the permission. "+
		"After %s of reads that do not show it, the manager treats it as deleted. If it exists, grant the actions of the product's IAM policy (config/iam/policy.json). %s",
		aws.Action(err), acl.ID, recorded.AccountID, recorded.Region, problem.Minutes(networkacl.AmbiguousFor), aws.Message(err))
}
