// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/netip"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// ipv6Set are the IPv6 CIDR blocks of a VPC or a subnet: one or none.
type ipv6Set struct {
	Items []ipv6Block `xml:"item"`
}

type ipv6Block struct {
	ID          string `xml:"associationId"`
	CIDR        string `xml:"ipv6CidrBlock"`
	State       string `xml:"ipv6CidrBlockState>state"`
	BorderGroup string `xml:"networkBorderGroup,omitempty"`
	Pool        string `xml:"ipv6Pool,omitempty"`
	Attribute   string `xml:"ipv6AddressAttribute"`
	Source      string `xml:"ipSource"`
}

func vpcIPv6(req *operation.Request, v region.VPC) ipv6Set {
	if !v.IPv6CIDR.IsValid() {
		return ipv6Set{}
	}
	b := newIPv6Block("vpc-cidr-assoc-"+turned(suffix(v.ID)), v.IPv6CIDR)
	b.BorderGroup, b.Pool = req.Region.Name(), "Amazon"
	return ipv6Set{[]ipv6Block{b}}
}

func subnetIPv6(s region.Subnet) ipv6Set {
	if !s.IPv6CIDR.IsValid() {
		return ipv6Set{}
	}
	return ipv6Set{[]ipv6Block{newIPv6Block("subnet-cidr-assoc-"+strings.TrimPrefix(s.ID, "subnet-"), s.IPv6CIDR)}}
}

func newIPv6Block(id string, cidr netip.Prefix) ipv6Block {
	return ipv6Block{ID: id, CIDR: cidr.String(), State: "associated", Attribute: "public", Source: "amazon"}
}

// turned makes another id out of one, as the VPC's IPv4 block has an association of its own.
func turned(id string) string {
	if len(id) < 2 {
		return id
	}
	return id[:1] + id[len(id)/2:] + id[1:len(id)/2]
}

// ipv6Values are what filters see of IPv6 CIDR blocks.
func ipv6Values(set ipv6Set, name string) (list []string, ok bool) {
	attribute, ok := strings.CutPrefix(name, "ipv6-cidr-block-association.")
	if !ok {
		return nil, false
	}
	for _, b := range append(set.Items, ipv6Block{}) {
		v := map[string]string{
			"ipv6-cidr-block": b.CIDR, "association-id": b.ID, "state": b.State, "ipv6-pool": b.Pool,
		}
		value, known := v[attribute]
		if !known {
			return nil, false
		}
		if value != "" {
			list = append(list, value)
		}
	}
	return list, true
}
