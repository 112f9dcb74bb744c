// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// check says what stands against a run in the target, as far as it is known. The error joins
// everything.
func (r *Reconciler) check(s *scope, t *target) error {
	return errors.Join(
		r.checkDuration(s), checkOwner(s, t), r.checkSubnet(s, t), r.checkHit(s, t), r.checkInstances(s, t), r.checkOtherClusters(s, t), r.checkEndpoints(s, t), r.checkProtected(s, t),
		r.checkNetworkACL(s, t),
	)
}

func (r *Reconciler) checkDuration(s *scope) error {
	if longest := r.options.MaxDuration; s.obj.Spec.Duration.Duration > longest {
		return problem.Refuse(v1alpha1.ReasonDurationTooLong, "spec.duration is %s, and the manager allows %s at most (--max-duration): shorten it", s.obj.Spec.Duration.Duration, longest)
	}
	return nil
}

func (r *Reconciler) checkSubnet(s *scope, t *target) error {
	family := checkAddressFamilies(s.obj.Spec.SubnetID, t.subnet)
	if t.subnet.vpcID == "" || r.consents(t.subnet.tags, s.obj.Namespace) {
		return family // an unknown one is said to be so elsewhere
	}
	return errors.Join(r.noConsent(s, t.subnet.tags), family)
}

