// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// check says what stands against a run in the target, as far as it is known. The error joins
// everything.
func (p *Preflight) check(t *Findings) error {
	return errors.Join(
		p.checkDuration(), p.checkOwner(t), p.checkSubnet(t), p.checkHit(t), p.checkInstances(t), p.checkOtherClusters(t), p.checkEndpoints(t), p.checkProtected(t),
		p.checkNetworkACL(t),
	)
}

func (p *Preflight) checkDuration() error {
	if longest := p.Options.MaxDuration; p.Object.Spec.Duration.Duration > longest {
		return problem.Refuse(v1alpha1.ReasonDurationTooLong, "spec.duration is %s, and the manager allows %s at most (--max-duration): shorten it", p.Object.Spec.Duration.Duration, longest)
	}
	return nil
}

func (p *Preflight) checkSubnet(t *Findings) error {
	family := checkAddressFamilies(p.Object.Spec.SubnetID, t.subnet)
	if t.subnet.VPCID == "" || p.Consents(t.subnet.Tags) {
		return family // an unknown one is said to be so elsewhere
	}
	return errors.Join(p.noConsent(t.subnet.Tags), family)
}

func (p *Preflight) checkInstances(t *Findings) error {
	spec := &p.Object.Spec
	switch {
	case t.cluster.ARN == "" || t.instances == nil:
		return nil // said by whatever kept them from being listed
	case len(t.instances) == 0:
		return problem.Refuse(v1alpha1.ReasonNoConnectedAgents, "cluster %s has no container instance in subnet %s: Fargate tasks and external instances have no agent there. Check spec.cluster and spec.subnetID", spec.Cluster, spec.SubnetID)
	case len(t.instances) > v1alpha1.MaxContainerInstances:
		return problem.Refuse(v1alpha1.ReasonTooManyAgents, "cluster %s has more than %d container instances in subnet %s, and a run counts no more than that: choose a smaller subnet", spec.Cluster, v1alpha1.MaxContainerInstances, spec.SubnetID)
	}
	return nil
}

// checkOtherClusters refuses a subnet with other clusters' agents, unless the spec allows them.
func (p *Preflight) checkOtherClusters(t *Findings) error {
	hit := t.hit(&p.Object.Spec)
	where, fix := "subnet "+p.Object.Spec.SubnetID, "choose a subnet of its own for the cluster, or set spec.otherClusters to Allow to accept that"
	if len(hit) > 1 {
		where = fmt.Sprintf("the %d subnets of network ACL %s (%s)", len(hit), t.acl.ID, problem.List(hit))
		fix = "set spec.networkACLMode to Clone, which acts on subnet " + p.Object.Spec.SubnetID + " alone, or set spec.otherClusters to Allow to accept that"
	}
	further := ""
	if t.others.Truncated {
		further = fmt.Sprintf(" (only %d of the Region's clusters were checked)", discovery.MaxClusters)
	}
	switch {
	case p.Object.Spec.OtherClusters == v1alpha1.OtherClustersAllow:
		return nil
	case len(t.others.ARNs) > 0:
		return problem.Refuse(v1alpha1.ReasonOtherClusters, "%s container instances in %s too, whose agents would be cut off as well%s: %s",
			problem.Subjects(t.others.ARNs, "cluster", "has", "have"), where, further, fix)
	case t.others.Truncated:
		return problem.Refuse(v1alpha1.ReasonOtherClusters, "the Region has more than %d clusters, and the manager checks no more than that: whether others have container instances in %s is not known. %s",
			discovery.MaxClusters, where, strings.ToUpper(fix[:1])+fix[1:])
	}
	return nil
}

// checkEndpoints refuses a subnet that holds an interface which the agents may connect to: no
// network ACL acts within it.
func (p *Preflight) checkEndpoints(t *Findings) error {
	var errs []error
	for _, endpoint := range t.endpoints {
		if !target.WantsSession(&p.Object.Spec, endpoint) {
			continue
		}
		for _, each := range endpoint.Interfaces {
			if each.SubnetID == p.Object.Spec.SubnetID {
				errs = append(errs, problem.Refuse(v1alpha1.ReasonEndpointInSubnet, "VPC endpoint %s (%s) has its network interface %s in subnet %s itself, where no network ACL acts: agents there stay connected through it. Take the subnet out of the endpoint (aws ec2 modify-vpc-endpoint --remove-subnet-ids), or choose another subnet",
					endpoint.ID, endpoint.Service, each.ID, p.Object.Spec.SubnetID))
			}
		}
	}
	return errors.Join(errs...)
}

