// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// findForeignClones asks AWS for the clones of a network ACL that runs of other Kubernetes clusters
// have.
func (p *Preflight) findForeignClones(ctx context.Context, aclID string) ([]foreignClone, error) {
	clones, err := ec2acl.FindClonesOf(ctx, p.Clients.EC2, aclID)
	return foreignClones(clones, p.Options.ClusterID, p.Now), err
}

// foreignClones are the clones of a network ACL that runs of other Kubernetes clusters have and
// that are not over: the subnet that such a clone serves comes back to the network ACL.
func foreignClones(clones []*networkacl.ACL, clusterID string, now time.Time) []foreignClone {
	var found []foreignClone
	for _, clone := range clones {
		claims, _ := ownership.ParseClaims(clone.Tags)
		for _, claim := range claims {
			if claim.UID == clone.Tags[ownership.TagClone] && claim.ClusterID != clusterID && now.Before(claim.Expires) {
				found = append(found, foreignClone{clone.ID, clone.Tags[ownership.TagSubnet], claim})
			}
		}
	}
	return found
}

// foreignClone is one of them: its id, the subnet that it is for, and what its tags say of the run.
type foreignClone struct {
	id, subnetID string
	claim        ownership.Claim
}

// checkForeignClones makes a run in place wait for clones of the network ACL, and one with a clone
// for those of its own subnet.
func (p *Preflight) checkForeignClones(t *Findings) error {
	mode, _ := t.chooseMode(&p.Object.Spec)
	for _, clone := range t.foreign {
		if mode == v1alpha1.NetworkACLModeClone && clone.subnetID != p.Object.Spec.SubnetID {
			continue
		}
		return problem.Wait(v1alpha1.ReasonHolder, "%s of another Kubernetes cluster (%s) has subnet %s on clone %s of network ACL %s until %s: this run begins when that one is over",
			clone.claim.Owner, clone.claim.ClusterID, clone.subnetID, clone.id, t.acl.ID, clone.claim.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}
