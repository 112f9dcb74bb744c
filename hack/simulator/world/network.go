// SPDX-License-Identifier: Apache-2.0

package world

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// checkNetwork looks at VPCs, network ACLs and subnets.
func (w *World) checkNetwork(c *checker) {
	w.checkQuotas(c)
	vpcs := map[string]netip.Prefix{}
	for i, v := range w.VPCs {
		at := fmt.Sprintf("vpcs[%d]", i)
		c.id(at+".id", "VPC", v.ID, region.CheckVPCID)
		c.tags(at+".tags", v.Tags)
		if p, ok := c.prefix(at+".cidr", v.CIDR); ok {
			vpcs[v.ID] = p
		}
		c.ipv6(at+".ipv6CIDR", v.IPv6CIDR, region.LongestVPCIPv6)
	}
	defaults := map[string]string{}
	aclVPC := map[string]string{}
	for i, a := range w.NetworkACLs {
		at := fmt.Sprintf("networkACLs[%d]", i)
		c.id(at+".id", "network ACL", a.ID, region.CheckNetworkACLID)
		c.known(at+".vpc", "VPC", a.VPC, "vpcs")
		c.tags(at+".tags", a.Tags)
		aclVPC[a.ID] = a.VPC
		if a.Default {
			if first, ok := defaults[a.VPC]; ok {
				c.add(at+".default", "VPC %s has the default network ACL %s already; a VPC has one", a.VPC, first)
			}
			defaults[a.VPC] = a.ID
		}
		c.entries(at, a.Entries, cmp.Or(w.Quotas.RulesPerNetworkACL, region.EntriesPerDirection))
	}
	for i, v := range w.VPCs {
		if defaults[v.ID] == "" {
			c.add(fmt.Sprintf("vpcs[%d]", i), "no network ACL of %s says default: true; every VPC has a default one", v.ID)
		}
	}
	type block struct {
		at     string
		prefix netip.Prefix
	}
	blocks := map[string][]block{}
	for i, s := range w.Subnets {
		at := fmt.Sprintf("subnets[%d]", i)
		c.id(at+".id", "subnet", s.ID, region.CheckSubnetID)
		c.tags(at+".tags", s.Tags)
		c.known(at+".vpc", "VPC", s.VPC, "vpcs")
		if s.AvailabilityZone == "" || !strings.HasPrefix(s.AvailabilityZone, w.Region) {
			c.add(at+".availabilityZone", "%q; write a zone of the Region, like %sa", s.AvailabilityZone, w.Region)
		}
		if s.Owner != "" && !accountPattern.MatchString(s.Owner) {
			c.add(at+".owner", "%q is no account id; write 12 digits in quotes", s.Owner)
		}
		if s.AssociationID != "" {
			c.id(at+".associationID", "association", s.AssociationID, region.CheckAssociationID)
		}
		if s.NetworkACL != "" && c.known(at+".networkACL", "network ACL", s.NetworkACL, "networkACLs") && aclVPC[s.NetworkACL] != s.VPC {
			c.add(at+".networkACL", "%s is of VPC %s, the subnet of %s; a subnet has an ACL of its own VPC", s.NetworkACL, aclVPC[s.NetworkACL], s.VPC)
		}
		if six, ok := c.ipv6(at+".ipv6CIDR", s.IPv6CIDR, region.LongestSubnetIPv6); ok {
			w.checkSubnetIPv6(c, at+".ipv6CIDR", i, six)
		}
		if s.IPv6Native && s.IPv6CIDR == "" {
			c.add(at+".ipv6Native", "is true and ipv6CIDR is missing; write one")
		}
		p, ok := c.prefix(at+".cidr", s.CIDR)
		if !ok {
			continue
		}
		if vpc, ok := vpcs[s.VPC]; ok && (!vpc.Contains(p.Addr()) || p.Bits() < vpc.Bits()) {
			c.add(at+".cidr", "%s lies outside of %s, the VPC's; take a block within it", p, vpc)
		}
		for _, b := range blocks[s.VPC] {
			if b.prefix.Overlaps(p) {
				c.add(at+".cidr", "%s overlaps %s of %s; take a block that is free", p, b.prefix, b.at)
			}
		}
		blocks[s.VPC] = append(blocks[s.VPC], block{at, p})
	}
}

