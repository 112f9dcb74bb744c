// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// check says what of the findings stands against a run: problem.Refuse if a person must act, and
// problem.Wait otherwise. It is nil for a fact that is not known: whatever kept it unknown is
// reported already.
type check func(*Findings) error

// targetChecks are about the target, in the order of the messages. All of them are asked, once
// everything was gathered, and once more right before the start, with the network ACL and the
// clones of others read anew.
var targetChecks = []check{
	checkDuration, checkOwner, checkConsent, checkAddressFamilies, checkHit, checkInstances, checkOtherClusters, checkEndpoints, checkProtected,
	checkProbe, checkBrakes, checkNetworkACL,
}

// firstChecks are about what the first look shows: they keep a pass of a run from asking for more.
var firstChecks = []check{checkClusterAccount, checkDuration, checkConsent, checkAddressFamilies}

// agentChecks are about the agents that would be tracked.
var agentChecks = []check{checkConnected, checkDraining}

// apply joins what checks say of the findings.
func (f *Findings) apply(checks []check) error {
	var errs []error
	for _, one := range checks {
		errs = append(errs, one(f))
	}
	return errors.Join(errs...)
}

// checkClusterAccount refuses a cluster whose ARN is of another account than the manager's; an
// unknown account is none. A role in that account helps only where the subnet is that account's
// too.
func checkClusterAccount(f *Findings) error {
	cluster, account := f.spec().Cluster, f.accountID
	parts := strings.Split(cluster, ":")
	if len(parts) <= 4 || account == "" || parts[4] == account {
		return nil
	}
	if f.subnet.OwnerID == account {
		return problem.Refuse(v1alpha1.ReasonWrongAccount, "cluster %s is in account %s, and the subnet and its network ACL are of account %s, as the manager's credentials are: a role in account %s couldn't change that network ACL, and this one can't see that account's agents. Choose a subnet that account %s owns, and a manager with a role there, or name a cluster of account %s",
			cluster, parts[4], account, parts[4], parts[4], account)
	}
	return problem.Refuse(v1alpha1.ReasonWrongAccount, "cluster %s is in account %s, and the manager's credentials are of account %s: give the manager a role in account %s, or name a cluster of account %s",
		cluster, parts[4], account, parts[4], account)
}

func checkDuration(f *Findings) error {
	if f.spec().Duration.Duration <= f.maxDuration {
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonDurationTooLong, "spec.duration is %s, and the manager allows %s at most (--max-duration): shorten it", f.spec().Duration.Duration, f.maxDuration)
}

// checkOwner refuses a subnet that another account shares with the manager's (AWS RAM): its network
// ACL is the owner's alone to change.
func checkOwner(f *Findings) error {
	owner := f.subnet.OwnerID
	if owner == "" || f.accountID == "" || owner == f.accountID {
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonWrongAccount, "subnet %s and its network ACL belong to account %s, which shares the subnet with account %s of the manager's credentials, and only the owner may change a network ACL: run a manager with a role in account %s. It sees the clusters of that account alone, so the cluster has to be there too",
		f.spec().SubnetID, owner, f.accountID, owner)
}

// checkConsent refuses a subnet whose owner has not consented to runs of the namespace.
func checkConsent(f *Findings) error {
	if f.subnet.VPCID == "" || f.consent.IsGivenBy(f.subnet.Tags) {
		return nil // an unknown one is said to be so elsewhere
	}
	key := f.consent.TagKey
	if value, tagged := f.subnet.Tags[key]; tagged {
		return problem.Refuse(v1alpha1.ReasonNoConsent, "the tag %s of subnet %s is %q, which does not name namespace %s: its owner may add the namespace, separated by a space, or set the tag to true", key, f.spec().SubnetID, value, f.consent.Namespace)
	}
	return problem.Refuse(v1alpha1.ReasonNoConsent, "subnet %s has no tag %s: its owner consents with the value true, or with the namespaces that may, separated by spaces", f.spec().SubnetID, key)
}

