// SPDX-License-Identifier: Apache-2.0

package region

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

// DefaultEntries are the two entries that every network ACL has and that can't be changed: what nothing else matches is
// denied. (In a VPC with IPv6 there are two more: DefaultIPv6Entries.)
func DefaultEntries() []acl.Entry {
	all := netip.MustParsePrefix("0.0.0.0/0")
	return []acl.Entry{
		{RuleNumber: acl.DefaultRuleNumber, Egress: true, Protocol: acl.All, CIDR: all},
		{RuleNumber: acl.DefaultRuleNumber, Egress: false, Protocol: acl.All, CIDR: all},
	}
}

// sortEntries brings entries into the order in which AWS lists them.
func sortEntries(entries []acl.Entry) {
	slices.SortFunc(entries, func(a, b acl.Entry) int {
		if a.Egress != b.Egress {
			if a.Egress {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.RuleNumber, b.RuleNumber)
	})
}

func (a ACL) find(number int, egress bool) int {
	return slices.IndexFunc(a.Entries, func(e acl.Entry) bool { return e.RuleNumber == number && e.Egress == egress })
}

func (s *state) acl(id string) (ACL, error) {
	if err := kindACL.check(id); err != nil {
		return ACL{}, err
	}
	a, ok := s.acls.m[id]
	if !ok {
		return ACL{}, kindACL.missing(id)
	}
	a.Entries = slices.Clone(a.Entries)
	return a, nil
}

// CreateNetworkACLEntry adds an entry. The number must be free in its direction, in both address families.
func (r *Region) CreateNetworkACLEntry(aclID string, e acl.Entry) error {
	if err := CheckEntry(e); err != nil {
		return err
	}
	return r.change(func(s *state) error {
		a, err := s.acl(aclID)
		if err != nil {
			return err
		}
		if a.find(e.RuleNumber, e.Egress) >= 0 {
			return Errorf("NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.", e.RuleNumber)
		}
		if err := s.roomFor(a, e); err != nil {
			return err
		}
		a.Entries = append(a.Entries, e)
		sortEntries(a.Entries)
		s.acls.put(aclID, a)
		return nil
	})
}

// roomFor refuses an entry that is one too many in its direction and address family.
func (s *state) roomFor(a ACL, e acl.Entry) error {
	same := 0
	for _, o := range a.Entries {
		if o.Egress == e.Egress && o.CIDR.Addr().Is4() == e.CIDR.Addr().Is4() {
			same++
		}
	}
	if same >= s.quota(QuotaEntries) {
		return Errorf("NetworkAclEntryLimitExceeded", "The maximum number of network acl entries has been reached.")
	}
	return nil
}

// ReplaceNetworkACLEntry changes the entry that has the number and direction. In the other address family it needs room.
func (r *Region) ReplaceNetworkACLEntry(aclID string, e acl.Entry) error {
	if err := CheckEntry(e); err != nil {
		return err
	}
	return r.change(func(s *state) error {
		a, err := s.acl(aclID)
		if err != nil {
			return err
		}
		i := a.find(e.RuleNumber, e.Egress)
		if i < 0 {
			return noEntry(e.RuleNumber, e.Egress)
		}
		if a.Entries[i].CIDR.Addr().Is4() != e.CIDR.Addr().Is4() {
			if err := s.roomFor(a, e); err != nil {
				return err
			}
		}
		a.Entries[i] = e
		s.acls.put(aclID, a)
		return nil
	})
}

// DeleteNetworkACLEntry removes the entry that has the number and direction, whatever it says.
func (r *Region) DeleteNetworkACLEntry(aclID string, number int, egress bool) error {
	return r.DeleteNetworkACLEntryAt(zeroTime, aclID, number, egress)
}

// DeleteNetworkACLEntryAt is DeleteNetworkACLEntry at a time that has passed, for schedules; the zero time means now.
func (r *Region) DeleteNetworkACLEntryAt(at time.Time, aclID string, number int, egress bool) error {
	if err := CheckRuleNumber(number); err != nil {
		return err
	}
	return r.changeAt(at, func(s *state) error {
		a, err := s.acl(aclID)
		if err != nil {
			return err
		}
		i := a.find(number, egress)
		if i < 0 {
			return noEntry(number, egress)
		}
		a.Entries = slices.Delete(a.Entries, i, i+1)
		s.acls.put(aclID, a)
		return nil
	})
}

func noEntry(number int, egress bool) error {
	direction := "ingress"
	if egress {
		direction = "egress"
	}
	return Errorf("InvalidNetworkAclEntry.NotFound", "no %s entry with number %d", direction, number)
}

// CreateNetworkACL makes a network ACL that denies everything. A client token that was used before gives the ACL that
// was made then, if request is the same as then; a caller that needs neither leaves both empty.
func (r *Region) CreateNetworkACL(vpcID, token, request string, tags map[string]string) (ACL, error) {
	var made ACL
	err := r.change(func(s *state) error {
		if err := kindVPC.check(vpcID); err != nil {
			return err
		}
		if t, used := r.tokens["CreateNetworkAcl/"+token]; token != "" && used {
			if t.request != request {
				return Errorf("IdempotentParameterMismatch", "The client token %s was used before with other parameters", token)
			}
			made = View{r: r, s: s}.complete(s.acls.m[t.ids[0]])
			made.ID, made.VPCID = t.ids[0], vpcID
			return nil
		}
		if _, ok := s.vpcs.m[vpcID]; !ok {
			return kindVPC.missing(vpcID)
		}
		if err := checkTags(nil, tags); err != nil {
			return err
		}
		count := 0
		for _, a := range s.acls.m {
			if a.VPCID == vpcID {
				count++
			}
		}
		if count >= s.quota(QuotaACLs) {
			return Errorf("NetworkAclLimitExceeded", "The maximum number of network acls has been reached.")
		}
		made = ACL{ID: r.newID("acl"), VPCID: vpcID, Entries: s.defaultEntries(vpcID), Tags: maps.Clone(tags)}
		s.acls.put(made.ID, made)
		if token != "" {
			r.tokens["CreateNetworkAcl/"+token] = idempotent{request, []string{made.ID}}
		}
		return nil
	})
	return made, err
}

// DeleteNetworkACL removes an ACL that no subnet uses and that is not its VPC's default one.
func (r *Region) DeleteNetworkACL(id string) error {
	return r.change(func(s *state) error {
		a, err := s.acl(id)
		if err != nil {
			return err
		}
		if a.Default {
			return Errorf("InvalidParameterValue", "cannot delete default network ACL %s", id)
		}
		for _, sub := range s.subnets.m {
			if sub.NetworkACLID == id {
				return Errorf("DependencyViolation", "The networkAcl '%s' has dependencies and cannot be deleted.", id)
			}
		}
		s.acls.drop(id)
		return nil
	})
}

// ReplaceNetworkACLAssociation gives the subnet of an association another ACL. The association gets a new id, unless the
// subnet has that ACL already.
func (r *Region) ReplaceNetworkACLAssociation(associationID, aclID string) (newID string, err error) {
	err = r.change(func(s *state) error {
		if err := kindAssoc.check(associationID); err != nil {
			return err
		}
		a, err := s.acl(aclID)
		if err != nil {
			return err
		}
		for id, sub := range s.subnets.m {
			if sub.AssociationID != associationID {
				continue
			}
			if sub.VPCID != a.VPCID {
				return Errorf("InvalidParameterValue", "The network ACL %s and the subnet %s belong to different networks", aclID, id)
			}
			newID = associationID
			if sub.NetworkACLID != aclID {
				newID = r.newID("aclassoc")
				sub.NetworkACLID, sub.AssociationID = aclID, newID
				s.subnets.put(id, sub)
			}
			return nil
		}
		return kindAssoc.missing(associationID)
	})
	return newID, err
}
