// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// armed is a schedule of the dead man's switch, and what it says of itself.
type armed struct {
	Schedule
	uid, owner, clusterID string
	number                int32
	// aclID is the network ACL that the rule is deleted from.
	aclID string
	// fires is when; zero: it can't be read.
	fires time.Time
}

// deniedError says that the schedules of some groups may not be read. They are another manager's,
// unless its policy is wrong.
type deniedError struct {
	groups []string
	err    error
}

// Error implements error.
func (e *deniedError) Error() string {
	return fmt.Sprintf("schedules of group %s can't be read: %v", strings.Join(e.groups, ", "), e.err)
}

// Unwrap gives AWS's error.
func (e *deniedError) Unwrap() error { return e.err }

// listSchedules gives all schedules of the switch, in all groups, or those of one run. The error
// says why some could not be looked at: a *deniedError, and then there are the others, or why none
// could.
func listSchedules(ctx context.Context, client aws.Scheduler, uid string) ([]armed, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	prefix := deadman.Prefix
	if uid != "" {
		prefix += uid + "."
	}

	var all []armed
	var denied *deniedError
	pages := scheduler.NewListSchedulesPaginator(client, &scheduler.ListSchedulesInput{NamePrefix: awssdk.String(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Schedules {
			name, group := awssdk.ToString(s.Name), awssdk.ToString(s.GroupName)
			uid, number, ours := deadman.ParseName(name)
			if !ours {
				continue
			}
			one := armed{Schedule: Schedule{Group: group, Name: name}, uid: uid, number: number}
			switch there, err := one.read(ctx, client); {
			case err != nil && aws.Classify(err) == aws.Denied:
				denied = denied.with(group, err)
			case err != nil:
				return nil, err
			case there:
				all = append(all, one)
			}
		}
	}

	slices.SortFunc(all, func(a, b armed) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Group, b.Group)) })
	if denied != nil {
		return all, denied
	}
	return all, nil
}

// with is the error for one group more.
func (e *deniedError) with(group string, err error) *deniedError {
	if e == nil {
		return &deniedError{groups: []string{group}, err: err}
	}
	if !slices.Contains(e.groups, group) {
		e.groups = append(e.groups, group)
	}
	return e
}

// listTimeout bounds the listing: a Region without EventBridge Scheduler has no host that would
// answer.
const listTimeout = 30 * time.Second

// read asks for what the listing doesn't have. there is false for a schedule that fired or was
// deleted meanwhile.
func (a *armed) read(ctx context.Context, client aws.Scheduler) (there bool, err error) {
	out, err := client.GetSchedule(ctx, &scheduler.GetScheduleInput{GroupName: awssdk.String(a.Group), Name: awssdk.String(a.Name)})
	if aws.HasCode(err, aws.CodeScheduleNotFound) {
		return false, nil
	}

	if err != nil {
		return false, err
	}

	a.clusterID, a.owner, _ = deadman.ParseDescription(awssdk.ToString(out.Description))
	at := strings.TrimSuffix(strings.TrimPrefix(awssdk.ToString(out.ScheduleExpression), "at("), ")")
	a.fires, _ = time.Parse("2006-01-02T15:04:05", at)
	if out.Target != nil {
		var input struct{ NetworkAclId string } //nolint:revive // EC2's spelling
		_ = json.Unmarshal([]byte(awssdk.ToString(out.Target.Input)), &input)
		a.aclID = input.NetworkAclId
	}
	return true, nil
}

// expires is when the run of a schedule ends.
func (a armed) expires() time.Time {
	if a.fires.IsZero() {
		return time.Time{}
	}
	return a.fires.Add(-deadman.Grace)
}

// attach adds schedules to the clones that they are about. What is about no clone that was found is
// a finding of its own, a run and network ACL each.
func attach(found []Found, all []armed) []Found {
	type about struct{ uid, aclID string }
	alone := map[about]int{}
	for _, a := range all {
		i := slices.IndexFunc(found, func(f Found) bool { return f.Kind == KindClone && f.UID == a.uid && f.NetworkACLID == a.aclID })
		if i < 0 {
			at, known := alone[about{a.uid, a.aclID}]
			if !known {
				at = len(found)
				alone[about{a.uid, a.aclID}] = at
				found = append(found, Found{Kind: KindSchedules, NetworkACLID: a.aclID, UID: a.uid, Owner: a.owner, ClusterID: a.clusterID})
			}
			i = at
			found[i].Expires = later(found[i].Expires, a.expires()) // an end that was being moved is on some of them alone
		}
		found[i].Schedules, found[i].armed = append(found[i].Schedules, a.Schedule), append(found[i].armed, a)
	}
	return found
}

