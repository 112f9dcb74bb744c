// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"cmp"
	"hash/fnv"
	"strconv"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

type vpcXML struct {
	ID       string   `xml:"vpcId"`
	OwnerID  string   `xml:"ownerId"`
	State    string   `xml:"state"`
	CIDR     string   `xml:"cidrBlock"`
	CIDRSet  []cidr   `xml:"cidrBlockAssociationSet>item"`
	IPv6Set  ipv6Set  `xml:"ipv6CidrBlockAssociationSet"`
	DHCP     string   `xml:"dhcpOptionsId"`
	Tenancy  string   `xml:"instanceTenancy"`
	Default  bool     `xml:"isDefault"`
	TagItems []tagXML `xml:"tagSet>item"`
}

type cidr struct {
	ID    string `xml:"associationId"`
	CIDR  string `xml:"cidrBlock"`
	State string `xml:"cidrBlockState>state"`
}

// cidrAssociation and dhcpOptions are ids that no operation of the simulator takes; they only have to stay the same.
func cidrAssociation(v region.VPC) string { return "vpc-cidr-assoc-" + suffix(v.ID) }
func dhcpOptions(v region.VPC) string     { return "dopt-" + suffix(v.ID) }

func suffix(vpcID string) string {
	if len(vpcID) < len("vpc-")+8 {
		return ""
	}
	return vpcID[len("vpc-"):]
}

func vpcValues(req *operation.Request, v region.VPC) values {
	return func(name string) ([]string, bool) {
		if list, ok := tagValues(name, v.Tags); ok {
			return list, true
		}
		switch name {
		case "vpc-id":
			return []string{v.ID}, true
		case "cidr", "cidrBlock", "cidr-block", "cidr-block-association.cidr-block":
			return []string{v.CIDR.String()}, true
		case "cidr-block-association.association-id":
			return []string{cidrAssociation(v)}, true
		case "cidr-block-association.state":
			return []string{"associated"}, true
		case "dhcp-options-id", "dhcpOptionsId":
			return []string{dhcpOptions(v)}, true
		case "is-default", "isDefault":
			return []string{strconv.FormatBool(v.Default)}, true
		case "owner-id":
			return []string{req.Region.Account()}, true
		case "state":
			return []string{"available"}, true
		}
		return ipv6Values(vpcIPv6(req, v), name)
	}
}

func describeVpcs(req *operation.Request) (operation.Effect, error) {
	ids := operation.List(req.Form, "VpcId")
	for _, id := range ids {
		if err := region.CheckVPCID(id); err != nil {
			return operation.Effect{}, err
		}
	}
	p, err := pages(req.Form, "vpcIds", ids)
	if err != nil {
		return operation.Effect{}, err
	}
	fs, err := filters(req.Form, vpcValues(req, region.VPC{}))
	if err != nil {
		return operation.Effect{}, err
	}
	return operation.Effect{
		Trail: map[string]any{"vpcSet": trailIDs("vpcId", ids), "filterSet": trailFilters(req.Form)},
		Run: func() (any, error) {
			all, err := selected(ids, req.View().VPCs(), func(v region.VPC) string { return v.ID }, region.MissingVPC)
			if err != nil {
				return nil, err
			}
			var answer struct {
				VPCs []vpcXML `xml:"vpcSet>item"`
				Next string   `xml:"nextToken,omitempty"`
			}
			var match []region.VPC
			for _, v := range all {
				if passesAll(fs, vpcValues(req, v)) {
					match = append(match, v)
				}
			}
			match, answer.Next = cut(p, match, func(v region.VPC) string { return v.ID })
			for _, v := range match {
				answer.VPCs = append(answer.VPCs, vpcXML{
					ID: v.ID, OwnerID: req.Region.Account(), State: "available", CIDR: v.CIDR.String(),
					CIDRSet: []cidr{{cidrAssociation(v), v.CIDR.String(), "associated"}},
					IPv6Set: vpcIPv6(req, v),
					DHCP:    dhcpOptions(v), Tenancy: "default", Default: v.Default, TagItems: toTags(v.Tags),
				})
			}
			return answer, nil
		},
	}, nil
}

type subnetXML struct {
	ID          string   `xml:"subnetId"`
	ARN         string   `xml:"subnetArn"`
	State       string   `xml:"state"`
	OwnerID     string   `xml:"ownerId"`
	VPCID       string   `xml:"vpcId"`
	CIDR        string   `xml:"cidrBlock,omitempty"`
	IPv6Set     ipv6Set  `xml:"ipv6CidrBlockAssociationSet"`
	Available   int      `xml:"availableIpAddressCount"`
	Zone        string   `xml:"availabilityZone"`
	ZoneID      string   `xml:"availabilityZoneId"`
	ZoneDefault bool     `xml:"defaultForAz"`
	PublicIP    bool     `xml:"mapPublicIpOnLaunch"`
	IPv6        bool     `xml:"assignIpv6AddressOnCreation"`
	IPv6Native  bool     `xml:"ipv6Native"`
	DNS64       bool     `xml:"enableDns64"`
	Hostname    string   `xml:"privateDnsNameOptionsOnLaunch>hostnameType"`
	HostnameA   bool     `xml:"privateDnsNameOptionsOnLaunch>enableResourceNameDnsARecord"`
	HostnameA6  bool     `xml:"privateDnsNameOptionsOnLaunch>enableResourceNameDnsAAAARecord"`
	Tags        []tagXML `xml:"tagSet>item"`
}