// checkAddressFamilies refuses a subnet whose agents may connect to addresses that the manager's
// own lookups don't show.
func checkAddressFamilies(f *Findings) error {
	var native, dns64 error
	id := f.spec().SubnetID
	if f.subnet.IPv6Native {
		native = problem.Refuse(v1alpha1.ReasonSubnetNotSupported, "subnet %s is IPv6-only (ipv6Native): agents there use the dual-stack API of ECS, which may name other hosts to them than to the manager, so the rules could miss them. Choose a subnet with an IPv4 range; it may have an IPv6 range too", id)
	}
	if f.subnet.DNS64 {
		dns64 = problem.Refuse(v1alpha1.ReasonSubnetNotSupported, "subnet %s has DNS64 enabled: agents there may connect to IPv6 addresses under 64:ff9b::/96 that the resolver synthesizes from IPv4 addresses, and the manager's lookups don't return those, so the rules would miss them. Disable it (aws ec2 modify-subnet-attribute --subnet-id %s --no-enable-dns64), or choose another subnet", id, id)
	}
	return errors.Join(native, dns64)
}

// checkHit refuses a run in place whose denies would act on a subnet that does not consent.
func checkHit(f *Findings) error {
	hit := f.hit()
	if known := f.unshared == nil; len(hit) == 1 || !known {
		return nil // said by what kept them from being known
	}

	others := f.acl.OtherSubnets(f.spec().SubnetID)
	for _, id := range others {
		if _, known := f.shared[id]; !known {
			return problem.Wait(v1alpha1.ReasonAWSUnavailable, "subnet %s was associated with network ACL %s just now: the run is prepared again", id, f.acl.ID)
		}
	}

	lacking := f.consent.LackedBy(others, f.shared)
	if len(lacking) == 0 {
		return nil
	}

	return problem.Refuse(v1alpha1.ReasonNoConsent, "with spec.networkACLMode InPlace the rules act on all %d subnets of network ACL %s, and %s consent to runs of this namespace (tag %s): set spec.networkACLMode to Clone, which acts on subnet %s alone, or have their owners consent",
		len(hit), f.acl.ID, problem.Subjects(lacking, "subnet", "does not", "do not"), f.consent.TagKey, f.spec().SubnetID)
}

// checkInstances refuses a target without container instances, or with more than a run can count.
func checkInstances(f *Findings) error {
	spec := f.spec()
	switch {
	case f.cluster.ARN == "" || f.instances == nil:
		return nil // said by whatever kept them from being listed
	case len(f.instances) == 0:
		return problem.Refuse(v1alpha1.ReasonNoConnectedAgents, "cluster %s has no container instance in subnet %s: Fargate tasks and external instances have no agent there. Check spec.cluster and spec.subnetID", spec.Cluster, spec.SubnetID)
	case len(f.instances) > v1alpha1.MaxContainerInstances:
		return problem.Refuse(v1alpha1.ReasonTooManyAgents, "cluster %s has more than %d container instances in subnet %s, and a run counts no more than that: choose a smaller subnet", spec.Cluster, v1alpha1.MaxContainerInstances, spec.SubnetID)
	}
	return nil
}

// checkOtherClusters refuses a subnet with other clusters' agents, unless the spec allows them.
func checkOtherClusters(f *Findings) error {
	if f.spec().OtherClusters == v1alpha1.OtherClustersAllow {
		return nil
	}

	hit, own := f.hit(), f.spec().SubnetID
	where, fix := "subnet "+own, "choose a subnet of its own for the cluster, or set spec.otherClusters to Allow to accept that"
	if len(hit) > 1 {
		where = fmt.Sprintf("the %d subnets of network ACL %s (%s)", len(hit), f.acl.ID, problem.List(hit))
		fix = "set spec.networkACLMode to Clone, which acts on subnet " + own + " alone, or set spec.otherClusters to Allow to accept that"
	}

	further := ""
	if f.others.Truncated {
		further = fmt.Sprintf(" (only %d of the Region's clusters were checked)", discovery.MaxClusters)
	}

	switch {
	case len(f.others.ARNs) > 0:
		return problem.Refuse(v1alpha1.ReasonOtherClusters, "%s container instances in %s too, whose agents would be cut off as well%s: %s",
			problem.Subjects(f.others.ARNs, "cluster", "has", "have"), where, further, fix)
	case f.others.Truncated:
		return problem.Refuse(v1alpha1.ReasonOtherClusters, "the Region has more than %d clusters, and the manager checks no more than that: whether others have container instances in %s is not known. %s",
			discovery.MaxClusters, where, strings.ToUpper(fix[:1])+fix[1:])
	}
	return nil
}

