// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/nacl"
)

// target is what the spec names, as AWS describes it.
type target struct {
	accountID string
	cluster   discovery.Cluster
	subnet    subnet
	acl       *nacl.ACL
	// instances are the ARNs of the cluster's container instances in the subnet.
	instances []string
}

type subnet struct {
	vpcID string
	tags  map[string]string
}

// region is where a run that has not begun will work: spec.region, else the one in the cluster's ARN, else the manager's.
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
	return "", refuse(v1alpha1.ReasonNoRegion, "neither the spec nor the manager names a Region: give the manager one (AWS_REGION), or create the object anew with spec.region or with the cluster's ARN")
}

// resolve looks up what the spec names, all at once. The error joins everything that was wrong.
func (r *Reconciler) resolve(ctx context.Context, s *scope) (*target, error) {
	region, err := r.region(&s.obj.Spec)
	if err != nil {
		return nil, err
	}
	s.clients = r.sessions.In(region)
	spec, t := &s.obj.Spec, &target{}
	err = together(
		func() (err error) { t.accountID, err = s.clients.AccountID(ctx, s.now); return },
		func() (err error) { t.subnet, err = describeSubnet(ctx, s.clients.EC2, spec.SubnetID); return },
		func() (err error) { t.acl, err = nacl.ReadOfSubnet(ctx, s.clients.EC2, spec.SubnetID); return },
		func() (err error) {
			t.cluster, err = discovery.DescribeCluster(ctx, s.clients.ECS, spec.Cluster)
			return
		},
		func() (err error) {
			t.instances, err = discovery.ListContainerInstances(ctx, s.clients.ECS, spec.Cluster, spec.SubnetID, v1alpha1.MaxContainerInstances)
			return
		},
	)
	if wrong := foreignCluster(spec.Cluster, t.accountID); wrong != nil {
		// AWS says of another account's cluster only that it isn't there, or that it is none of the caller's business.
		return nil, errors.Join(wrong, err)
	}
	if err != nil {
		return nil, err
	}
	return t, r.admit(s, t)
}

// foreignCluster refuses a cluster whose ARN is of another account than the manager's; an unknown account is none.
func foreignCluster(cluster, account string) error {
	parts := strings.Split(cluster, ":")
	if len(parts) <= 4 || account == "" || parts[4] == account {
		return nil
	}
	return refuse(v1alpha1.ReasonWrongAccount, "cluster %s is in account %s, and the manager's credentials are of account %s: give the manager a role in account %s, or name a cluster of account %s",
		cluster, parts[4], account, parts[4], account)
}

// admit says whether a run may work in the target.
func (r *Reconciler) admit(s *scope, t *target) error {
	spec := &s.obj.Spec
	switch {
	case !r.consents(t.subnet.tags, s.obj.Namespace):
		return r.noConsent(s, t.subnet.tags)
	case t.acl == nil:
		return wait(v1alpha1.ReasonAWSUnavailable, "AWS does not say yet which network ACL subnet %s has", spec.SubnetID)
	case len(t.instances) == 0:
		return refuse(v1alpha1.ReasonNoConnectedAgents, "cluster %s has no container instance in subnet %s: Fargate tasks and external instances have no agent there. Check spec.cluster and spec.subnetID", spec.Cluster, spec.SubnetID)
	case len(t.instances) > v1alpha1.MaxContainerInstances:
		return refuse(v1alpha1.ReasonTooManyAgents, "cluster %s has more than %d container instances in subnet %s, and a run counts no more than that: choose a smaller subnet", spec.Cluster, v1alpha1.MaxContainerInstances, spec.SubnetID)
	}
	if others := otherSubnets(t.acl, spec.SubnetID); len(others) > 0 && spec.NetworkACLMode != v1alpha1.NetworkACLModeInPlace {
		return refuse(v1alpha1.ReasonNetworkACLShared, "network ACL %s serves %s too, whose traffic to the denied addresses would stop as well: give subnet %s a network ACL to itself, or set spec.networkACLMode to InPlace to accept that",
			t.acl.ID, subnetNames(others), spec.SubnetID)
	}
	return nil
}

// consents says whether the tags of a subnet allow runs of a namespace.
func (r *Reconciler) consents(tags map[string]string, namespace string) bool {
	if r.options.ConsentTagKey == "" {
		return true
	}
	value := tags[r.options.ConsentTagKey]
	return value == "true" || slices.Contains(strings.Fields(value), namespace)
}

func (r *Reconciler) noConsent(s *scope, tags map[string]string) *problem {
	key := r.options.ConsentTagKey
	if value, tagged := tags[key]; tagged {
		return refuse(v1alpha1.ReasonNoConsent, "the tag %s of subnet %s is %q, which does not name namespace %s: its owner may add the namespace, separated by a space, or set the tag to true", key, s.obj.Spec.SubnetID, value, s.obj.Namespace)
	}
	return refuse(v1alpha1.ReasonNoConsent, "subnet %s has no tag %s: its owner consents with the value true, or with the namespaces that may, separated by spaces", s.obj.Spec.SubnetID, key)
}

// describeSubnet looks a subnet up.
func describeSubnet(ctx context.Context, client aws.EC2, id string) (subnet, error) {
	out, err := client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
	if err != nil {
		return subnet{}, err
	}
	if len(out.Subnets) == 0 {
		return subnet{}, refuse(v1alpha1.ReasonSubnetNotFound, "AWS does not know subnet %s", id)
	}
	found := subnet{vpcID: awssdk.ToString(out.Subnets[0].VpcId), tags: map[string]string{}}
	for _, tag := range out.Subnets[0].Tags {
		found.tags[awssdk.ToString(tag.Key)] = awssdk.ToString(tag.Value)
	}
	return found, nil
}

// otherSubnets are the subnets of a network ACL beside one.
func otherSubnets(acl *nacl.ACL, subnetID string) []string {
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