func (r *Reconciler) checkInstances(s *scope, t *target) error {
	spec := &s.obj.Spec
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
func (r *Reconciler) checkOtherClusters(s *scope, t *target) error {
	hit := t.hit(&s.obj.Spec)
	where, fix := "subnet "+s.obj.Spec.SubnetID, "choose a subnet of its own for the cluster, or set spec.otherClusters to Allow to accept that"
	if len(hit) > 1 {
		where = fmt.Sprintf("the %d subnets of network ACL %s (%s)", len(hit), t.acl.ID, problem.List(hit))
		fix = "set spec.networkACLMode to Clone, which acts on subnet " + s.obj.Spec.SubnetID + " alone, or set spec.otherClusters to Allow to accept that"
	}
	further := ""
	if t.others.Truncated {
		further = fmt.Sprintf(" (only %d of the Region's clusters were checked)", discovery.MaxClusters)
	}
	switch {
	case s.obj.Spec.OtherClusters == v1alpha1.OtherClustersAllow:
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
func (r *Reconciler) checkEndpoints(s *scope, t *target) error {
	var errs []error
	for _, endpoint := range t.endpoints {
		if !wantsSession(&s.obj.Spec, endpoint) {
			continue
		}
		for _, each := range endpoint.Interfaces {
			if each.SubnetID == s.obj.Spec.SubnetID {
				errs = append(errs, problem.Refuse(v1alpha1.ReasonEndpointInSubnet, "VPC endpoint %s (%s) has its network interface %s in subnet %s itself, where no network ACL acts: agents there stay connected through it. Take the subnet out of the endpoint (aws ec2 modify-vpc-endpoint --remove-subnet-ids), or choose another subnet",
					endpoint.ID, endpoint.Service, each.ID, s.obj.Spec.SubnetID))
			}
		}
	}
	return errors.Join(errs...)
}

// wantsSession reports whether an endpoint serves a session that the spec asks for.
func wantsSession(spec *v1alpha1.AgentDisconnectSpec, endpoint discovery.VPCEndpoint) bool {
	session, ok := discovery.Session(endpoint.Service)
	return ok && (len(spec.Sessions) == 0 || slices.Contains(spec.Sessions, v1alpha1.Session(session)))
}

// checkNetworkACL refuses a network ACL that is not a run's to use.
func (r *Reconciler) checkNetworkACL(s *scope, t *target) error {
	if t.acl == nil {
		if t.subnet.vpcID == "" || !t.aclRead {
			return nil
		}
		return problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS does not show yet which network ACL is associated with subnet %s has", s.obj.Spec.SubnetID)
	}
	if who, managed := ownership.ManagedBy(t.acl.Tags); managed {
		return problem.Refuse(v1alpha1.ReasonNetworkACLManaged, "network ACL %s is managed by %s, whose changes to it would conflict with those of a run: wait until it no longer manages the network ACL, or choose another subnet", t.acl.ID, who)
	}
	if owner, is := t.acl.Tags[ownership.TagClone]; is {
		return problem.Refuse(v1alpha1.ReasonNetworkACLTemporary, "network ACL %s is itself the clone of a run (%s): the run begins when subnet %s has its own network ACL again",
			t.acl.ID, cmp.Or(ownerOf(t.acl.Tags, owner), owner), s.obj.Spec.SubnetID)
	}
	return errors.Join(r.foreignClaim(s, t.acl), s.checkForeignClones(t), r.checkQuotas(s, t))
}

// checkQuotas refuses what AWS would have no room for, apart from entries: those are the plan's.
func (r *Reconciler) checkQuotas(s *scope, t *target) error {
	mode, _ := t.chooseMode(&s.obj.Spec)
	if mode == v1alpha1.NetworkACLModeClone {
		if s.seen.cache.CloneRoom.IsAbout(t.acl.VPCID) && t.cloneRoom < 1 {
			return problem.Refuse(v1alpha1.ReasonQuotaExceeded, "VPC %s has no room for another network ACL (L-B4A6D682; 200 unless the manager may read the quota with servicequotas:GetServiceQuota): delete one that is not used, or raise the quota", t.acl.VPCID)
		}
		return nil // a clone has only the run's tags
	}
	// The most lines that a ledger may come to hold: running out of tags later would end the run.
	reserve := map[string]string{}
	for _, key := range ownership.TagKeys(string(s.obj.UID)) {
		reserve[key] = ""
	}
	if free := ownership.TagRoom(t.acl.Tags, ownership.Ownership{UID: string(s.obj.UID)}, reserve); free < 0 {
		return problem.Refuse(v1alpha1.ReasonTagsFull, "network ACL %s has no room for the run's ownership tags: delete %d of its tags (a network ACL can have 50)", t.acl.ID, -free)
	}
	return nil
}

// foreignClaim makes a run wait for one of another Kubernetes cluster that uses the network ACL, or
// for one of its own that its status has lost.
func (r *Reconciler) foreignClaim(s *scope, acl *networkacl.ACL) error {
	claims, _ := ownership.ParseClaims(acl.Tags)
	for _, claim := range claims {
		if claim.UID == string(s.obj.UID) && claim.ClusterID == r.options.ClusterID {
			return problem.Wait(v1alpha1.ReasonHolder, "network ACL %s still has entries or tags of an earlier run of this object, which the status does not record: this run begins when a sweep has removed them, some minutes after %s. To remove them sooner: kubectl agentdisconnect sweep --uid %s --apply",
				acl.ID, claim.Expires.UTC().Format(time.RFC3339), claim.UID)
		}
		if claim.ClusterID != r.options.ClusterID && s.now.Before(claim.Expires) {
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

// mismatch says how the manager's own network path may have shaped what ECS named; empty: it
// doesn't look so, or the VPC's endpoints are not known. The hosts are those of the status, since a
// manager that was restarted in a run asks for few.
func (s *scope) mismatch() string {
	if s.seen.cache.Endpoints.AnsweredAt().IsZero() || run.IsPathKnown(s.status(), run.StartSpec(s.obj)) {
		return ""
	}
	var hosts []discovery.Host
	for _, endpoint := range s.status().Endpoints {
		if !run.IsPrivate(endpoint) {
			hosts = append(hosts, discovery.Host{Hostname: endpoint.Hostname, Session: endpoint.Session})
		}
	}
	return discovery.PathMismatch(hosts, s.seen.cache.Endpoints.Value())
}
