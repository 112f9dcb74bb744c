// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// hit are the subnets that the denies of a run that has not begun would act on.
func (t *Findings) hit(spec *v1alpha1.AgentDisconnectSpec) []string {
	if t.acl == nil {
		return []string{spec.SubnetID}
	}
	mode, _ := t.chooseMode(spec)
	return networkacl.SubnetsHit(t.acl, mode, spec.SubnetID)
}

// gatherHit looks at what a run in place would hit: the other subnets, if there are any, and, if
// the mode was asked for by name, the other clusters in all of them. In any other mode no subnet
// but the run's own is hit: that is asked about earlier.
func (p *Preflight) gatherHit(ctx context.Context, t *Findings) error {
	hit, spec := t.hit(&p.Object.Spec), &p.Object.Spec
	return parallel.Do(
		func() error {
			if len(hit) > 1 {
				t.shared, t.unshared = target.DescribeSubnets(ctx, p.Clients.EC2, t.acl.OtherSubnets(spec.SubnetID))
			}
			return t.unshared
		},
		func() (err error) {
			if spec.NetworkACLMode == v1alpha1.NetworkACLModeInPlace {
				t.others, err = p.otherClusters(ctx, hit)
			}
			return
		},
	)
}

// checkHit refuses a run in place whose denies would act on a subnet that does not consent.
func (p *Preflight) checkHit(t *Findings) error {
	spec, hit := &p.Object.Spec, t.hit(&p.Object.Spec)
	if known := t.unshared == nil; len(hit) == 1 || !known {
		return nil // said by what kept them from being known
	}
	others := t.acl.OtherSubnets(spec.SubnetID)
	for _, id := range others {
		if _, known := t.shared[id]; !known {
			return problem.Wait(v1alpha1.ReasonAWSUnavailable, "subnet %s was associated with network ACL %s just now: the run is prepared again", id, t.acl.ID)
		}
	}
	lacking := p.WithoutConsent(others, t.shared)
	if len(lacking) == 0 {
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonNoConsent, "with spec.networkACLMode InPlace the rules act on all %d subnets of network ACL %s, and %s consent to runs of this namespace (tag %s): set spec.networkACLMode to Clone, which acts on subnet %s alone, or have their owners consent",
		len(hit), t.acl.ID, problem.Subjects(lacking, "subnet", "does not", "do not"), p.Options.ConsentTagKey, spec.SubnetID)
}