func (c *checker) id(at, kind, id string, check func(string) error) {
	if err := check(id); err != nil {
		c.add(at, "%q is no id of a %s; write its prefix and 17 hexadecimal digits", id, kind)
	}
	c.unique(at, kind, id)
}

func (w *World) checkQuotas(c *checker) {
	if q := w.Quotas.RulesPerNetworkACL; q < 0 || q > region.EntriesMax {
		c.add("quotas.rulesPerNetworkACL", "%d; write 1 to %d", q, region.EntriesMax)
	}
	if q := w.Quotas.NetworkACLsPerVPC; q < 0 {
		c.add("quotas.networkACLsPerVPC", "%d; write 1 or more", q)
	}
}

func (c *checker) entries(at string, entries []Entry, quota int) {
	numbers := map[string]int{}
	counts := map[string]int{}
	for i, e := range entries {
		at := fmt.Sprintf("%s.entries[%d]", at, i)
		entry, err := e.entry()
		if err != nil {
			c.add(at, "%v", err)
			continue
		}
		if err := region.CheckEntry(entry); err != nil {
			c.add(at, "%v", err)
		}
		key := fmt.Sprintf("%v/%d", entry.Egress, entry.RuleNumber)
		if first, ok := numbers[key]; ok {
			c.add(at+".rule", "entries[%d] has %s rule %d already; take another number", first, e.Direction, e.Rule)
		}
		numbers[key] = i
		family := fmt.Sprintf("%v/%v", entry.Egress, entry.CIDR.Addr().Is4())
		if counts[family]++; counts[family] == quota {
			c.add(at, "more than %d %s entries of one address family, the default one included", quota, e.Direction)
		}
	}
}

var protocols = map[string]int{"": acl.All, "all": acl.All, "tcp": acl.TCP, "udp": acl.UDP, "icmp": acl.ICMP, "icmpv6": acl.ICMPv6}

// entry is the rule as the Region has it.
func (e Entry) entry() (acl.Entry, error) {
	out := acl.Entry{RuleNumber: e.Rule, Type: acl.Any, Code: acl.Any}
	switch e.Direction {
	case "egress":
		out.Egress = true
	case "ingress":
	default:
		return out, fmt.Errorf("direction %q; write egress or ingress", e.Direction)
	}
	switch e.Action {
	case "allow":
		out.Allow = true
	case "deny":
	default:
		return out, fmt.Errorf("action %q; write allow or deny", e.Action)
	}
	var ok bool
	if out.Protocol, ok = protocols[e.Protocol]; !ok {
		n, err := strconv.Atoi(e.Protocol)
		if err != nil {
			return out, fmt.Errorf("protocol %q; write all, tcp, udp, icmp or a number", e.Protocol)
		}
		out.Protocol = n
	}
	p, err := netip.ParsePrefix(e.CIDR)
	if err != nil {
		return out, fmt.Errorf("cidr %q is no CIDR block; write one like 10.0.1.0/24", e.CIDR)
	}
	out.CIDR = p.Masked()
	if !out.HasICMP() {
		out.Type, out.Code = 0, 0
	}
	if e.ICMPType != nil {
		out.Type = *e.ICMPType
	}
	if e.ICMPCode != nil {
		out.Code = *e.ICMPCode
	}
	if out.HasPorts() != (e.Ports != "") {
		return out, fmt.Errorf("ports %q; tcp and udp need a port or a range such as 1024-65535, other protocols have none", e.Ports)
	}
	if e.Ports != "" {
		from, to, ranged := strings.Cut(e.Ports, "-")
		if !ranged {
			to = from
		}
		var err1, err2 error
		out.From, err1 = strconv.Atoi(from)
		out.To, err2 = strconv.Atoi(to)
		if err1 != nil || err2 != nil {
			return out, fmt.Errorf("ports %q; write a port or a range such as 1024-65535", e.Ports)
		}
	}
	return out, nil
}
