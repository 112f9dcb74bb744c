// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// explainCredentials gives the fix for missing credentials, which depends on where the SDK looked
// for them.
func explainCredentials(err error) *Problem {
	chain, missing := errors.AsType[*aws.CredentialsError](err)
	message := strings.TrimRight(aws.Message(err), ".")
	switch {
	case missing && !chain.Role.IsOwn():
		return explainRole(chain)
	case missing && chain.Passes():
		return Wait(v1alpha1.ReasonNoCredentials, "%s. The manager retries", message)
	case missing && chain.FromSTS():
		return Refuse(v1alpha1.ReasonNoCredentials, "%s. Correct the trust policy of the role that the manager's service account names (config/iam/trust-irsa.json). If it names the wrong role, correct the annotation, then restart the manager", message)
	case missing && chain.FromAgent():
		return Refuse(v1alpha1.ReasonNoCredentials, "%s. Correct the trust policy of the role of the Pod Identity association (config/iam/trust-pod-identity.json). If there is no association, create one, then restart the manager", message)
	case missing:
		return Refuse(v1alpha1.ReasonNoCredentials, "%s. Give the manager's service account a role (EKS Pod Identity or IRSA, config/iam/README.md), then restart the manager", message)
	}
	return Refuse(v1alpha1.ReasonNoCredentials, "AWS does not accept the manager's credentials: %s. Give the manager's service account a role (EKS Pod Identity or IRSA, config/iam/README.md), then restart the manager", message)
}

// explainRole gives the fix for a namespace's role that the manager can't assume, or that there is
// none of.
func explainRole(chain *aws.CredentialsError) *Problem {
	role, cause := chain.Role, strings.TrimRight(aws.Message(chain.Err), ".")
	if role.Forbidden {
		return Refuse(v1alpha1.ReasonNoRole, "namespace %s has no role, and the manager uses its own credentials for none (--require-namespace-role): have the platform team give the namespace a role (--namespace-role)", role.Namespace)
	}

	failed := fmt.Sprintf("the manager could not assume role %s for namespace %s with external id %s", role.ARN, role.Namespace, role.ExternalID)
	if !chain.FromSTS() || chain.Passes() {
		return Wait(v1alpha1.ReasonNoCredentials, "%s: %s. The manager retries", failed, cause)
	}
	return Refuse(v1alpha1.ReasonNoCredentials, "%s: %s. Correct the trust policy of the role (config/iam/trust-spoke.json), the hub's policy (config/iam/policy-hub.json), or the manager's --namespace-role", failed, cause)
}

// dropFollowing drops what follows from missing credentials: without them, no call has an answer
// that means anything.
func dropFollowing(errs []error) []error {
	first := slices.IndexFunc(errs, func(e error) bool { return e != nil && aws.Classify(e) == aws.NoCredentials })
	if first < 0 {
		return errs
	}
	missing := errs[first]
	return append([]error{missing}, slices.DeleteFunc(slices.Clone(errs), func(e error) bool {
		return aws.Action(e) != "" || e != nil && aws.Classify(e) == aws.NoCredentials
	})...)
}