// zoneID is the id of an Availability Zone: for Tokyo those of AWS, elsewhere one made up from the name.
func zoneID(zone string) string {
	switch zone {
	case "ap-northeast-1a":
		return "apne1-az4"
	case "ap-northeast-1c":
		return "apne1-az1"
	case "ap-northeast-1d":
		return "apne1-az2"
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(zone))
	return zone + "-az" + strconv.Itoa(int(h.Sum32()%4)+1)
}

// available is how many addresses the subnet has left: AWS keeps five for itself.
func available(req *operation.Request, s region.Subnet) int {
	if !s.CIDR.IsValid() {
		return 0
	}
	n := 1<<(32-s.CIDR.Bits()) - 5
	for _, i := range req.Region.View(time.Time{}).NetworkInterfaces() {
		if i.SubnetID == s.ID {
			n--
		}
	}
	return n
}

// ownerOf is the account that a subnet belongs to: another one where it is shared (RAM).
func ownerOf(req *operation.Request, s region.Subnet) string {
	return cmp.Or(s.OwnerID, req.Region.Account())
}

// shownCIDR is the IPv4 block that a subnet shows: one with IPv6 alone has none.
func shownCIDR(s region.Subnet) string {
	if s.IPv6Native {
		return ""
	}
	return s.CIDR.String()
}

// hostnameType is what hosts are named by: without IPv4 they have no name by its address.
func hostnameType(s region.Subnet) string {
	if s.IPv6Native {
		return "resource-name"
	}
	return "ip-name"
}

func subnetValues(req *operation.Request, s region.Subnet) values {
	return func(name string) ([]string, bool) {
		if list, ok := tagValues(name, s.Tags); ok {
			return list, true
		}
		switch name {
		case "subnet-id":
			return []string{s.ID}, true
		case "subnet-arn":
			return []string{req.Region.ARN("ec2", "subnet/"+s.ID)}, true
		case "vpc-id":
			return []string{s.VPCID}, true
		case "cidr-block", "cidr", "cidrBlock":
			return []string{shownCIDR(s)}, true
		case "availability-zone", "availabilityZone":
			return []string{s.AvailabilityZone}, true
		case "availability-zone-id", "availabilityZoneId":
			return []string{zoneID(s.AvailabilityZone)}, true
		case "available-ip-address-count":
			return []string{strconv.Itoa(available(req, s))}, true
		case "enable-dns64":
			return []string{strconv.FormatBool(s.DNS64)}, true
		case "ipv6-native":
			return []string{strconv.FormatBool(s.IPv6Native)}, true
		case "default-for-az", "defaultForAz", "map-customer-owned-ip-on-launch",
			"private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
			"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record":
			return []string{"false"}, true
		case "map-public-ip-on-launch":
			return []string{strconv.FormatBool(s.PublicIP)}, true
		case "owner-id":
			return []string{ownerOf(req, s)}, true
		case "state":
			return []string{"available"}, true
		case "private-dns-name-options-on-launch.hostname-type":
			return []string{hostnameType(s)}, true
		case "customer-owned-ipv4-pool", "enable-lni-at-device-index", "outpost-arn":
			return nil, true
		}
		return ipv6Values(subnetIPv6(s), name)
	}
}

func describeSubnets(req *operation.Request) (operation.Effect, error) {
	ids := operation.List(req.Form, "SubnetId")
	for _, id := range ids {
		if err := region.CheckSubnetID(id); err != nil {
			return operation.Effect{}, err
		}
	}
	p, err := pages(req.Form, "subnetIds", ids)
	if err != nil {
		return operation.Effect{}, err
	}
	fs, err := filters(req.Form, subnetValues(req, region.Subnet{}))
	if err != nil {
		return operation.Effect{}, err
	}
	return operation.Effect{
		Trail: map[string]any{"subnetSet": trailIDs("subnetId", ids), "filterSet": trailFilters(req.Form)},
		Run: func() (any, error) {
			all, err := selected(ids, req.View().Subnets(), func(s region.Subnet) string { return s.ID }, region.MissingSubnet)
			if err != nil {
				return nil, err
			}
			var answer struct {
				Subnets []subnetXML `xml:"subnetSet>item"`
				Next    string      `xml:"nextToken,omitempty"`
			}
			var match []region.Subnet
			for _, s := range all {
				if passesAll(fs, subnetValues(req, s)) {
					match = append(match, s)
				}
			}
			match, answer.Next = cut(p, match, func(s region.Subnet) string { return s.ID })
			for _, s := range match {
				answer.Subnets = append(answer.Subnets, subnetXML{
					ID: s.ID, ARN: req.Region.ARN("ec2", "subnet/"+s.ID), State: "available", OwnerID: ownerOf(req, s), VPCID: s.VPCID,
					CIDR: shownCIDR(s), IPv6Native: s.IPv6Native, DNS64: s.DNS64, Available: available(req, s), Zone: s.AvailabilityZone, ZoneID: zoneID(s.AvailabilityZone),
					PublicIP: s.PublicIP, Hostname: hostnameType(s), Tags: toTags(s.Tags), IPv6Set: subnetIPv6(s),
				})
			}
			return answer, nil
		},
	}, nil
}
