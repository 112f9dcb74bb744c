// SPDX-License-Identifier: Apache-2.0

package region

import (
	"fmt"
	"slices"
	"strconv"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

// The methods here make and remove what the simulated APIs can't: a world's resources, and what tests let happen to
// them. Mistakes in their arguments are reported as plain errors.

// AddVPC puts a VPC and its default network ACL into the Region. The default ACL's entries beside the "*" ones are the
// caller's: AWS puts an allow-all 100 into both directions. To one that has just that, IPv6 adds its 101, as at AWS.
func (r *Region) AddVPC(v VPC, defaultACL ACL) error {
	defaultACL.VPCID, defaultACL.Default = v.ID, true
	return r.change(func(s *state) error {
		if _, ok := s.vpcs.m[v.ID]; ok {
			return fmt.Errorf("vpc %s is there already", v.ID)
		}
		if v.IPv6CIDR.IsValid() {
			if err := CheckIPv6CIDR(v.IPv6CIDR, LongestVPCIPv6); err != nil {
				return fmt.Errorf("vpc %s: %w", v.ID, err)
			}
			defaultACL.Entries = withIPv6Allow(defaultACL.Entries)
		}
		s.vpcs.put(v.ID, v)
		return s.addACL(defaultACL)
	})
}

// AddNetworkACL puts a network ACL into a VPC. Entries gets the default entries added.
func (r *Region) AddNetworkACL(a ACL) error {
	return r.change(func(s *state) error { return s.addACL(a) })
}

func (s *state) addACL(a ACL) error {
	if _, ok := s.acls.m[a.ID]; ok {
		return fmt.Errorf("network ACL %s is there already", a.ID)
	}
	if _, ok := s.vpcs.m[a.VPCID]; !ok {
		return fmt.Errorf("network ACL %s: no VPC %s", a.ID, a.VPCID)
	}
	a.Entries = append(slices.Clone(a.Entries), s.defaultEntries(a.VPCID)...)
	sortEntries(a.Entries)
	a.Associations = nil
	s.acls.put(a.ID, a)
	return nil
}

// AddSubnet puts a subnet into a VPC. Without a NetworkACLID it has the VPC's default ACL, without an AssociationID it
// gets one.
func (r *Region) AddSubnet(sub Subnet) error {
	return r.change(func(s *state) error {
		if _, ok := s.subnets.m[sub.ID]; ok {
			return fmt.Errorf("subnet %s is there already", sub.ID)
		}
		if _, ok := s.vpcs.m[sub.VPCID]; !ok {
			return fmt.Errorf("subnet %s: no VPC %s", sub.ID, sub.VPCID)
		}
		for _, a := range s.acls.m {
			if sub.NetworkACLID == "" && a.VPCID == sub.VPCID && a.Default {
				sub.NetworkACLID = a.ID
			}
		}
		if a, ok := s.acls.m[sub.NetworkACLID]; !ok || a.VPCID != sub.VPCID {
			return fmt.Errorf("subnet %s: VPC %s has no network ACL %q", sub.ID, sub.VPCID, sub.NetworkACLID)
		}
		if err := s.checkSubnetIPv6(sub); err != nil {
			return err
		}
		if sub.AssociationID == "" {
			sub.AssociationID = r.newID("aclassoc")
		}
		s.subnets.put(sub.ID, sub)
		return nil
	})
}

// DeleteSubnet removes a subnet and its association. Container instances in it are deregistered and interfaces of endpoints
// removed, as they would have to be first.
func (r *Region) DeleteSubnet(id string) error {
	return r.change(func(s *state) error {
		if _, ok := s.subnets.m[id]; !ok {
			return kindSubnet.missing(id)
		}
		s.subnets.drop(id)
		s.instances.remove(func(_ string, i ContainerInstance) bool { return i.SubnetID == id })
		for _, e := range s.endpoints.m {
			e.Interfaces = slices.DeleteFunc(slices.Clone(e.Interfaces), func(n NetworkInterface) bool { return n.SubnetID == id })
			s.endpoints.put(e.ID, e)
		}
		return nil
	})
}

// DeleteVPC removes a VPC with all that is in it.
func (r *Region) DeleteVPC(id string) error {
	return r.change(func(s *state) error {
		if _, ok := s.vpcs.m[id]; !ok {
			return kindVPC.missing(id)
		}
		s.vpcs.drop(id)
		for _, sub := range s.subnets.m {
			if sub.VPCID == id {
				s.subnets.drop(sub.ID)
				s.instances.remove(func(_ string, i ContainerInstance) bool { return i.SubnetID == sub.ID })
			}
		}
		s.acls.remove(func(_ string, a ACL) bool { return a.VPCID == id })
		s.endpoints.remove(func(_ string, e VPCEndpoint) bool { return e.VPCID == id })
		return nil
	})
}

// SetEntries replaces all entries of a network ACL except the default ones, whatever the quotas say.
func (r *Region) SetEntries(aclID string, entries ...acl.Entry) error {
	return r.change(func(s *state) error {
		a, err := s.acl(aclID)
		if err != nil {
			return err
		}
		a.Entries = append(slices.Clone(entries), s.defaultEntries(a.VPCID)...)
		sortEntries(a.Entries)
		s.acls.put(aclID, a)
		return nil
	})
}

// ShareSubnet makes a subnet one that another account owns and shares with this one (RAM).
func (r *Region) ShareSubnet(subnetID, owner string) error {
	return r.change(func(s *state) error {
		sub, ok := s.subnets.m[subnetID]
		if !ok {
			return kindSubnet.missing(subnetID)
		}
		sub.OwnerID = owner
		s.subnets.put(subnetID, sub)
		return nil
	})
}

// SetDNS64 enables or disables DNS64 for a subnet.
func (r *Region) SetDNS64(subnetID string, enabled bool) error {
	return r.change(func(s *state) error {
		sub, ok := s.subnets.m[subnetID]
		if !ok {
			return kindSubnet.missing(subnetID)
		}
		sub.DNS64 = enabled
		s.subnets.put(subnetID, sub)
		return nil
	})
}

// MoveSubnet gives a subnet another network ACL, as a person with the console would.
func (r *Region) MoveSubnet(subnetID, aclID string) error {
	sub, ok := r.View(zeroTime).Subnet(subnetID)
	if !ok {
		return kindSubnet.missing(subnetID)
	}
	_, err := r.ReplaceNetworkACLAssociation(sub.AssociationID, aclID)
	return err
}

// AllowAll is the entry that lets everything of one direction pass.
func AllowAll(number int, egress bool) acl.Entry {
	e := DefaultEntries()[0]
	e.RuleNumber, e.Egress, e.Allow = number, egress, true
	return e
}

// DescribeEntry is an entry on one line, for failure messages: "egress 80 deny -1 52.119.223.69/32".
func DescribeEntry(e acl.Entry) string {
	direction, action := "ingress", "deny"
	if e.Egress {
		direction = "egress"
	}
	if e.Allow {
		action = "allow"
	}
	line := fmt.Sprintf("%s %d %s %d %s", direction, e.RuleNumber, action, e.Protocol, e.CIDR)
	if e.HasPorts() {
		line += " " + strconv.Itoa(e.From) + "-" + strconv.Itoa(e.To)
	}
	if e.HasICMP() {
		line += fmt.Sprintf(" type %d code %d", e.Type, e.Code)
	}
	return line
}

// ForgetHistory makes the present the oldest state that stale reads can see: a world begins complete.
func (r *Region) ForgetHistory() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = nil
}
