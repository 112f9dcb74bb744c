// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"iter"
	"maps"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// Findings are what was found out of what the spec names, as AWS describes it.
type Findings struct {
	firstLook
	// acl is the network ACL that the subnet has; aclRead says that AWS was asked, and answered.
	acl     *networkacl.ACL
	aclRead bool
	// subnetOnClone says that another run has a subnet of that network ACL on a clone of it.
	subnetOnClone bool
	// foreign are the clones of it that runs of other Kubernetes clusters have.
	foreign []foreignClone
	// instances are the ARNs of the cluster's container instances in the subnet; nil: they could
	// not be listed.
	instances []string
	// shared are the other subnets that a run in place would hit, by id; unshared is why they are
	// not known.
	shared   map[string]target.Subnet
	unshared error
	// others are the other clusters with container instances in the subnets that a run would hit.
	others answers.OtherClusters
	// tenants are the other accounts with network interfaces in the subnet.
	tenants []string
	// unprotected is why it is not known of all addresses that the run must not deny which they
	// are.
	unprotected error
	// endpoints are the VPC's interface endpoints of ECS and the other protected APIs.
	endpoints []discovery.VPCEndpoint
	// cloneRoom is how many more network ACLs the VPC has room for; known only where one is to be
	// made.
	cloneRoom int
	// notes are what is worth knowing of the target, a sentence each.
	notes []string
}

// ACL is the network ACL that the subnet has.
func (t *Findings) ACL() *networkacl.ACL { return t.acl }

// Consenting are the other subnets that a run in place hits, which were seen to consent.
func (t *Findings) Consenting() iter.Seq[string] { return maps.Keys(t.shared) }

// Notes are what is worth knowing of the target, a sentence each.
func (t *Findings) Notes() []string { return t.notes }

// firstLook is what takes one call of each service to find out.
type firstLook struct {
	accountID string
	cluster   discovery.Cluster
	subnet    target.Subnet
}

// ReservationFor is what a run that has not begun would need for itself.
func (p *Preflight) ReservationFor(t *Findings) reservation.Reservation {
	mode, _ := t.chooseMode(&p.Object.Spec)
	return reservation.Reservation{NetworkACLID: t.acl.ID, SubnetID: p.Object.Spec.SubnetID, Mode: mode}
}

// region is where a run that has not begun will work: spec.region, else the one in the cluster's
// ARN, else the manager's.
func (p *Preflight) region(spec *v1alpha1.AgentDisconnectSpec) (string, error) {
	if spec.Region != "" {
		return spec.Region, nil
	}
	if parts := strings.Split(spec.Cluster, ":"); len(parts) > 3 {
		return parts[3], nil
	}
	if region := p.Sessions.DefaultRegion(); region != "" {
		return region, nil
	}
	return "", problem.Refuse(v1alpha1.ReasonNoRegion, "neither the spec nor the manager names a Region: give the manager one (AWS_REGION), or create the object again with spec.region or with the cluster's ARN")
}

// foreignCluster refuses a cluster whose ARN is of another account than the manager's; an unknown
// account is none. A role in that account helps only where the subnet is that account's too.
func foreignCluster(cluster, account string, on target.Subnet) error {
	parts := strings.Split(cluster, ":")
	if len(parts) <= 4 || account == "" || parts[4] == account {
		return nil
	}
	if on.OwnerID == account {
		return problem.Refuse(v1alpha1.ReasonWrongAccount, "cluster %s is in account %s, and the subnet and its network ACL are of account %s, as the manager's credentials are: a role in account %s couldn't change that network ACL, and this one can't see that account's agents. Choose a subnet that account %s owns, and a manager with a role there, or name a cluster of account %s",
			cluster, parts[4], account, parts[4], parts[4], account)
	}
	return problem.Refuse(v1alpha1.ReasonWrongAccount, "cluster %s is in account %s, and the manager's credentials are of account %s: give the manager a role in account %s, or name a cluster of account %s",
		cluster, parts[4], account, parts[4], account)
}
