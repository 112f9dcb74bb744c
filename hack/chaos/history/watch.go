// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// watch sees what the manager asks of AWS, at the moment when AWS does it. Third parties edit the Region itself, so every call
// is the manager's. Only it knows what is ours: nothing that the manager says of itself is believed.
type watch struct {
	region *region.Region
	// violated is told what was promised and not kept.
	violated func(promise, format string, args ...any)

	mu sync.Mutex
	// entries are the entries that the manager made and that stand, by network ACL.
	entries map[string]map[place]owned
	// clones are the network ACLs that the manager made, those that it deleted included.
	clones map[string]clone
	// standing is what calls under way are about, as it was before them.
	standing map[string]acl.Entry
}

type owned struct {
	entry acl.Entry
	uid   string
}

type clone struct{ uid, original, subnet string }

func newWatch(s *sim.Simulator, violated func(promise, format string, args ...any)) *watch {
	w := &watch{
		region: s.Region(), violated: violated, entries: map[string]map[place]owned{}, clones: map[string]clone{}, standing: map[string]acl.Entry{},
	}
	on := func(action string, before, after func(call.Call)) {
		s.Faults().Before(action, func(c call.Call) {
			if !c.DryRun && before != nil {
				before(c)
			}
		})
		s.Faults().After(action, func(c call.Call) {
			if !c.DryRun && after != nil {
				after(c)
			}
		})
	}
	on("ec2:CreateNetworkAclEntry", w.before, w.created)
	on("ec2:ReplaceNetworkAclEntry", w.changing, w.created)
	on("ec2:DeleteNetworkAclEntry", w.changing, w.deleted)
	on("ec2:CreateNetworkAcl", nil, func(call.Call) { w.findClones() })
	on("ec2:DeleteNetworkAcl", w.discarding, func(c call.Call) { w.discarded(c.Param("NetworkAclId")) })
	on("ec2:ReplaceNetworkAclAssociation", w.moving, nil)
	on("ec2:CreateTags", w.tagging, nil)
	on("ec2:DeleteTags", w.tagging, nil)
	return w
}

// subject is the entry that a call is about, as it stands.
func (w *watch) subject(c call.Call) (e acl.Entry, there bool) {
	number, _ := strconv.Atoi(c.Param("RuleNumber"))
	found, _ := w.region.NetworkACL(c.Param("NetworkAclId"))
	i := slices.IndexFunc(found.Entries, func(e acl.Entry) bool {
		return fmt.Sprint(e.Egress) == c.Param("Egress") && e.RuleNumber == number
	})
	if i < 0 {
		return acl.Entry{}, false
	}
	return found.Entries[i], true
}

func spot(c call.Call) string {
	return c.Param("NetworkAclId") + " egress=" + c.Param("Egress") + " " + c.Param("RuleNumber")
}

func (w *watch) before(c call.Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.standing, spot(c))
	if e, there := w.subject(c); there {
		w.standing[spot(c)] = e
	}
}

// changing: only what the manager made is deleted or replaced. On a clone that serves no subnet all is the manager's.
func (w *watch) changing(c call.Call) {
	w.before(c)
	if on, _ := w.region.NetworkACL(c.Param("NetworkAclId")); len(on.Associations) == 0 && w.isClone(on.ID) {
		return
	}
	if e, there := w.subject(c); there && !w.made(c.Param("NetworkAclId"), e) {
		w.violated("foreign", "%s was requested for an entry of a third party: %s %s", c.Name(), c.Param("NetworkAclId"), region.DescribeEntry(e))
	}
}

// created notes an entry that a call made, whatever the manager was told.
func (w *watch) created(c call.Call) {
	e, there := w.subject(c)
	id := c.Param("NetworkAclId")
	owner := w.claimant(id, e)
	w.mu.Lock()
	defer w.mu.Unlock()
	if was, stood := w.standing[spot(c)]; !there || stood && was == e {
		return
	}
	if w.entries[id] == nil {
		w.entries[id] = map[place]owned{}
	}
	w.entries[id][placeOf(e)] = owned{e, owner}
	if _, isClone := w.clones[id]; !isClone && owner == "" {
		w.violated("unclaimed", "entry %s %s was created without a tag that names its owner", id, region.DescribeEntry(e))
	}
}

// claimant is the run whose tags claim an entry: on a clone, the run that made it.
func (w *watch) claimant(id string, e acl.Entry) string {
	if made, isClone := w.clone(id); isClone {
		return made.uid
	}
	found, _ := w.region.NetworkACL(id)
	claims, _ := ownership.ParseClaims(found.Tags)
	for _, claim := range claims {
		if claim.Owns(networkacl.Deny(int32(e.RuleNumber), e.CIDR)) {
			return claim.UID
		}
	}
	return ""
}

