// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

type interfaceXML struct {
	ID               string         `xml:"networkInterfaceId"`
	SubnetID         string         `xml:"subnetId"`
	VPCID            string         `xml:"vpcId"`
	Zone             string         `xml:"availabilityZone"`
	Description      string         `xml:"description"`
	OwnerID          string         `xml:"ownerId"`
	RequesterID      string         `xml:"requesterId,omitempty"`
	RequesterManaged bool           `xml:"requesterManaged"`
	Status           string         `xml:"status"`
	PrivateIP        string         `xml:"privateIpAddress"`
	SourceDestCheck  bool           `xml:"sourceDestCheck"`
	Groups           struct{}       `xml:"groupSet"`
	Attachment       *attachmentXML `xml:"attachment"`
	Tags             struct{}       `xml:"tagSet"`
	PrivateIPs       []privateIPXML `xml:"privateIpAddressesSet>item"`
	IPv6s            []ipv6XML      `xml:"ipv6AddressesSet>item"`
	Type             string         `xml:"interfaceType"`
}

// instanceID is the instance that the interface is attached to, empty for that of an endpoint.
func (x interfaceXML) instanceID() string {
	if x.Attachment == nil {
		return ""
	}
	return x.Attachment.InstanceID
}

type attachmentXML struct {
	ID                  string `xml:"attachmentId"`
	InstanceID          string `xml:"instanceId,omitempty"`
	InstanceOwnerID     string `xml:"instanceOwnerId"`
	DeviceIndex         int    `xml:"deviceIndex"`
	Status              string `xml:"status"`
	DeleteOnTermination bool   `xml:"deleteOnTermination"`
}

type privateIPXML struct {
	Address string `xml:"privateIpAddress"`
	Primary bool   `xml:"primary"`
}

type ipv6XML struct {
	Address string `xml:"ipv6Address"`
}

func toInterfaceXML(req *operation.Request, v region.View, n region.NetworkInterface) interfaceXML {
	sub, _ := v.Subnet(n.SubnetID)
	out := interfaceXML{
		ID: n.ID, SubnetID: n.SubnetID, VPCID: n.VPCID, Zone: sub.AvailabilityZone, OwnerID: req.Region.Account(), Status: "in-use",
		SourceDestCheck: true, Type: "interface",
		Attachment: &attachmentXML{
			ID: "eni-attach-" + turned(strings.TrimPrefix(n.ID, "eni-")), InstanceID: n.EC2InstanceID, InstanceOwnerID: req.Region.Account(),
			Status: "attached", DeleteOnTermination: true,
		},
	}
	if n.PrivateIP.IsValid() {
		out.PrivateIP = n.PrivateIP.String()
		out.PrivateIPs = []privateIPXML{{out.PrivateIP, true}}
	}
	if n.IPv6.IsValid() {
		out.IPv6s = []ipv6XML{{n.IPv6.String()}}
	}
	if n.EndpointID != "" {
		out.Type, out.RequesterManaged, out.Description = "vpc_endpoint", true, "VPC Endpoint Interface "+n.EndpointID
		out.RequesterID = "amazon-aws"
		out.Attachment.InstanceOwnerID, out.Attachment.DeviceIndex, out.Attachment.DeleteOnTermination = out.RequesterID, 1, false
	}
	return out
}

func interfaceValues(x interfaceXML) values {
	return func(name string) ([]string, bool) {
		switch name {
		case "network-interface-id":
			return []string{x.ID}, true
		case "subnet-id":
			return []string{x.SubnetID}, true
		case "vpc-id":
			return []string{x.VPCID}, true
		case "interface-type":
			return []string{x.Type}, true
		case "availability-zone":
			return []string{x.Zone}, true
		case "description":
			return []string{x.Description}, true
		case "status":
			return []string{x.Status}, true
		case "owner-id":
			return []string{x.OwnerID}, true
		case "requester-id":
			return []string{x.RequesterID}, true
		case "requester-managed":
			return []string{strconv.FormatBool(x.RequesterManaged)}, true
		case "attachment.instance-id":
			return []string{x.instanceID()}, true
		case "private-ip-address", "addresses.private-ip-address":
			return []string{x.PrivateIP}, true
		case "ipv6-addresses.ipv6-address":
			var list []string
			for _, a := range x.IPv6s {
				list = append(list, a.Address)
			}
			return list, true
		}
		return nil, false
	}
}

func describeNetworkInterfaces(req *operation.Request) (operation.Effect, error) {
	ids := operation.List(req.Form, "NetworkInterfaceId")
	for _, id := range ids {
		if err := region.CheckNetworkInterfaceID(id); err != nil {
			return operation.Effect{}, err
		}
	}
	p, err := pages(req.Form, "networkInterfaceIds", ids)
	if err != nil {
		return operation.Effect{}, err
	}
	fs, err := filters(req.Form, interfaceValues(interfaceXML{}))
	if err != nil {
		return operation.Effect{}, err
	}
	return operation.Effect{
		Trail: map[string]any{"networkInterfaceIdSet": trailIDs("networkInterfaceId", ids), "filterSet": trailFilters(req.Form)},
		Run: func() (any, error) {
			v := req.View()
			all, err := selected(ids, v.NetworkInterfaces(), func(n region.NetworkInterface) string { return n.ID }, region.MissingNetworkInterface)
			if err != nil {
				return nil, err
			}
			var answer struct {
				Interfaces []interfaceXML `xml:"networkInterfaceSet>item"`
				Next       string         `xml:"nextToken,omitempty"`
			}
			var match []interfaceXML
			for _, n := range all {
				if x := toInterfaceXML(req, v, n); passesAll(fs, interfaceValues(x)) {
					match = append(match, x)
				}
			}
			answer.Interfaces, answer.Next = cut(p, match, func(x interfaceXML) string { return x.ID })
			return answer, nil
		},
	}, nil
}
