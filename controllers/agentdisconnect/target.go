// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/preflight"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
)

// target is what the spec names, as AWS describes it.
type target struct {
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
	shared   map[string]subnet
	unshared error
	// others are the other clusters with container instances in the subnets that a run would hit.
	others preflight.OtherClusters
	// tenants are the other accounts with network interfaces in the subnet.
	tenants []string
	// unprotected is why it is not known of all addresses that the run must not deny which they are.
	unprotected error
	// endpoints are the VPC's interface endpoints of ECS and the other protected APIs.
	endpoints []discovery.VPCEndpoint
	// cloneRoom is how many more network ACLs the VPC has room for; known only where one is to be
	// made.
	cloneRoom int
}

// firstLook is what takes one call of each service to find out.
type firstLook struct {
	accountID string
	cluster   discovery.Cluster
	subnet    subnet
}

type subnet struct {
	vpcID string
	// ownerID is the account that the subnet, and so its network ACL, belongs to.
	ownerID string
	ipv6    bool
	// ipv6Native: there is no IPv4. dns64: AWS's resolver makes up IPv6 addresses for hosts that
	// have IPv4 alone.
	ipv6Native, dns64 bool
	ranges            []netip.Prefix
	tags              map[string]string
}

// reservationFor is what a run that has not begun would need for itself.
func reservationFor(s *scope, t *target) reservation.Reservation {
	mode, _ := t.chooseMode(&s.obj.Spec)
	return reservation.Reservation{NetworkACLID: t.acl.ID, SubnetID: s.obj.Spec.SubnetID, Mode: mode}
}

// region is where a run that has not begun will work: spec.region, else the one in the cluster's
// ARN, else the manager's.
func (r *Reconciler) region(spec *v1alpha1.AgentDisconnectSpec) (string, error) {
	if spec.Region != "" {
		return spec.Region, nil
	}
	if parts := strings.Split(spec.Cluster, ":"); len(parts) > 3 {
		return parts[3], nil
	}
	if region := r.sessions.DefaultRegion(); region != "" {
		return region, nil
	}
	return "", problem.Refuse(v1alpha1.ReasonNoRegion, "neither the spec nor the manager names a Region: give the manager one (AWS_REGION), or create the object again with spec.region or with the cluster's ARN")
}

// foreignCluster refuses a cluster whose ARN is of another account than the manager's; an unknown
// account is none. A role in that account helps only where the subnet is that account's too.
func foreignCluster(cluster, account string, on subnet) error {
	parts := strings.Split(cluster, ":")
	if len(parts) <= 4 || account == "" || parts[4] == account {
		return nil
	}
	if on.ownerID == account {
		return problem.Refuse(v1alpha1.ReasonWrongAccount, "cluster %s is in account %s, and the subnet and its network ACL are of account %s, as the manager's credentials are: a role in account %s couldn't change that network ACL, and this one can't see that account's agents. Choose a subnet that account %s owns, and a manager with a role there, or name a cluster of account %s",
			cluster, parts[4], account, parts[4], parts[4], account)
	}
	return problem.Refuse(v1alpha1.ReasonWrongAccount, "cluster %s is in account %s, and the manager's credentials are of account %s: give the manager a role in account %s, or name a cluster of account %s",
		cluster, parts[4], account, parts[4], account)
}

// consents reports whether the tags of a subnet allow runs of a namespace.
func (r *Reconciler) consents(tags map[string]string, namespace string) bool {
	if r.options.ConsentTagKey == "" {
		return true
	}
	value := tags[r.options.ConsentTagKey]
	return value == "true" || slices.Contains(strings.Fields(value), namespace)
}

func (r *Reconciler) noConsent(s *scope, tags map[string]string) *problem.Problem {
	key := r.options.ConsentTagKey
	if value, tagged := tags[key]; tagged {
		return problem.Refuse(v1alpha1.ReasonNoConsent, "the tag %s of subnet %s is %q, which does not name namespace %s: its owner may add the namespace, separated by a space, or set the tag to true", key, s.obj.Spec.SubnetID, value, s.obj.Namespace)
	}
	return problem.Refuse(v1alpha1.ReasonNoConsent, "subnet %s has no tag %s: its owner consents with the value true, or with the namespaces that may, separated by spaces", s.obj.Spec.SubnetID, key)
}

// describeSubnet looks a subnet up.
func describeSubnet(ctx context.Context, client aws.EC2, id string) (subnet, error) {
	out, err := client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
	if err != nil {
		return subnet{}, err
	}
	if len(out.Subnets) == 0 {
		return subnet{}, problem.Refuse(v1alpha1.ReasonSubnetNotFound, "AWS found no subnet %s", id)
	}
	return readSubnet(&out.Subnets[0]), nil
}

// readSubnet takes what matters of a subnet out of AWS's answer.
func readSubnet(found *types.Subnet) subnet {
	read := subnet{
		vpcID: awssdk.ToString(found.VpcId), ownerID: awssdk.ToString(found.OwnerId),
		ipv6Native: awssdk.ToBool(found.Ipv6Native), dns64: awssdk.ToBool(found.EnableDns64),
		ranges: subnetRanges(awssdk.ToString(found.CidrBlock)), tags: map[string]string{},
	}
	for _, association := range found.Ipv6CidrBlockAssociationSet {
		read.ranges = append(read.ranges, subnetRanges(awssdk.ToString(association.Ipv6CidrBlock))...)
		read.ipv6 = read.ipv6 || association.Ipv6CidrBlockState == nil ||
			association.Ipv6CidrBlockState.State == types.SubnetCidrBlockStateCodeAssociated
	}
	for _, tag := range found.Tags {
		read.tags[awssdk.ToString(tag.Key)] = awssdk.ToString(tag.Value)
	}
	return read
}

// otherSubnets are the subnets of a network ACL beside one.
func otherSubnets(acl *networkacl.ACL, subnetID string) []string {
	return slices.DeleteFunc(slices.Clone(acl.SubnetIDs), func(id string) bool { return id == subnetID })
}

// subnetNames lists the first few of several subnets for a message.
func subnetNames(ids []string) string {
	const most = 3
	if len(ids) <= most {
		return strings.Join(ids, ", ")
	}
	return strings.Join(ids[:most], ", ") + " and others"
}

// together runs functions side by side and joins their errors, in their order.
func together(functions ...func() error) error {
	errs := make([]error, len(functions))
	var group sync.WaitGroup
	for i, f := range functions {
		group.Go(func() { errs[i] = f() })
	}
	group.Wait()
	return errors.Join(errs...)
}
