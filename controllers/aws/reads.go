// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"agentdisconnect.dev/agentdisconnect/controllers/shared"
)

const (
	// filterValues is how many values a filter of EC2 takes.
	filterValues = 200
	// ecsBatch is how many clusters or container instances one call of ECS describes.
	ecsBatch = 100
)

// reads are what all runs of an account and Region read, each resource once for all of them. What
// a run alone reads, such as a search by tag, is not among them.
type reads struct {
	acls      *shared.Reads[string, ec2types.NetworkAcl]
	subnets   *shared.Reads[string, ec2types.Subnet]
	clusters  *shared.Reads[string, ecstypes.Cluster]
	instances *shared.Reads[inCluster, ecstypes.ContainerInstance]
	// present has the ARNs of the container instances in some subnets.
	present *shared.Reads[inCluster, []string]
	// endpoints, interfaces and lists have the answers to equal requests, by their JSON.
	endpoints  *shared.Reads[string, *ec2.DescribeVpcEndpointsOutput]
	interfaces *shared.Reads[string, *ec2.DescribeNetworkInterfacesOutput]
	lists      *shared.Reads[string, *ecs.ListClustersOutput]
}

// inCluster is a container instance of a cluster, by ARN, or subnets with regard to a cluster, as
// subnetsIn gives them. The cluster is a name or an ARN.
type inCluster struct{ cluster, id string }

func (c *Clients) newReads() *reads {
	seen := newMembers(c.ecs, c.sessions.Clock)
	acls := source(c, filterValues, func(ctx context.Context, ids []string) (map[string]ec2types.NetworkAcl, error) {
		return readACLs(ctx, c.ec2, ids)
	})
	subnets := source(c, filterValues, func(ctx context.Context, ids []string) (map[string]ec2types.Subnet, error) {
		return readSubnets(ctx, c.ec2, ids)
	})
	clusters := source(c, ecsBatch, seen.readClusters)
	clusters.IsOfOneKey = func(err error) bool { return Classify(err) == Denied || Classify(err) == Rejected }
	instances := byCluster(source(c, ecsBatch, seen.readInstances))
	instances.IsOfOneKey = func(err error) bool { return Classify(err) == Rejected }
	present := byCluster(source(c, mostSubnets, seen.readPresent))
	// A role may list the container instances of another cluster and not describe them. What is in
	// one subnet is known from a list alone.
	present.IsOfOneKey = func(err error) bool { return Classify(err) == Denied && Action(err) == describeInstances }
	return &reads{
		acls: shared.NewReads(acls), subnets: shared.NewReads(subnets), clusters: shared.NewReads(clusters),
		instances: shared.NewReads(instances), present: shared.NewReads(present),
		endpoints:  shared.NewReads(source(c, 1, equal(c.ec2.DescribeVpcEndpoints))),
		interfaces: shared.NewReads(source(c, 1, equal(c.ec2.DescribeNetworkInterfaces))),
		lists:      shared.NewReads(source(c, 1, equal(c.ecs.ListClusters))),
	}
}

// describeInstances is an action of IAM.
const describeInstances = "ecs:DescribeContainerInstances"

// source reads within the budget of the account.
func source[K comparable, V any](c *Clients, page int, fetch func(context.Context, []K) (map[K]V, error)) shared.Source[K, V] {
	return shared.Source[K, V]{Fetch: fetch, Page: page, Admit: c.Admit, Unadmit: c.Unadmit, Clock: c.sessions.Clock}
}

// byCluster has keys of one cluster alone share a call.
func byCluster[V any](source shared.Source[inCluster, V]) shared.Source[inCluster, V] {
	source.Group = func(key inCluster) string { return key.cluster }
	return source
}

// equal reads one request, given as its JSON.
func equal[In, Out, Options any](call func(context.Context, *In, ...func(*Options)) (*Out, error)) func(context.Context, []string) (map[string]*Out, error) {
	return func(ctx context.Context, requests []string) (map[string]*Out, error) {
		in := new(In)
		if err := json.Unmarshal([]byte(requests[0]), in); err != nil {
			return nil, err
		}
		out, err := call(ctx, in)
		return map[string]*Out{requests[0]: out}, err
	}
}

// ask gives the answer to a request that several callers may make. Nothing may write to it.
func ask[In, Out any](ctx context.Context, from *shared.Reads[string, *Out], since time.Time, seen *oldest, service, operation string, in *In) (*Out, error) {
	request, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	key := string(request)
	found, err := get(ctx, from, since, seen, service, operation, key)
	if err != nil {
		return nil, err
	}
	return found[key].Value, nil
}

// get reads keys, and notes how old the answers are. An error names the operation, also where no
// request was sent.
func get[K comparable, V any](ctx context.Context, from *shared.Reads[K, V], since time.Time, seen *oldest, service, operation string, keys ...K) (map[K]shared.Answer[V], error) {
	found, err := from.Get(ctx, since, keys...)
	if err != nil {
		if Action(err) == "" {
			err = &smithy.OperationError{ServiceID: service, OperationName: operation, Err: err}
		}
		return nil, err
	}
	seen.note(shared.Oldest(found))
	return found, nil
}

