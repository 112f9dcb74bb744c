// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"net/netip"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// What managers made, from their calls and from the Region before and after these.

// Entry is an entry that a manager made.
type Entry struct {
	acl.Entry
	// ACL is the id of its network ACL.
	ACL string
	// UID is the run whose rule it is: empty for a copy on a clone, Unknown for an entry that no
	// tag claims.
	UID string
}

// Unknown is the owner of an entry that no tag claims.
const Unknown = "unknown"

// Clone is a network ACL that a manager made: for which run, of which one, for which subnet.
type Clone struct{ UID, Original, Subnet string }

// noteCreated notes an entry that a call made. AWS may have done what it was asked for although the
// manager is told otherwise: c.Error is of the effect.
func (a *Audit) noteCreated(c call.Call) {
	id := c.Param("NetworkAclId")
	e, there := a.subject(c)
	if !there || c.Error != "" {
		return
	}
	tagged := a.claimant(id, e)

	a.mu.Lock()
	if a.entries[id] == nil {
		a.entries[id] = map[place]Entry{}
	}
	owner := a.ownerOf(id, e, tagged)
	a.entries[id][placeOf(e)] = Entry{e, id, owner}
	a.mu.Unlock()

	if owner == Unknown {
		a.violated(Unclaimed, "entry %s %s was created without a tag that names its owner", id, region.DescribeEntry(e))
	}
}

// claimant is the run that the tags on a network ACL name as owner of an entry; empty: none.
func (a *Audit) claimant(id string, e acl.Entry) string {
	found, _ := a.region.NetworkACL(id)
	claims, _ := ownership.ParseClaims(found.Tags)
	return claimantAmong(claims, e)
}

func claimantAmong(claims []ownership.Claim, e acl.Entry) string {
	if !deniesAll(e) {
		return ""
	}
	for _, claim := range claims {
		if claim.Owns(networkacl.Deny(int32(e.RuleNumber), e.CIDR)) {
			return claim.UID
		}
	}
	return ""
}

// ownerOf is the run whose rule an entry is that a manager has just made, where its tags name the
// given one. A third party may have stripped the tags since they were written. The lock must be
// held.
func (a *Audit) ownerOf(id string, e acl.Entry, tagged string) string {
	if tagged != "" {
		return tagged
	}
	if written := claimantAmong(a.claims[id], e); written != "" {
		return written
	}
	made, isClone := a.clones[id]
	if !isClone {
		return Unknown
	}
	original, _ := a.region.NetworkACL(made.Original)
	isCopy := slices.ContainsFunc(original.Entries, func(o acl.Entry) bool {
		return o.Egress && !o.Allow && o.CIDR == e.CIDR && o.Protocol == e.Protocol
	})
	if deniesAll(e) && e.CIDR.IsSingleIP() && !isCopy {
		return made.UID
	}
	return ""
}

// deniesAll reports whether an entry denies all traffic to a range, as rules do.
func deniesAll(e acl.Entry) bool { return e.Egress && !e.Allow && e.Protocol == acl.All }

func (a *Audit) noteDeleted(c call.Call) {
	if _, there := a.subject(c); there {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.entries[c.Param("NetworkAclId")], placeIn(c))
}

// noteCloned notes the network ACL that a call made. By its token the call may have got one that is
// known.
func (a *Audit) noteCloned(c call.Call) {
	uid := tagsIn(c, "TagSpecification.1.")[ownership.TagClone]
	for _, found := range a.region.View(present).NetworkACLs() {
		if c.Error != "" || uid == "" || found.Tags[ownership.TagClone] != uid {
			continue
		}
		a.mu.Lock()
		if _, known := a.clones[found.ID]; !known {
			a.clones[found.ID] = Clone{uid, found.Tags[ownership.TagOriginal], found.Tags[ownership.TagSubnet]}
		}
		a.mu.Unlock()
		a.noteClaims(found)
	}
}

// noteTagged notes what the tags on a network ACL claim after a manager wrote them.
func (a *Audit) noteTagged(c call.Call) {
	if found, there := a.region.NetworkACL(c.Param("ResourceId.1")); there && c.Error == "" {
		a.noteClaims(found)
	}
}

func (a *Audit) noteClaims(found region.ACL) {
	claims, _ := ownership.ParseClaims(found.Tags)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.claims[found.ID] = claims
}

// Lost notes that a third party deleted or replaced an entry that a manager made.
func (a *Audit) Lost(id string, e acl.Entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.entries[id], placeOf(e))
}

// Discarded notes that a network ACL is gone with its entries, if it is.
func (a *Audit) Discarded(id string) {
	if _, there := a.region.NetworkACL(id); there {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.entries, id)
	delete(a.claims, id)
}

// Entry is what a manager made of an entry that stands on a network ACL, if it made it.
func (a *Audit) Entry(id string, e acl.Entry) (made Entry, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	made, known = a.entries[id][placeOf(e)]
	return made, known && made.Entry == e
}

// Made reports whether a manager made an entry that stands on a network ACL.
func (a *Audit) Made(id string, e acl.Entry) bool {
	_, made := a.Entry(id, e)
	return made
}

// Left are the entries of network ACLs that managers made.
func (a *Audit) Left(acls ...region.ACL) (left []Entry) {
	for _, found := range acls {
		for _, e := range found.Entries {
			if made, known := a.Entry(found.ID, e); known {
				left = append(left, made)
			}
		}
	}
	return left
}

// Rules are the rules of runs that stand in the Region, by network ACL and range: the run that each
// is of.
func (a *Audit) Rules() map[string]map[netip.Prefix]string {
	rules := map[string]map[netip.Prefix]string{}
	for _, made := range a.Left(a.region.View(present).NetworkACLs()...) {
		if made.UID == "" || !deniesAll(made.Entry) {
			continue
		}
		if rules[made.ACL] == nil {
			rules[made.ACL] = map[netip.Prefix]string{}
		}
		rules[made.ACL][made.CIDR] = made.UID
	}
	return rules
}

// Clone is what a manager made a network ACL for, if it made it.
func (a *Audit) Clone(id string) (made Clone, isClone bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	made, isClone = a.clones[id]
	return made, isClone
}

// hasTagged reports whether a manager wrote a line of a run's ledger into the tags of the network
// ACL. A third party may have stripped them since.
func (a *Audit) hasTagged(obj *v1alpha1.AgentDisconnect, rule v1alpha1.Rule) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.claims[rule.NetworkACLID], func(claim ownership.Claim) bool {
		return claim.UID == string(obj.UID) && claim.Covers(rule)
	})
}

// present asks a Region for its View of now.
var present time.Time