// checkEndpoints refuses a subnet that holds an interface which the agents may connect to: no
// network ACL acts within it.
func checkEndpoints(f *Findings) error {
	var errs []error
	for _, endpoint := range f.endpoints {
		if !target.WantsSession(f.spec(), endpoint) {
			continue
		}
		for _, each := range endpoint.Interfaces {
			if each.SubnetID == f.spec().SubnetID {
				errs = append(errs, problem.Refuse(v1alpha1.ReasonEndpointInSubnet, "VPC endpoint %s (%s) has its network interface %s in subnet %s itself, where no network ACL acts: agents there stay connected through it. Take the subnet out of the endpoint (aws ec2 modify-vpc-endpoint --remove-subnet-ids), or choose another subnet",
					endpoint.ID, endpoint.Service, each.ID, f.spec().SubnetID))
			}
		}
	}
	return errors.Join(errs...)
}

// checkProtected refuses a run that would deny what callers, the clean-up or the cluster need, or
// what no network ACL acts on.
func checkProtected(f *Findings) error {
	if f.spec().AdditionalEndpoints != nil && !f.allowAdditional {
		return problem.Refuse(v1alpha1.ReasonAdditionalEndpointsForbidden, "the manager forbids spec.additionalEndpoints (--allow-additional-endpoints=false): remove the field, or have the manager's flag changed")
	}
	return errors.Join(errors.Join(f.exempt...), target.ExplainUnprotected(f.unprotected))
}

// checkConnected refuses a run without an agent that was connected on the latest poll.
func checkConnected(f *Findings) error {
	latest, polled := f.polls.Latest()
	if f.cluster.ARN == "" || len(f.instances) == 0 || !polled || slices.ContainsFunc(f.instances, latest.IsConnected) {
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonNoConnectedAgents, "none of the %d container instances of cluster %s in subnet %s has a connected agent: start the agents, then the run begins",
		len(f.instances), f.spec().Cluster, f.spec().SubnetID)
}

// checkDraining refuses a run where every container instance with a connected agent drains: RunTask
// would never fail with AGENT because of it. A run that denies TCS alone doesn't have RunTask fail
// anyway.
func checkDraining(f *Findings) error {
	latest, polled := f.polls.Latest()
	if !polled || run.DeniesTelemetryAlone(run.StartSpec(f.object).Sessions) {
		return nil
	}
	connected := slices.DeleteFunc(slices.Clone(f.instances), func(arn string) bool { return !latest.IsConnected(arn) })
	draining := draining(latest, connected)
	if len(draining) == 0 || len(draining) < len(connected) {
		return nil // without a connected agent another reason stands against the run
	}
	return problem.Refuse(v1alpha1.ReasonAgentsDraining, "all container instances of cluster %s in subnet %s with a connected agent drain (status DRAINING; %d of %d): RunTask does not place on them, so it would not fail with AGENT because of the run. Set one to ACTIVE (aws ecs update-container-instances-state --status ACTIVE), or choose another subnet",
		f.spec().Cluster, f.spec().SubnetID, len(draining), len(f.instances))
}

// checkStartAfter makes a run that is ready wait for spec.startAfter.
func checkStartAfter(f *Findings) error {
	after := f.spec().StartAfter
	if after == nil || !f.now.Before(after.Time) {
		return nil
	}
	return problem.Wait(v1alpha1.ReasonNotYet, "the run is ready and begins at %s; %s known", problem.FormatTime(after.Time), conditions.DescribeEndpoints(f.object.Status.Endpoints))
}

// checkStartDeadline refuses, in a plan, times that stand against a start for good. A run that is
// to begin has missed its deadline then, which is a phase of its own.
func checkStartDeadline(f *Findings) error {
	deadline := run.StartDeadline(f.object)
	if f.spec().StartDeadline == nil && f.spec().StartAfter == nil || f.now.Before(deadline) {
		return nil
	}
	return problem.Refuse(v1alpha1.AbortStartDeadlineExceeded, "the start deadline %s is past: move spec.startDeadline or spec.startAfter", problem.FormatTime(deadline))
}
