// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// domain begins the keys of the product's tags. The tag with which a subnet consents has it too, and is its owner's.
const domain = "agentdisconnect.dev/"

// ThirdParties are the Region as it would be had the product never been there: what all others did, and nothing more.
type ThirdParties struct {
	acls map[string]*foreign
	// homes are the network ACLs of the subnets, by id.
	homes map[string]string
	// tags are those of the subnets.
	tags map[string]map[string]string
}

// foreign is what is not the product's of one network ACL.
type foreign struct {
	entries map[place]acl.Entry
	tags    map[string]string
	// adopted says that it was a clone, which stays since its original was deleted: the numbers of its entries are its own.
	adopted bool
	// unknown says that the clone may lack what was last done to the original: it can no longer be looked up.
	unknown bool
}

// place is where an entry stands within its network ACL.
type place struct {
	egress bool
	number int
}

func placeOf(e acl.Entry) place { return place{e.Egress, e.RuleNumber} }

// Found are the third parties as a Region shows them before the product was there.
func Found(view region.View) *ThirdParties {
	s := &ThirdParties{acls: map[string]*foreign{}, homes: map[string]string{}, tags: map[string]map[string]string{}}
	for _, found := range view.NetworkACLs() {
		s.AddACL(found.ID, found.Entries, found.Tags)
	}
	for _, subnet := range view.Subnets() {
		s.homes[subnet.ID] = subnet.NetworkACLID
		s.tags[subnet.ID] = maps.Clone(subnet.Tags)
	}
	return s
}

// AddACL notes a network ACL of third parties.
func (s *ThirdParties) AddACL(id string, entries []acl.Entry, tags map[string]string) {
	f := &foreign{entries: map[place]acl.Entry{}, tags: map[string]string{}}
	for _, e := range entries {
		f.entries[placeOf(e)] = e
	}
	maps.Copy(f.tags, tags)
	s.acls[id] = f
}

// Has reports whether third parties have a network ACL.
func (s *ThirdParties) Has(id string) bool { return s.acls[id] != nil }

// Put notes that a third party made an entry, or replaced one.
func (s *ThirdParties) Put(id string, e acl.Entry) {
	if f := s.acls[id]; f != nil {
		f.entries[placeOf(e)] = e
		f.unknown = f.adopted // the numbers of its entries are its own
	}
}

// Drop notes that a third party deleted an entry.
func (s *ThirdParties) Drop(id string, e acl.Entry) {
	if f := s.acls[id]; f != nil {
		delete(f.entries, placeOf(e))
		f.unknown = f.adopted
	}
}

// Entries are the third parties' entries of a network ACL that can be edited, in order.
func (s *ThirdParties) Entries(id string) []acl.Entry {
	f := s.acls[id]
	if f == nil {
		return nil
	}
	entries := slices.DeleteFunc(slices.Collect(maps.Values(f.entries)), acl.Entry.Default)
	slices.SortFunc(entries, func(a, b acl.Entry) int { return strings.Compare(order(a), order(b)) })
	return entries
}

func order(e acl.Entry) string { return fmt.Sprintf("%t %5d", e.Egress, e.RuleNumber) }

// Tag notes that a third party gave a network ACL or a subnet a tag, Untag that one was taken away.
func (s *ThirdParties) Tag(id, key, value string) {
	if f := s.acls[id]; f != nil {
		f.tags[key] = value
	} else if s.tags[id] != nil {
		s.tags[id][key] = value
	}
}

// Untag notes that a third party took a tag away.
func (s *ThirdParties) Untag(id, key string) {
	if f := s.acls[id]; f != nil {
		delete(f.tags, key)
	}
	delete(s.tags[id], key)
}

// Home is the network ACL that a subnet would have.
func (s *ThirdParties) Home(subnet string) string { return s.homes[subnet] }

// Move notes that a third party gave a subnet another network ACL.
func (s *ThirdParties) Move(subnet, id string) { s.homes[subnet] = id }

// DeleteACL notes that a third party deleted a network ACL. A subnet that would be on it is on a clone of it. The clone
// stays in place of its original, unless its subnet leaves it before the manager sees that. current reports whether the
// clones had all that the original did.
func (s *ThirdParties) DeleteACL(id string, current bool, on func(subnet string) string) {
	gone := s.acls[id]
	delete(s.acls, id)
	for subnet, home := range s.homes {
		if home == id && gone != nil {
			clone := on(subnet)
			s.homes[subnet] = clone
			s.acls[clone] = &foreign{entries: maps.Clone(gone.entries), tags: map[string]string{}, adopted: true, unknown: !current}
		}
	}
}