// strandedSchedules deletes schedules about a network ACL that is gone, or no longer a clone of
// a run's. While a rule of the run may stand there, they are all that ends it.
func (a *undoRun) strandedSchedules(ctx context.Context) error {
	acl, err := ec2acl.Read(ctx, a.clients.EC2, a.f.NetworkACLID)
	a.readAt = a.clock.Now()
	if err != nil {
		return err
	}

	now := a.clock.Now()
	if acl != nil {
		a.missing.Clear()
	}

	if acl != nil && acl.Tags[ownership.TagClone] == a.f.UID {
		claims, _ := ownership.ParseClaims(acl.Tags)
		if !slices.ContainsFunc(claims, func(c ownership.Claim) bool { return c.UID == a.f.UID }) {
			a.noteLeft(explainUnclaimed(acl)) // no search changes that
			return nil
		}
		a.noteWait(now, "clone %s is there: search again", acl.ID)
		return nil
	}

	all, unseen := a.listSchedules(ctx)
	switch {
	case unseen != nil && a.f.Kind == KindSchedules:
		return unseen
	case len(all) == 0, acl == nil && a.lift:
		a.result.Done = true
		return nil
	case acl == nil && !a.missingFor(now):
		return nil
	}

	err = a.deleteSchedules(ctx, all, func(s armed) bool {
		switch {
		case !slices.Contains(a.f.armed, s):
			a.noteWait(now, "schedule %s changed after it was found: search again", s.Name)
			return false
		case acl != nil && hasDeny(acl, s.number):
			a.noteLeft(fmt.Sprintf("schedule %s deletes rule %d of network ACL %s at %s, which may be a rule of the run: the tags of the network ACL that named the run's rules were removed. If it is, delete the rule and the schedule",
				s.Name, s.number, acl.ID, s.fires.Format(time.RFC3339)))
			return false
		}
		return true
	})
	a.result.Done = err == nil && a.result.Left == ""
	return err
}

// missingFor notes that a read lacks the network ACL, and reports whether that shows that it is
// gone.
func (a *undoRun) missingFor(now time.Time) bool {
	sure := a.missing.Observe(now).Add(networkacl.AmbiguousFor)
	if !a.f.Expires.IsZero() {
		sure = slices.MinFunc([]time.Time{sure, a.f.Expires.Add(Margin)}, time.Time.Compare)
	}
	if now.Before(sure) {
		a.noteWait(sure, "reads do not show network ACL %s, which schedules are about: sweep again at %s", a.f.NetworkACLID, sure.Format(time.RFC3339))
		return false
	}
	return true
}

// hasDeny reports whether a rule of the shape that runs make stands at a number.
func hasDeny(acl *networkacl.ACL, number int32) bool {
	e, there := networkacl.At(acl.Entries, number)
	return there && e.Equal(networkacl.Deny(number, e.CIDR))
}

// listSchedules are those of the network ACL as they are now. The error says why they could not be
// looked at.
func (a *undoRun) listSchedules(ctx context.Context) ([]armed, error) {
	all, unseen := listSchedules(ctx, a.clients.Scheduler, a.f.UID)
	return slices.DeleteFunc(all, func(s armed) bool { return s.aclID != a.f.NetworkACLID }), unseen
}

// deleteSchedules deletes those schedules that are due to go.
func (a *undoRun) deleteSchedules(ctx context.Context, all []armed, due func(armed) bool) error {
	var errs []error
	for _, s := range all {
		if !due(s) {
			continue
		}
		if err := deadman.Delete(ctx, a.fencedOnRead().Scheduler, s.Group, s.Name); err != nil {
			errs = append(errs, err)
			continue
		}
		a.noteDone("deleted schedule %s of group %s", s.Name, s.Group)
	}
	return errors.Join(errs...)
}