func readACLs(ctx context.Context, client *ec2.Client, ids []string) (map[string]ec2types.NetworkAcl, error) {
	pages := ec2.NewDescribeNetworkAclsPaginator(client, &ec2.DescribeNetworkAclsInput{Filters: filter(filterACL, ids)})
	return collect(ctx, pages, func(page *ec2.DescribeNetworkAclsOutput) []ec2types.NetworkAcl { return page.NetworkAcls },
		func(acl ec2types.NetworkAcl) *string { return acl.NetworkAclId })
}

func readSubnets(ctx context.Context, client *ec2.Client, ids []string) (map[string]ec2types.Subnet, error) {
	pages := ec2.NewDescribeSubnetsPaginator(client, &ec2.DescribeSubnetsInput{Filters: filter(filterSubnet, ids)})
	return collect(ctx, pages, func(page *ec2.DescribeSubnetsOutput) []ec2types.Subnet { return page.Subnets },
		func(subnet ec2types.Subnet) *string { return subnet.SubnetId })
}

// paginator is one of the SDK's for EC2.
type paginator[Page any] interface {
	HasMorePages() bool
	NextPage(context.Context, ...func(*ec2.Options)) (*Page, error)
}

// collect gives what all pages have, by id.
func collect[Page, V any](ctx context.Context, pages paginator[Page], of func(*Page) []V, id func(V) *string) (map[string]V, error) {
	found := map[string]V{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, each := range of(page) {
			found[awssdk.ToString(id(each))] = each
		}
	}
	return found, nil
}

// The filters by which resources are read by id: they leave out what is not there, where asking by
// id fails for all.
const (
	filterACL    = "network-acl-id"
	filterSubnet = "subnet-id"
)

func filter(name string, values []string) []ec2types.Filter {
	return []ec2types.Filter{{Name: awssdk.String(name), Values: values}}
}

// idsIn gives the ids that a request names, in its ids or in a filter by them, and nothing else; ok
// is false for any other request.
func idsIn(ids []string, filters []ec2types.Filter, name string) (all []string, ok bool) {
	switch {
	case len(ids) > 0 && len(filters) == 0:
		return ids, true
	case len(ids) == 0 && len(filters) == 1 && awssdk.ToString(filters[0].Name) == name:
		all = filters[0].Values
		return all, len(all) > 0 && !strings.ContainsAny(strings.Join(all, ""), "*?")
	}
	return nil, false
}

// sharedEC2 reads network ACLs, subnets and VPC endpoints together with other runs.
type sharedEC2 struct {
	EC2

	reads  *reads
	since  time.Time
	oldest *oldest
}

// DescribeNetworkAcls gives network ACLs that are named by id as all runs read them. One that is
// asked for by id and isn't there is asked for once more, for AWS's own error.
func (s sharedEC2) DescribeNetworkAcls(ctx context.Context, in *ec2.DescribeNetworkAclsInput, options ...func(*ec2.Options)) (*ec2.DescribeNetworkAclsOutput, error) {
	ids, ok := idsIn(in.NetworkAclIds, in.Filters, filterACL)
	if !ok || in.NextToken != nil {
		return s.EC2.DescribeNetworkAcls(ctx, in, options...)
	}

	found, err := readTogether(ctx, s, s.reads.acls, "DescribeNetworkAcls", ids)
	if err == nil && len(found) < len(in.NetworkAclIds) {
		return s.EC2.DescribeNetworkAcls(ctx, in, options...)
	}
	return &ec2.DescribeNetworkAclsOutput{NetworkAcls: found}, err
}

// DescribeSubnets gives subnets that are named by id as all runs read them. One that is asked for by
// id and isn't there is asked for once more, for AWS's own error.
func (s sharedEC2) DescribeSubnets(ctx context.Context, in *ec2.DescribeSubnetsInput, options ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error) {
	ids, ok := idsIn(in.SubnetIds, in.Filters, filterSubnet)
	if !ok || in.NextToken != nil {
		return s.EC2.DescribeSubnets(ctx, in, options...)
	}

	found, err := readTogether(ctx, s, s.reads.subnets, "DescribeSubnets", ids)
	if err == nil && len(found) < len(in.SubnetIds) {
		return s.EC2.DescribeSubnets(ctx, in, options...)
	}
	return &ec2.DescribeSubnetsOutput{Subnets: found}, err
}

// readTogether gives those of some ids that are there, in their order.
func readTogether[V any](ctx context.Context, s sharedEC2, from *shared.Reads[string, V], operation string, ids []string) (values []V, err error) {
	found, err := get(ctx, from, s.since, s.oldest, ec2.ServiceID, operation, ids...)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if answer := found[id]; answer.Found {
			values = append(values, answer.Value)
		}
	}
	return values, nil
}

// DescribeVpcEndpoints gives the answer to an equal request of any run.
func (s sharedEC2) DescribeVpcEndpoints(ctx context.Context, in *ec2.DescribeVpcEndpointsInput, _ ...func(*ec2.Options)) (*ec2.DescribeVpcEndpointsOutput, error) {
	return ask(ctx, s.reads.endpoints, s.since, s.oldest, ec2.ServiceID, "DescribeVpcEndpoints", in)
}

// DescribeNetworkInterfaces gives the answer to an equal request of any run.
func (s sharedEC2) DescribeNetworkInterfaces(ctx context.Context, in *ec2.DescribeNetworkInterfacesInput, _ ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error) {
	return ask(ctx, s.reads.interfaces, s.since, s.oldest, ec2.ServiceID, "DescribeNetworkInterfaces", in)
}
