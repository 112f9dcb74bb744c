// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

// Place is an account, by its 12 digits, and a Region.
type Place struct{ AccountID, Region string }

// Survey is what a look at an account and Region gave.
type Survey struct {
	// Place is where it looked.
	Place Place
	// Found is sorted by UID, then network ACL.
	Found []Found
	// SchedulesUnseen says why schedules were not looked at: no permission, or a Region without
	// EventBridge Scheduler. Nil: they were.
	SchedulesUnseen error
	// TasksUnseen says where tasks of probes were not looked for: no permission, as a rule in the
	// clusters that have no runs with a probe. Nil: they were looked for in all clusters.
	TasksUnseen error
}

// Unseen says why the schedules of a group were not looked at; nil: they were, though perhaps not
// those of other groups.
func (s Survey) Unseen(group string) error {
	if denied, ok := errors.AsType[*deniedError](s.SchedulesUnseen); ok && !slices.Contains(denied.groups, group) {
		return nil
	}
	return s.SchedulesUnseen
}

// Find looks for what runs left in the account and Region of the clients, and for what runs that
// are on have there: the tags are the same. It is sorted by UID, then network ACL. After an error
// there is nothing.
func Find(ctx context.Context, clients *aws.Clients) ([]Found, error) {
	survey, err := Look(ctx, clients, nil)
	return survey.Found, err
}

// Look is Find, and reports whether it could look everywhere. Tasks are searched for in the given ECS
// clusters; nil: in all clusters of the Region.
func Look(ctx context.Context, clients *aws.Clients, ecsClusters []string) (Survey, error) {
	account, err := askAccount(ctx, clients)
	if err != nil {
		return Survey{}, err
	}

	// Before the network ACLs: a schedule is made after its clone, so that none seems to be
	// without.
	armed, unseen := listSchedules(ctx, clients.Scheduler, "")
	acls, err := ec2acl.FindByTag(ctx, clients.EC2, ownership.TagDomain+"*")
	if err != nil {
		return Survey{}, err
	}

	originals, err := ec2acl.ReadAll(ctx, clients.EC2, originalsOf(acls)...)
	if err != nil {
		return Survey{}, err
	}

	tasks, tasksUnseen := listTasks(ctx, clients.ECS, ecsClusters)
	switch again, err := askAccount(ctx, clients); {
	case err != nil:
		return Survey{}, err
	case again != account:
		return Survey{}, fmt.Errorf("the credentials changed from account %s to account %s during the search: search again", account, again)
	}

	var found []Found
	for _, acl := range acls {
		found = append(found, foundOn(acl, originals)...)
	}

	found = attach(found, armed)
	found = append(found, tasks...)
	for i := range found {
		found[i].AccountID, found[i].Region = account, clients.Region
	}

	slices.SortStableFunc(found, Found.compare)
	return Survey{Place: Place{account, clients.Region}, Found: found, SchedulesUnseen: unseen, TasksUnseen: tasksUnseen}, nil
}

// askAccount asks AWS itself which account the credentials are of.
func askAccount(ctx context.Context, clients *aws.Clients) (string, error) {
	clients.ForgetAccount()
	return clients.AccountID(ctx, time.Now()) // the time is only that of the answer
}

func originalsOf(acls []*networkacl.ACL) []string {
	ids := map[string]bool{}
	for _, acl := range acls {
		if id := acl.Tags[ownership.TagOriginal]; acl.Tags[ownership.TagClone] != "" && strings.HasPrefix(id, "acl-") {
			ids[id] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// foundOn reads the tags of one network ACL.
func foundOn(acl *networkacl.ACL, originals map[string]*networkacl.ACL) []Found {
	on := Found{NetworkACLID: acl.ID, SubnetIDs: acl.SubnetIDs}
	owner, cloned := acl.Tags[ownership.TagClone]
	claims, malformed := ownership.ParseClaims(acl.Tags)
	var found []Found
	for _, claim := range claims {
		f := on
		f.Kind, f.UID, f.Owner, f.ClusterID = KindRules, claim.UID, claim.Owner, claim.ClusterID
		f.Started, f.Expires, f.Rules, f.Present = claim.Started, claim.Expires, claim.Rules, ownedEntries(acl, claim)
		if cloned && claim.UID == owner {
			f.Kind, f.OriginalID = KindClone, acl.Tags[ownership.TagOriginal]
			var disposition removal.Disposition
			disposition, f.Problem = dispositionFor(acl, claim, originals[f.OriginalID])
			f.Twice = takesTwoReads(disposition, originals[f.OriginalID], f.Problem)
		} else {
			f.Problem, f.Twice = explainStripped(acl, claim.UID), true
		}
		found = append(found, f)
	}

	known := func(uid string) bool {
		return slices.ContainsFunc(claims, func(c ownership.Claim) bool { return c.UID == uid })
	}

	for _, uid := range unreadableRuns(malformed) {
		if uid != owner || known(uid) {
			f := on
			f.Kind, f.UID = KindUnreadable, uid
			f.Problem = fmt.Sprintf("%s can't be read: compare the rules of %s with the page \"Undoing a run by hand\", and remove what is left of the run", tagsOf(malformed, uid), acl.ID)
			found = append(found, f)
		}
	}

	if cloned && !known(owner) {
		f := on
		f.Kind, f.UID, f.OriginalID, f.Problem = KindUnreadable, owner, acl.Tags[ownership.TagOriginal], explainUnclaimed(acl)
		found = append(found, f)
	}

	switch started, adopted := acl.Tags[ownership.TagAdopted]; {
	case cloned:
	case adopted:
		f := on
		f.Kind = KindAdopted
		f.Started, _ = time.Parse(time.RFC3339, started)
		found = append(found, f)
	case len(found) == 0 && explainStripped(acl, "") != "":
		f := on
		f.Kind, f.OriginalID, f.Problem = KindUnreadable, acl.Tags[ownership.TagOriginal], explainStripped(acl, "")
		found = append(found, f)
	}
	return found
}

// ownedEntries are the entries of a claim that stand.
func ownedEntries(acl *networkacl.ACL, claim ownership.Claim) []networkacl.Entry {
	var entries []networkacl.Entry
	for _, e := range acl.Entries {
		if claim.Owns(e) {
			entries = append(entries, e)
		}
	}
	return entries
}

// unreadableRuns are the runs that malformed keys are of.
func unreadableRuns(malformed []string) []string {
	uids := map[string]bool{}
	for _, key := range malformed {
		uid, _, _ := strings.Cut(strings.TrimPrefix(key, ownership.TagDomain), "/")
		uids[uid] = true
	}
	return slices.Sorted(maps.Keys(uids))
}

// tagsOf names the malformed keys of a run.
func tagsOf(malformed []string, uid string) string {
	keys := slices.DeleteFunc(slices.Clone(malformed), func(key string) bool { return !strings.HasPrefix(key, ownership.TagDomain+uid) })
	if len(keys) == 1 {
		return "the tag " + keys[0]
	}
	return "the tags " + strings.Join(keys, ", ")
}
