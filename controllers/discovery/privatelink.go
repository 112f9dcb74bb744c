// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/aws/apihosts"
)

// The services of Amazon ECS that a VPC endpoint can be for, as VPCEndpoint.Service has them.
const (
	// ServiceAgent is what agents keep their ACS session with.
	ServiceAgent = "ecs-agent"
	// ServiceTelemetry is what agents keep their TCS session with.
	ServiceTelemetry = "ecs-telemetry"
	// ServiceAPI is the ECS API, which tells agents where to connect to and takes all other
	// calls.
	ServiceAPI = "ecs"
)

// interfaceBatch is how many network interfaces are asked for at once: a filter of EC2 takes 200
// values.
const interfaceBatch = 200

// fipsSuffix ends the names of services whose endpoints are those of FIPS.
const fipsSuffix = "-fips"

// VPCEndpoint is an interface endpoint of a VPC (AWS PrivateLink) for a service of ECS, or for
// another protected API.
type VPCEndpoint struct {
	ID string
	// Service is ServiceAgent, ServiceTelemetry, ServiceAPI, or the service of another protected
	// API.
	Service string
	// PrivateDNS says that in the VPC the service's own host names lead to the endpoint.
	PrivateDNS bool
	// Interfaces are its network interfaces, by id. Those of the sessions' services are what
	// agents' packets go to; those of the APIs are never denied.
	Interfaces []Interface
}

// Interface is a network interface of a VPC endpoint.
type Interface struct {
	ID, SubnetID string
	// Addresses are its private addresses of both families, sorted.
	Addresses []netip.Addr
}

// Session is the agents' session that an endpoint for a service serves; false: it serves none.
func Session(service string) (v1alpha1.EndpointSession, bool) {
	switch service {
	case ServiceAgent:
		return v1alpha1.EndpointACS, true
	case ServiceTelemetry:
		return v1alpha1.EndpointTCS, true
	default:
		return "", false
	}
}

// VPCEndpoints gives the interface endpoints for ECS and the protected APIs that a VPC has or is
// being given, ordered by service and id. An endpoint that lies in another VPC, or that another
// account made, is not among them. Of an endpoint that is being changed an interface may be
// missing: ask again. Errors are those of AWS.
//
// Service names and the way from endpoint to addresses: "Amazon ECS interface VPC endpoints" in the
// developer guide of ECS, and DescribeVpcEndpoints in the API reference of EC2.
func VPCEndpoints(ctx context.Context, client aws.EC2, region, vpcID string) ([]VPCEndpoint, error) {
	pages := ec2.NewDescribeVpcEndpointsPaginator(client, &ec2.DescribeVpcEndpointsInput{Filters: []ec2types.Filter{
		{Name: awssdk.String("vpc-id"), Values: []string{vpcID}},
		{Name: awssdk.String("service-name"), Values: serviceNames(region)},
	}})
	var endpoints []VPCEndpoint
	owners := map[string]int{} // of an interface: the index of its endpoint
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for i := range page.VpcEndpoints {
			found := &page.VpcEndpoints[i]
			endpoint, ok := usableEndpoint(found)
			if !ok {
				continue
			}
			for _, id := range found.NetworkInterfaceIds {
				owners[id] = len(endpoints)
			}
			endpoints = append(endpoints, endpoint)
		}
	}

	interfaces, err := describeInterfaces(ctx, client, slices.Sorted(maps.Keys(owners)))
	if err != nil {
		return nil, err
	}

	for _, found := range interfaces {
		if i, owned := owners[found.ID]; owned {
			endpoints[i].Interfaces = append(endpoints[i].Interfaces, found)
		}
	}

	slices.SortFunc(endpoints, func(a, b VPCEndpoint) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.ID, b.ID))
	})
	return endpoints, nil
}

// servicePrefixes are what the names of AWS's services begin with. In China some begin otherwise;
// those of ECS don't, as far as is known.
func servicePrefixes(region string) []string {
	prefixes := []string{"com.amazonaws." + region + "."}
	if strings.HasPrefix(region, "cn-") {
		prefixes = append(prefixes, "cn.com.amazonaws."+region+".")
	}
	return prefixes
}

func serviceNames(region string) []string {
	var names []string
	for _, prefix := range servicePrefixes(region) {
		names = append(names, prefix+ServiceAgent, prefix+ServiceTelemetry)
		for service := range apihosts.Services() {
			names = append(names, prefix+service, prefix+service+fipsSuffix)
		}
	}
	slices.Sort(names) // the same call every time
	return names
}

// usableEndpoint reads an endpoint, and reports whether it is an interface endpoint that carries
// traffic or soon will.
func usableEndpoint(found *ec2types.VpcEndpoint) (VPCEndpoint, bool) {
	// EC2 answers in lower case, where its SDK's constants have capitals.
	state := strings.ToLower(string(found.State))
	if !strings.EqualFold(string(found.VpcEndpointType), string(ec2types.VpcEndpointTypeInterface)) ||
		state != "available" && state != "pending" {
		return VPCEndpoint{}, false
	}

	name := awssdk.ToString(found.ServiceName)
	return VPCEndpoint{
		ID:         awssdk.ToString(found.VpcEndpointId),
		Service:    name[strings.LastIndex(name, ".")+1:],
		PrivateDNS: awssdk.ToBool(found.PrivateDnsEnabled),
	}, true
}

// describeInterfaces looks network interfaces up by id, sorted by it. It asks by filter, which
// leaves out the ones that are gone, where asking by name fails for all of them.
func describeInterfaces(ctx context.Context, client aws.EC2, ids []string) ([]Interface, error) {
	var interfaces []Interface
	for batch := range slices.Chunk(ids, interfaceBatch) {
		pages := ec2.NewDescribeNetworkInterfacesPaginator(client, &ec2.DescribeNetworkInterfacesInput{
			Filters: []ec2types.Filter{{Name: awssdk.String("network-interface-id"), Values: batch}},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for i := range page.NetworkInterfaces {
				interfaces = append(interfaces, readInterface(&page.NetworkInterfaces[i]))
			}
		}
	}

	slices.SortFunc(interfaces, func(a, b Interface) int { return cmp.Compare(a.ID, b.ID) })
	return interfaces, nil
}

func readInterface(found *ec2types.NetworkInterface) Interface {
	texts := []string{awssdk.ToString(found.PrivateIpAddress)}
	for _, address := range found.PrivateIpAddresses {
		texts = append(texts, awssdk.ToString(address.PrivateIpAddress))
	}

	for _, address := range found.Ipv6Addresses {
		texts = append(texts, awssdk.ToString(address.Ipv6Address))
	}

	read := Interface{ID: awssdk.ToString(found.NetworkInterfaceId), SubnetID: awssdk.ToString(found.SubnetId)}
	for _, text := range texts {
		if address, err := netip.ParseAddr(text); err == nil { // unset where it has none of the family
			read.Addresses = append(read.Addresses, address.Unmap().WithZone(""))
		}
	}

	slices.SortFunc(read.Addresses, netip.Addr.Compare)
	read.Addresses = slices.Compact(read.Addresses)
	return read
}
