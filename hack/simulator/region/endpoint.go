// SPDX-License-Identifier: Apache-2.0

package region

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Services that interface endpoints are made for: the last part of their names.
const (
	ServiceAgent     = "ecs-agent"
	ServiceTelemetry = "ecs-telemetry"
	ServiceECS       = "ecs"
)

// privateNames are the first labels of the host names that private DNS takes over, by service.
var privateNames = map[string]string{
	ServiceAgent: "ecs-a", ServiceTelemetry: "ecs-t", ServiceECS: "ecs",
	"ec2": "ec2", "sts": "sts", "scheduler": "scheduler", "cloudtrail": "cloudtrail", "monitoring": "monitoring",
}

// stateAvailable is the state of an endpoint that serves, as the API writes it: in lower case, whatever SDKs call it.
const stateAvailable = "available"

// VPCEndpoint is an interface endpoint of AWS PrivateLink.
type VPCEndpoint struct {
	ID, VPCID string
	// ServiceName is e.g. com.amazonaws.ap-northeast-1.ecs-agent; see Region.EndpointService.
	ServiceName string
	// PrivateDNS makes the service's own host name resolve to the interfaces within the VPC.
	PrivateDNS bool
	// State is available unless it says otherwise (pending, deleting …): then nothing answers and no name resolves.
	State string
	// Interfaces are the network interfaces, at most one an Availability Zone.
	Interfaces []NetworkInterface
	CreatedAt  time.Time
	Tags       map[string]string

	// removed endpoints stay behind for what still sends to their addresses: it gets no answer.
	removed bool
}

// NetworkInterface is a network interface of an endpoint or the first one of a container instance.
type NetworkInterface struct {
	ID, SubnetID, VPCID string
	PrivateIP           netip.Addr
	// IPv6 is the zero Addr where the subnet had no IPv6.
	IPv6 netip.Addr
	// EndpointID or EC2InstanceID is what the interface belongs to.
	EndpointID, EC2InstanceID string
}

// Service is the last part of the service's name.
func (e VPCEndpoint) Service() string { return e.ServiceName[strings.LastIndex(e.ServiceName, ".")+1:] }

// Addresses are those of all interfaces.
func (e VPCEndpoint) Addresses() []netip.Addr {
	var out []netip.Addr
	for _, n := range e.Interfaces {
		out = append(out, n.PrivateIP)
		if n.IPv6.IsValid() {
			out = append(out, n.IPv6)
		}
	}
	return out
}

// Serves reports whether connections to the endpoint are answered.
func (e VPCEndpoint) Serves() bool { return e.State == stateAvailable && !e.removed }

// EndpointService is the name that a service has for endpoints in this Region, e.g. of ServiceAgent.
func (r *Region) EndpointService(service string) string {
	name := "com.amazonaws." + r.o.Name + "." + service
	if Partition(r.o.Name) == "aws-cn" {
		return "cn." + name
	}
	return name
}

