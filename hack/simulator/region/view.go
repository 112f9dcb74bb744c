// SPDX-License-Identifier: Apache-2.0

package region

import (
	"maps"
	"slices"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

// VPCs are all VPCs, by id.
func (v View) VPCs() []VPC { return sortedValues(v.s.vpcs.m) }

// VPC is one VPC.
func (v View) VPC(id string) (VPC, bool) {
	p, ok := v.s.vpcs.m[id]
	return p, ok
}

// Subnets are all subnets, by id.
func (v View) Subnets() []Subnet { return sortedValues(v.s.subnets.m) }

// Subnet is one subnet.
func (v View) Subnet(id string) (Subnet, bool) {
	s, ok := v.s.subnets.m[id]
	return s, ok
}

// NetworkACLs are all network ACLs with their associations, by id.
func (v View) NetworkACLs() []ACL {
	out := sortedValues(v.s.acls.m)
	for i := range out {
		out[i] = v.complete(out[i])
	}
	return out
}

// NetworkACL is one network ACL.
func (v View) NetworkACL(id string) (ACL, bool) {
	a, ok := v.s.acls.m[id]
	if !ok {
		return ACL{}, false
	}
	return v.complete(a), true
}

func (v View) complete(a ACL) ACL {
	a.Entries, a.Tags, a.Associations = slices.Clone(a.Entries), maps.Clone(a.Tags), nil
	sortEntries(a.Entries)
	for _, s := range sortedValues(v.s.subnets.m) {
		if s.NetworkACLID == a.ID {
			a.Associations = append(a.Associations, Association{ID: s.AssociationID, NetworkACLID: a.ID, SubnetID: s.ID})
		}
	}
	return a
}

// SubnetACL is the network ACL that a subnet has.
func (v View) SubnetACL(subnetID string) (ACL, bool) {
	s, ok := v.s.subnets.m[subnetID]
	if !ok {
		return ACL{}, false
	}
	return v.NetworkACL(s.NetworkACLID)
}

// MissingVPC is the error for a VPC that doesn't exist.
func MissingVPC(id string) error { return kindVPC.missing(id) }

// MissingSubnet is the error for a subnet that doesn't exist.
func MissingSubnet(id string) error { return kindSubnet.missing(id) }

// MissingNetworkACL is the error for a network ACL that doesn't exist.
func MissingNetworkACL(id string) error { return kindACL.missing(id) }

// NetworkACL is a deep copy of one network ACL as it is now, its entries sorted.
func (r *Region) NetworkACL(id string) (ACL, bool) { return r.View(zeroTime).NetworkACL(id) }

// SubnetACL is a deep copy of the network ACL that a subnet has now.
func (r *Region) SubnetACL(subnetID string) (ACL, bool) { return r.View(zeroTime).SubnetACL(subnetID) }

// Allows reports whether a packet may leave or enter a subnet now. A subnet that doesn't exist passes nothing, a host in
// no subnet (empty) everything: it is outside of AWS.
func (r *Region) Allows(subnetID string, p acl.Packet) bool {
	r.mu.Lock()
	s := r.current
	r.mu.Unlock()
	sub, ok := s.subnets.m[subnetID]
	return subnetID == "" || ok && acl.Allows(s.acls.m[sub.NetworkACLID].Entries, p)
}