// Owned says what of a Region is the product's for now.
type Owned struct {
	// Entry reports whether an entry is one that the product made.
	Entry func(aclID string, e acl.Entry) bool
	// Clone is the subnet that a network ACL was made for, where the product made it.
	Clone func(aclID string) (subnet string, made bool)
}

// NothingOwned is what a Region is held against when all is over.
var NothingOwned = Owned{
	Entry: func(string, acl.Entry) bool { return false },
	Clone: func(string) (string, bool) { return "", false },
}

// Differences are what of a Region is neither the third parties' nor the product's, or is the third parties' and lacking.
func (s *ThirdParties) Differences(view region.View, owned Owned) []string {
	var out []string
	seen := map[string]bool{}
	for _, found := range view.NetworkACLs() {
		seen[found.ID] = true
		if _, made := owned.Clone(found.ID); made {
			continue
		}
		f := s.acls[found.ID]
		if f == nil {
			out = append(out, fmt.Sprintf("network ACL %s is left: %v", found.ID, found.Tags))
			continue
		}
		out = append(out, f.differences(found, owned)...)
	}
	for id, f := range s.acls {
		if !seen[id] && !f.adopted {
			out = append(out, "network ACL "+id+" is gone")
		}
	}
	out = append(out, s.subnetDifferences(view, owned)...)
	slices.Sort(out)
	return out
}

func (s *ThirdParties) subnetDifferences(view region.View, owned Owned) []string {
	var out []string
	for _, subnet := range view.Subnets() {
		home := s.homes[subnet.ID]
		target, made := owned.Clone(subnet.NetworkACLID)
		if subnet.NetworkACLID != home && (!made || target != subnet.ID) {
			out = append(out, fmt.Sprintf("subnet %s is on network ACL %s and not on %s", subnet.ID, subnet.NetworkACLID, home))
		}
		if !maps.Equal(subnet.Tags, s.tags[subnet.ID]) {
			out = append(out, fmt.Sprintf("subnet %s has the tags %v and not %v", subnet.ID, subnet.Tags, s.tags[subnet.ID]))
		}
	}
	return out
}

// differences are those of one network ACL. The product's tags don't count while something of it may be there.
func (f *foreign) differences(found region.ACL, owned Owned) []string {
	if f.adopted {
		return f.adoptedDifferences(found)
	}
	var out []string
	there := map[place]bool{}
	for _, e := range found.Entries {
		if want, foreigners := f.entries[placeOf(e)]; foreigners && want == e {
			there[placeOf(e)] = true
		} else if !owned.Entry(found.ID, e) {
			out = append(out, fmt.Sprintf("network ACL %s has %q", found.ID, region.DescribeEntry(e)))
		}
	}
	for at, e := range f.entries {
		if !there[at] {
			out = append(out, fmt.Sprintf("network ACL %s lacks %q", found.ID, region.DescribeEntry(e)))
		}
	}
	if got := foreignTags(found.Tags); !maps.Equal(got, f.tags) {
		out = append(out, fmt.Sprintf("network ACL %s has the tags %v and not %v", found.ID, got, f.tags))
	}
	return out
}

// adoptedDifferences are those of a clone that stays, once it is its subnet's alone: the entries of its original in
// their order, and one tag that says what it was.
func (f *foreign) adoptedDifferences(found region.ACL) []string {
	var out []string
	if got, want := unnumbered(found.Entries), unnumbered(slices.Collect(maps.Values(f.entries))); !f.unknown && !slices.Equal(got, want) {
		out = append(out, fmt.Sprintf("network ACL %s, which stays, has %q, not %q", found.ID, got, want))
	}
	for key := range found.Tags {
		if _, theirs := f.tags[key]; key != domain+"adopted" && !theirs {
			out = append(out, fmt.Sprintf("network ACL %s, which stays, has the tag %s", found.ID, key))
		}
	}
	return out
}

// unnumbered are entries in order, without their numbers.
func unnumbered(entries []acl.Entry) []string {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b acl.Entry) int { return strings.Compare(order(a), order(b)) })
	var out []string
	for _, e := range entries {
		e.RuleNumber = 0
		out = append(out, region.DescribeEntry(e))
	}
	return out
}

func foreignTags(tags map[string]string) map[string]string {
	out := maps.Clone(tags)
	maps.DeleteFunc(out, func(key, _ string) bool { return strings.HasPrefix(key, domain) })
	if out == nil {
		out = map[string]string{}
	}
	return out
}

// ProductTags are the product's tags in a Region, as "network ACL: key".
func ProductTags(view region.View) []string {
	var out []string
	for _, found := range view.NetworkACLs() {
		for _, key := range slices.Sorted(maps.Keys(found.Tags)) {
			if strings.HasPrefix(key, domain) && key != domain+"adopted" {
				out = append(out, found.ID+": "+key)
			}
		}
	}
	return out
}
