// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// consentKey is the tag with which a subnet's owner consents.
const consentKey = domain + "allow"

// What third parties do. Where AWS refuses it, it did not happen.

func (p *play) addEntry(op Op) {
	id, e := p.aclID(op.ACL), op.Entry.Rule()
	if p.region.CreateNetworkACLEntry(id, e) == nil {
		p.edited(id, nil, &e)
	}
}

// replaceEntry and deleteEntry take an entry of third parties on a network ACL of theirs, and a copy on a clone.
func (p *play) replaceEntry(op Op) {
	id, e := p.aclID(op.ACL), op.Entry.Rule()
	old, ok := p.foreignEntry(id, op.Pick)
	e.RuleNumber, e.Egress = old.RuleNumber, old.Egress
	if ok && p.region.ReplaceNetworkACLEntry(id, e) == nil {
		p.edited(id, &old, &e)
	}
}

func (p *play) deleteEntry(op Op) {
	id := p.aclID(op.ACL)
	old, ok := p.foreignEntry(id, op.Pick)
	if ok && p.region.DeleteNetworkACLEntry(id, old.RuleNumber, old.Egress) == nil {
		p.edited(id, &old, nil)
	}
}

// edited notes that a third party put an entry in the place of another, either of which may be none. On a clone that is
// an edit, which is reverted at the end.
func (p *play) edited(id string, old, put *acl.Entry) {
	p.meddled(id)
	switch {
	case !p.model.Has(id):
		p.edits = append(p.edits, cloneEdit{id, old, put})
	case put != nil:
		p.model.Put(id, *put)
	default:
		p.model.Drop(id, *old)
	}
}

// cloneEdit is an edit of a clone: what was there before, and what since; nil: nothing.
type cloneEdit struct {
	aclID    string
	old, put *acl.Entry
}

// revertEdit undoes an edit of a clone, where it still stands.
func (p *play) revertEdit(edit cloneEdit) {
	found, there := p.region.NetworkACL(edit.aclID)
	if !there || p.model.Has(edit.aclID) {
		return
	}
	where := edit.put
	if where == nil {
		where = edit.old
	}
	i := slices.IndexFunc(found.Entries, func(e acl.Entry) bool { return placeOf(e) == placeOf(*where) })
	switch stands := i >= 0 && edit.put != nil && found.Entries[i] == *edit.put; {
	case stands && edit.old == nil:
		_ = p.region.DeleteNetworkACLEntry(edit.aclID, where.RuleNumber, where.Egress)
	case stands:
		_ = p.region.ReplaceNetworkACLEntry(edit.aclID, *edit.old)
	case i < 0 && edit.put == nil:
		_ = p.region.CreateNetworkACLEntry(edit.aclID, *edit.old)
	}
}

// foreignEntry chooses an entry that the run does not own.
func (p *play) foreignEntry(id string, n int) (acl.Entry, bool) {
	entries := p.model.Entries(id)
	if !p.model.Has(id) {
		found, _ := p.region.NetworkACL(id)
		entries = slices.DeleteFunc(found.Entries, func(e acl.Entry) bool { return e.Default() || p.audit.Made(id, e) })
	}
	return choose(entries, n)
}

// rule chooses a rule of the run on a network ACL.
func (p *play) rule(id string, n int) (acl.Entry, bool) {
	found, _ := p.region.NetworkACL(id)
	return choose(slices.DeleteFunc(found.Entries, func(e acl.Entry) bool { return !p.isRule(id, e) }), n)
}

// isRule reports whether an entry is a rule of a run, for one address.
func (p *play) isRule(id string, e acl.Entry) bool {
	made, known := p.audit.Entry(id, e)
	return known && made.UID != "" && e.Egress && !e.Allow && e.Protocol == acl.All && e.CIDR.IsSingleIP()
}

func choose[T any](from []T, n int) (chosen T, ok bool) {
	if len(from) == 0 {
		return chosen, false
	}
	return from[n%len(from)], true
}

func (p *play) removeRule(op Op) {
	id := p.aclID(op.ACL)
	if e, ok := p.rule(id, op.Pick); ok && p.region.DeleteNetworkACLEntry(id, e.RuleNumber, e.Egress) == nil {
		p.audit.Lost(id, e)
		p.meddled(id)
	}
}

// replaceRule puts a third party's entry at the number of a rule of the run. Not while reads show what was before: no
// call of AWS deletes an entry only if it is still the one that was read.
func (p *play) replaceRule(op Op) {
	id := p.aclID(op.ACL)
	e, ok := p.rule(id, op.Pick)
	if !ok || p.stale() || p.world.Frozen() {
		return
	}
	theirs := op.Entry.Rule()
	theirs.RuleNumber, theirs.Egress = e.RuleNumber, true
	if theirs == e || p.region.ReplaceNetworkACLEntry(id, theirs) != nil {
		return
	}
	p.replacedAt = p.now()
	p.audit.Lost(id, e)
	p.edited(id, nil, &theirs)
}