// checkNetworkACL refuses a network ACL that is not a run's to use.
func (p *Preflight) checkNetworkACL(t *Findings) error {
	if t.acl == nil {
		if t.subnet.VPCID == "" || !t.aclRead {
			return nil
		}
		return problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS does not show yet which network ACL is associated with subnet %s", p.Object.Spec.SubnetID)
	}
	if who, managed := ownership.ManagedBy(t.acl.Tags); managed {
		return problem.Refuse(v1alpha1.ReasonNetworkACLManaged, "network ACL %s is managed by %s, whose changes to it would conflict with those of a run: wait until it no longer manages the network ACL, or choose another subnet", t.acl.ID, who)
	}
	if owner, is := t.acl.Tags[ownership.TagClone]; is {
		return problem.Refuse(v1alpha1.ReasonNetworkACLTemporary, "network ACL %s is itself the clone of a run (%s): the run begins when subnet %s has its own network ACL again",
			t.acl.ID, cmp.Or(ownerOf(t.acl.Tags, owner), owner), p.Object.Spec.SubnetID)
	}
	return errors.Join(p.foreignClaim(t.acl), p.checkForeignClones(t), p.checkQuotas(t))
}

// checkQuotas refuses what AWS would have no room for, apart from entries: those are the plan's.
func (p *Preflight) checkQuotas(t *Findings) error {
	mode, _ := t.chooseMode(&p.Object.Spec)
	if mode == v1alpha1.NetworkACLModeClone {
		if p.Cache.CloneRoom.IsAbout(t.acl.VPCID) && t.cloneRoom < 1 {
			return problem.Refuse(v1alpha1.ReasonQuotaExceeded, "VPC %s has no room for another network ACL (L-B4A6D682; 200 unless the manager may read the quota with servicequotas:GetServiceQuota): delete one that is not used, or raise the quota", t.acl.VPCID)
		}
		return nil // a clone has only the run's tags
	}
	// The most lines that a ledger may come to hold: running out of tags later would end the run.
	reserve := map[string]string{}
	for _, key := range ownership.TagKeys(string(p.Object.UID)) {
		reserve[key] = ""
	}
	if free := ownership.TagRoom(t.acl.Tags, ownership.Ownership{UID: string(p.Object.UID)}, reserve); free < 0 {
		return problem.Refuse(v1alpha1.ReasonTagsFull, "network ACL %s has no room for the run's ownership tags: delete %d of its tags (a network ACL can have 50)", t.acl.ID, -free)
	}
	return nil
}

// foreignClaim makes a run wait for one of another Kubernetes cluster that uses the network ACL, or
// for one of its own that its status has lost.
func (p *Preflight) foreignClaim(acl *networkacl.ACL) error {
	claims, _ := ownership.ParseClaims(acl.Tags)
	for _, claim := range claims {
		if claim.UID == string(p.Object.UID) && claim.ClusterID == p.Options.ClusterID {
			return problem.Wait(v1alpha1.ReasonHolder, "network ACL %s still has entries or tags of an earlier run of this object, which the status does not record: this run begins when a sweep has removed them, some minutes after %s. To remove them sooner: kubectl agentdisconnect sweep --uid %s --apply",
				acl.ID, claim.Expires.UTC().Format(time.RFC3339), claim.UID)
		}
		if claim.ClusterID != p.Options.ClusterID && p.Now.Before(claim.Expires) {
			return problem.Wait(v1alpha1.ReasonHolder, "%s of another Kubernetes cluster (%s) holds network ACL %s until %s: this run begins when that one is over",
				claim.Owner, claim.ClusterID, acl.ID, claim.Expires.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// ownerOf names the object that a clone is of, by the tags on it.
func ownerOf(tags map[string]string, uid string) string {
	claims, _ := ownership.ParseClaims(tags)
	for _, claim := range claims {
		if claim.UID == uid {
			return claim.Owner
		}
	}
	return ""
}

// checkProtected refuses a run that would deny what callers, the clean-up or the cluster need, or
// what no network ACL acts on.
func (p *Preflight) checkProtected(t *Findings) error {
	if more := p.Object.Spec.AdditionalEndpoints; more != nil && !p.Options.AllowAdditionalEndpoints {
		return problem.Refuse(v1alpha1.ReasonAdditionalEndpointsForbidden, "the manager forbids spec.additionalEndpoints (--allow-additional-endpoints=false): remove the field, or have the manager's flag changed")
	}
	if p.Clients == nil {
		return nil
	}
	return errors.Join(append(p.ProtectedRefusals(), target.ExplainUnprotected(t.unprotected))...)
}

func (p *Preflight) noConsent(tags map[string]string) *problem.Problem {
	key := p.Options.ConsentTagKey
	if value, tagged := tags[key]; tagged {
		return problem.Refuse(v1alpha1.ReasonNoConsent, "the tag %s of subnet %s is %q, which does not name namespace %s: its owner may add the namespace, separated by a space, or set the tag to true", key, p.Object.Spec.SubnetID, value, p.Object.Namespace)
	}
	return problem.Refuse(v1alpha1.ReasonNoConsent, "subnet %s has no tag %s: its owner consents with the value true, or with the namespaces that may, separated by spaces", p.Object.Spec.SubnetID, key)
}
