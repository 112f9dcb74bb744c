// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"cmp"
	"errors"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// explainNotFound has errors that say that the target isn't there name it, with the account and the
// Region that were asked.
func explainNotFound(err error, spec *v1alpha1.AgentDisconnectSpec, accountID, region string) error {
	var explained []error
	for _, each := range problem.Flatten(err) {
		explained = append(explained, explainMissing(each, spec, cmp.Or(accountID, "(id not known)"), region))
	}
	return errors.Join(explained...)
}

func explainMissing(err error, spec *v1alpha1.AgentDisconnectSpec, accountID, region string) error {
	if known, ok := errors.AsType[*discovery.ClusterNotFoundError](err); ok {
		return problem.Refuse(v1alpha1.ReasonClusterNotFound, "%s in account %s, Region %s: check spec.cluster and spec.region", known, accountID, region)
	}
	switch {
	case aws.HasCode(err, aws.CodeSubnetNotFound):
		return problem.Refuse(v1alpha1.ReasonSubnetNotFound, "subnet %s does not exist in account %s, Region %s: check spec.subnetID and spec.region", spec.SubnetID, accountID, region)
	case aws.HasCode(err, aws.CodeClusterNotFound):
		return problem.Refuse(v1alpha1.ReasonClusterNotFound, "cluster %s does not exist in account %s, Region %s: check spec.cluster and spec.region", spec.Cluster, accountID, region)
	}
	return err
}