func (w *watch) deleted(c call.Call) {
	if _, there := w.subject(c); there {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	number, _ := strconv.Atoi(c.Param("RuleNumber"))
	delete(w.entries[c.Param("NetworkAclId")], place{c.Param("Egress") == "true", number})
}

// findClones notes the network ACLs that have the tag of a clone from their creation on.
func (w *watch) findClones() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, found := range w.region.View(time.Time{}).NetworkACLs() {
		if uid := found.Tags[ownership.TagClone]; uid != "" && w.clones[found.ID].uid == "" {
			w.clones[found.ID] = clone{uid, found.Tags[ownership.TagOriginal], found.Tags[ownership.TagSubnet]}
		}
	}
}

func (w *watch) discarding(c call.Call) {
	if id := c.Param("NetworkAclId"); !w.isClone(id) {
		w.violated("foreign", "network ACL %s was to be deleted, which the manager did not create", id)
	}
}

// moving: a subnet is moved between its own network ACL and the clone that was made for it, and nowhere else.
func (w *watch) moving(c call.Call) {
	to, association := c.Param("NetworkAclId"), c.Param("AssociationId")
	for _, found := range w.region.View(time.Time{}).NetworkACLs() {
		for _, a := range found.Associations {
			if a.ID != association {
				continue
			}
			onto, off := w.cloneOrNone(to), w.cloneOrNone(found.ID)
			if !(onto.subnet == a.SubnetID && onto.original == found.ID) && !(off.subnet == a.SubnetID && off.original == to) {
				w.violated("foreign", "subnet %s was to be moved from network ACL %s to %s", a.SubnetID, found.ID, to)
			}
		}
	}
}

// tagging: only the product's tags, on one network ACL.
func (w *watch) tagging(c call.Call) {
	if !strings.HasPrefix(c.Param("ResourceId.1"), "acl-") || c.Param("ResourceId.2") != "" || c.Param("Tag.1.Key") == "" {
		w.violated("foreign", "%s was requested: %v", c.Name(), c.Params)
	}
	for n := 1; c.Param(fmt.Sprintf("Tag.%d.Key", n)) != ""; n++ {
		if key := c.Param(fmt.Sprintf("Tag.%d.Key", n)); !strings.HasPrefix(key, domain) {
			w.violated("foreign", "%s was requested for tag %s, which is not the product's", c.Name(), key)
		}
	}
}

// made reports whether the manager made an entry.
func (w *watch) made(id string, e acl.Entry) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	made, known := w.entries[id][placeOf(e)]
	return known && made.entry == e
}

// denies reports whether an entry is a rule of the run, and no copy.
func (w *watch) denies(id string, e acl.Entry) bool {
	return w.made(id, e) && e.Egress && !e.Allow && e.Protocol == acl.All && e.CIDR.IsSingleIP() && w.claims(id, e)
}

// claims reports whether an entry can be one of ours at all: copies on clones are denies too.
func (w *watch) claims(id string, e acl.Entry) bool {
	made, isClone := w.clone(id)
	if !isClone {
		return true
	}
	original, _ := w.region.NetworkACL(made.original)
	return !slices.ContainsFunc(original.Entries, func(o acl.Entry) bool {
		return o.Egress && !o.Allow && o.CIDR == e.CIDR && o.Protocol == e.Protocol
	})
}

// ownerOf is the UID of the run that an entry of the run is of; empty: it isn't ours.
func (w *watch) ownerOf(id string, e acl.Entry) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if made, known := w.entries[id][placeOf(e)]; known && made.entry == e {
		return cmp.Or(made.uid, "unknown")
	}
	return ""
}

// lost notes that a third party deleted or replaced an entry of the run.
func (w *watch) lost(id string, e acl.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.entries[id], placeOf(e))
}

// discarded notes that a network ACL is gone with its entries, if it is.
func (w *watch) discarded(id string) {
	if _, there := w.region.NetworkACL(id); there {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.entries, id)
}

func (w *watch) clone(id string) (made clone, isClone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	made, isClone = w.clones[id]
	return made, isClone
}

func (w *watch) cloneOrNone(id string) clone {
	made, _ := w.clone(id)
	return made
}

func (w *watch) isClone(id string) bool {
	_, isClone := w.clone(id)
	return isClone
}

// cloneFor is the subnet that a clone was made for.
func (w *watch) cloneFor(id string) (subnet string, made bool) {
	found, made := w.clone(id)
	return found.subnet, made
}

// rules are the rules of runs that stand in the Region, by network ACL and place: the run that each is of.
func (w *watch) rules() map[string]map[netip.Prefix]string {
	out := map[string]map[netip.Prefix]string{}
	for _, found := range w.region.View(time.Time{}).NetworkACLs() {
		for _, e := range found.Entries {
			if !w.denies(found.ID, e) {
				continue
			}
			if out[found.ID] == nil {
				out[found.ID] = map[netip.Prefix]string{}
			}
			out[found.ID][e.CIDR] = w.ownerOf(found.ID, e)
		}
	}
	return out
}
