// SPDX-License-Identifier: Apache-2.0

package networkacl

import (
	"cmp"
	"net/netip"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// EffectiveQuota is the quota a direction and family, the default entry included: the one given, or
// DefaultQuota for 0, and at least what a network ACL has already, since AWS let that come to be.
func EffectiveQuota(quota int, entries []Entry) int {
	quota = cmp.Or(quota, DefaultQuota)
	type kind struct {
		egress bool
		family Family
	}

	standing := map[kind]int{}
	for _, e := range entries {
		if k := (kind{e.Egress, FamilyOf(e.CIDR)}); !e.IsDefault() {
			standing[k]++
			quota = max(quota, 1+standing[k])
		}
	}
	return quota
}

// Room is for how many further outbound entries of each family a network ACL has room, given its
// entries, the lines that are to be added and the quota a direction and family, the default entry
// included. Below zero: so many are too many.
func Room(entries []Entry, more []v1alpha1.Rule, quota int) map[Family]int {
	quota = EffectiveQuota(quota, entries)
	room := map[Family]int{IPv4: quota - 1, IPv6: quota - 1}
	for _, e := range outbound(entries) {
		room[FamilyOf(e.CIDR)]--
	}
	for _, line := range more {
		if cidr, err := netip.ParsePrefix(line.CIDR); err == nil {
			room[FamilyOf(cidr)]--
		}
	}
	return room
}
