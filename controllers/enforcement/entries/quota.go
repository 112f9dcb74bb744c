// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"errors"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// AbortIfQuotaExceeded ends the run where AWS says that the rules don't fit: half of them would
// disconnect no agent.
func (e *Entries) AbortIfQuotaExceeded(failure error) error {
	if failure == nil {
		return nil
	}

	for _, err := range problem.Flatten(failure) {
		switch aws.Code(err) {
		case aws.CodeEntryLimitExceeded:
			e.Abort(v1alpha1.AbortPlanDoesNotFit, "%s", problem.Explain(err).Message)
			return nil
		case aws.CodeACLLimitExceeded, aws.CodeTagLimitExceeded:
			e.Abort(v1alpha1.AbortQuotaExceeded, "%s", problem.Explain(err).Message)
			return nil
		}
	}
	return failure
}

// RelearnQuota asks for the quota again before a run that is on fails by it: it may have been
// raised meanwhile, or the manager was restarted and never asked.
func (e *Entries) RelearnQuota(ctx context.Context, valid []v1alpha1.Rule) error {
	if e.seen.acl == nil {
		return nil
	}
	if _, err := e.replan(valid); err == nil {
		return nil
	} else if _, byQuota := errors.AsType[*networkacl.QuotaError](err); !byQuota {
		return nil
	}
	return e.LearnQuota(ctx, answers.QuotaTTL)
}