// DNSSuffix is what the host names of AWS end with in this Region's partition.
func (r *Region) DNSSuffix() string {
	if Partition(r.o.Name) == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// host is a host name of the Region, e.g. ecs-a.ap-northeast-1.amazonaws.com.
func (r *Region) host(label string) string { return label + "." + r.o.Name + "." + r.DNSSuffix() }

// AddVPCEndpoint puts an interface endpoint into a VPC, with a network interface in each subnet that Interfaces names.
// What is empty is made up: ids, state, addresses (an IPv6 one where the subnet has IPv6). It returns the whole.
func (r *Region) AddVPCEndpoint(e VPCEndpoint) (VPCEndpoint, error) {
	err := r.change(func(s *state) error {
		if _, ok := s.vpcs.m[e.VPCID]; !ok {
			return kindVPC.missing(e.VPCID)
		}
		if e.ServiceName != r.EndpointService(e.Service()) || e.Service() == "" {
			return fmt.Errorf("endpoint service %q; write one like %s", e.ServiceName, r.EndpointService(ServiceAgent))
		}
		if e.ID == "" {
			e.ID = r.newID("vpce")
		}
		if _, ok := s.endpoints.m[e.ID]; ok {
			return fmt.Errorf("VPC endpoint %s is there already", e.ID)
		}
		for _, o := range s.endpoints.m {
			if e.PrivateDNS && o.PrivateDNS && !o.removed && o.VPCID == e.VPCID && o.ServiceName == e.ServiceName {
				return fmt.Errorf("private-dns-enabled cannot be set because there is already a conflicting DNS domain in the VPC %s: %s", e.VPCID, o.ID)
			}
		}
		e.State = cmp.Or(e.State, stateAvailable)
		if e.CreatedAt.IsZero() {
			e.CreatedAt = r.o.Clock.Now()
		}
		if len(e.Interfaces) == 0 {
			return fmt.Errorf("VPC endpoint %s: name a subnet", e.ID)
		}
		return r.placeInterfaces(s, &e)
	})
	return e, err
}

// placeInterfaces puts an endpoint into the state together with its interfaces.
func (r *Region) placeInterfaces(s *state, e *VPCEndpoint) error {
	wanted := slices.Clone(e.Interfaces)
	e.Interfaces = nil
	zones := map[string]string{}
	for _, n := range wanted {
		sub, ok := s.subnets.m[n.SubnetID]
		if !ok || sub.VPCID != e.VPCID {
			return fmt.Errorf("VPC endpoint %s: VPC %s has no subnet %q", e.ID, e.VPCID, n.SubnetID)
		}
		if first, ok := zones[sub.AvailabilityZone]; ok {
			return fmt.Errorf("VPC endpoint %s: %s and %s are in one Availability Zone; an endpoint has one subnet a zone", e.ID, first, sub.ID)
		}
		zones[sub.AvailabilityZone] = sub.ID
		if n.ID == "" {
			n.ID = r.newID("eni")
		}
		n.VPCID, n.EndpointID = e.VPCID, e.ID
		if err := s.placeInterface(&n, sub); err != nil {
			return fmt.Errorf("VPC endpoint %s: %w", e.ID, err)
		}
		e.Interfaces = append(e.Interfaces, n)
		stored := *e
		stored.Interfaces = slices.Clone(e.Interfaces)
		s.endpoints.put(e.ID, stored) // the next interface's address must not be this one's
	}
	return nil
}

func (s *state) placeInterface(n *NetworkInterface, sub Subnet) (err error) {
	for _, ip := range []netip.Addr{n.PrivateIP, n.IPv6} {
		switch {
		case !ip.IsValid():
		case s.taken(ip):
			return fmt.Errorf("address %s is in use", ip)
		case !sub.CIDR.Contains(ip) && !sub.IPv6CIDR.Contains(ip):
			return fmt.Errorf("address %s lies outside of subnet %s", ip, sub.ID)
		}
	}
	if !n.PrivateIP.IsValid() {
		if n.PrivateIP, err = s.freeIPv4(sub); err != nil {
			return err
		}
	}
	if !n.IPv6.IsValid() && sub.IPv6CIDR.IsValid() {
		n.IPv6 = s.freeIPv6(sub)
	}
	return nil
}

// RemoveVPCEndpoint deletes an endpoint with its network interfaces. What is sent to their addresses vanishes from then
// on.
func (r *Region) RemoveVPCEndpoint(id string) error {
	return r.change(func(s *state) error {
		e, ok := s.endpoints.m[id]
		if !ok || e.removed {
			return kindEndpoint.missing(id)
		}
		e.removed = true
		s.endpoints.put(id, e)
		return nil
	})
}

// VPCEndpoints are all interface endpoints, by id.
func (v View) VPCEndpoints() []VPCEndpoint {
	return slices.DeleteFunc(sortedValues(v.s.endpoints.m), func(e VPCEndpoint) bool { return e.removed })
}

// VPCEndpoints are all interface endpoints as they are now, by id.
func (r *Region) VPCEndpoints() []VPCEndpoint { return r.View(zeroTime).VPCEndpoints() }

// NetworkInterfaces are the network interfaces of endpoints and of container instances, by id.
func (v View) NetworkInterfaces() []NetworkInterface {
	var out []NetworkInterface
	for _, e := range v.VPCEndpoints() {
		out = append(out, e.Interfaces...)
	}
	for _, i := range v.s.instances.m {
		if sub, ok := v.s.subnets.m[i.SubnetID]; ok {
			out = append(out, NetworkInterface{
				ID: interfaceID(i.EC2InstanceID), SubnetID: sub.ID, VPCID: sub.VPCID, PrivateIP: i.PrivateIP, IPv6: i.IPv6, EC2InstanceID: i.EC2InstanceID,
			})
		}
	}
	slices.SortFunc(out, func(a, b NetworkInterface) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// MissingVPCEndpoint is the error for an endpoint that doesn't exist.
func MissingVPCEndpoint(id string) error { return kindEndpoint.missing(id) }

// MissingNetworkInterface is the error for a network interface that doesn't exist.
func MissingNetworkInterface(id string) error { return kindInterface.missing(id) }
