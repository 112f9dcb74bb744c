// SPDX-License-Identifier: Apache-2.0

package networkacl

import (
	"slices"
)

// ACL is a network ACL as AWS reports it.
type ACL struct {
	ID    string
	VPCID string
	// Entries are those of both directions, the default ones included, sorted by direction and
	// number.
	Entries []Entry
	// SubnetIDs are the subnets that it is associated with, sorted.
	SubnetIDs []string
	// Associations has the id of each subnet's association, by subnet. It changes whenever the
	// subnet gets another ACL.
	Associations map[string]string
	// Tags are all of its tags, AWS's own (aws:…) included.
	Tags map[string]string
	// Default is true for the ACL that a new subnet of the VPC gets, which can't be deleted.
	Default bool
}

// SortEntries sorts entries in place, by direction and number.
func SortEntries(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int { return a.Place().Compare(b.Place()) })
}

// OtherSubnets are the subnets that have the network ACL beside one.
func (a *ACL) OtherSubnets(subnetID string) []string {
	return slices.DeleteFunc(slices.Clone(a.SubnetIDs), func(id string) bool { return id == subnetID })
}

// SubnetsHit are the subnets that the denies of a run for a subnet act on, sorted: all that have the
// network ACL that carries them, and the run's own. acl is nil where it is not known, or not there.
func SubnetsHit(acl *ACL, subnetID string) []string {
	if acl == nil {
		return []string{subnetID}
	}
	hit := append(acl.OtherSubnets(subnetID), subnetID)
	slices.Sort(hit)
	return slices.Compact(hit)
}