// overrideRule allows what a rule of the run denies, at a smaller number.
func (p *play) overrideRule(op Op) {
	id := p.aclID(op.ACL)
	e, ok := p.rule(id, op.Pick)
	if !ok {
		return
	}
	theirs := acl.Entry{RuleNumber: 1 + op.Pick, Egress: true, Allow: true, Protocol: acl.All, CIDR: e.CIDR}
	if p.region.CreateNetworkACLEntry(id, theirs) == nil {
		p.edited(id, nil, &theirs)
	}
}

func (p *play) addTag(op Op)    { p.tag(p.aclID(op.ACL), op.How, "theirs") }
func (p *play) removeTag(op Op) { p.untag(p.aclID(op.ACL), op.How) }
func (p *play) consent(op Op)   { p.tag(Subnets[op.Subnet], consentKey, "true") }
func (p *play) withdraw(op Op)  { p.untag(Subnets[op.Subnet], consentKey) }

func (p *play) tag(id, key, value string) {
	if id != "" && p.region.CreateTags([]string{id}, map[string]string{key: value}) == nil {
		p.model.Tag(id, key, value)
	}
}

func (p *play) untag(id, key string) {
	if id != "" && p.region.DeleteTags([]string{id}, []region.Deletion{{Key: key}}) == nil {
		p.model.Untag(id, key)
	}
}

// stripTags takes tags of the product away: all of them, or one kind. Those of a run that has lost its object stay: they are all
// that is left to tell whose its rules are.
func (p *play) stripTags(op Op) {
	id := p.aclID(op.ACL)
	found, _ := p.region.NetworkACL(id)
	claims, _ := ownership.ParseClaims(found.Tags)
	for _, claim := range claims {
		if !p.lives(claim.UID) {
			return
		}
	}
	var gone []region.Deletion
	for key, value := range found.Tags {
		ending := key[strings.LastIndexByte(key, '/')+1:]
		wanted := op.Pick == 0 || op.Pick == 1 && ending == "owner" || op.Pick == 2 && ending == "clone" || op.Pick >= 3 && len(ending) == len("01234567-89ab-cdef-0123-456789abcdef")
		if strings.HasPrefix(key, domain) && wanted {
			gone = append(gone, region.Deletion{Key: key})
			p.stripped = append(p.stripped, strippedTag{id, key, value})
		}
	}
	if len(gone) > 0 && p.region.DeleteTags([]string{id}, gone) == nil {
		p.meddled(id)
	}
}

// strippedTag is a tag of the product that a third party removed.
type strippedTag struct{ aclID, key, value string }

// moveSubnet gives a subnet another network ACL: one of third parties', or, for a subnet that it isn't for, a clone.
func (p *play) moveSubnet(op Op) {
	to, subnet := p.aclID(op.ACL), Subnets[op.Subnet]
	if target, made := p.cloneFor(to); to == "" || made && target == subnet {
		return
	}
	was, _ := p.region.SubnetACL(subnet)
	if p.region.MoveSubnet(subnet, to) != nil {
		return
	}
	if p.model.Has(to) {
		delete(p.strays, subnet)
	} else if p.strays[subnet] == "" {
		p.strays[subnet] = p.model.Home(subnet)
	}
	p.model.Move(subnet, to)
	p.meddled(to)
	p.meddled(was.ID)
}

func (p *play) addACL(op Op) {
	home, _ := p.region.SubnetACL(Subnets[dedicated])
	entries := []acl.Entry{region.AllowAll(100, true), region.AllowAll(100, false)}
	if p.region.AddNetworkACL(region.ACL{ID: ACLs[op.ACL], VPCID: home.VPCID, Entries: entries}) == nil {
		found, _ := p.region.NetworkACL(ACLs[op.ACL])
		p.model.AddACL(found.ID, found.Entries, nil)
	}
}

func (p *play) deleteACL(op Op) {
	id := p.aclID(op.ACL)
	if id == "" || p.region.DeleteNetworkACL(id) != nil {
		return
	}
	p.audit.Discarded(id)
	p.model.DeleteACL(id, p.calmSince(id, p.now()) > noticedWithin, func(subnet string) string {
		on, _ := p.region.SubnetACL(subnet)
		return on.ID
	})
	p.meddled(id)
}

// aclID is the id of a network ACL that an operation names; empty: there is none.
func (p *play) aclID(name string) string {
	id := ACLs[name]
	if object, isClone := strings.CutPrefix(name, clonePrefix); isClone {
		id = p.cloneOf(object)
	}
	if _, there := p.region.NetworkACL(id); !there {
		return ""
	}
	return id
}
