// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// newSwitch is what the status says of the dead man's switch when a run begins. In place there is
// none: once a rule is gone, its number may be a third party's, whose entry a schedule would delete.
func (r *Reconciler) newSwitch(mode v1alpha1.NetworkACLMode, expires time.Time) *v1alpha1.DeadManSwitch {
	switch {
	case mode != v1alpha1.NetworkACLModeClone:
		return &v1alpha1.DeadManSwitch{State: v1alpha1.SwitchNotInPlace}
	case r.options.DeadManScheduleGroup == "":
		return &v1alpha1.DeadManSwitch{State: v1alpha1.SwitchNotConfigured}
	}
	return &v1alpha1.DeadManSwitch{
		State: v1alpha1.SwitchArming, ScheduleGroup: r.options.DeadManScheduleGroup, Time: run.Stamp(deadman.Time(expires)),
	}
}

// checkSwitch makes sure that the schedule group is there, before a run begins.
func (r *Reconciler) checkSwitch(ctx context.Context, s *scope) error {
	group := r.options.DeadManScheduleGroup
	if group == "" {
		return nil
	}
	_, err := s.seen.cache.ScheduleGroup.Get(s.now, group, func() (bool, error) { return true, deadman.Check(ctx, s.fenced().Scheduler, group, string(s.obj.UID)) })
	return noGroup(err, group)
}

// noGroup says what to do about a schedule group that isn't there.
func noGroup(err error, group string) error {
	if !aws.HasCode(err, aws.CodeScheduleNotFound) {
		return err
	}
	return problem.Refuse(v1alpha1.ReasonNoDeadManSwitch, "EventBridge Scheduler has no schedule group %s in this account and Region: create it (aws scheduler create-schedule-group --name %s), or correct the manager's --deadman-schedule-group", group, group)
}

// toArm has the next write of the status say that there may be schedules for lines.
func (s *scope) toArm(lines []v1alpha1.Rule) {
	armable := run.DeadManSwitch(s.status())
	if armable == nil {
		return
	}
	numbers := slices.Clone(armable.RuleNumbers)
	for _, line := range lines {
		numbers = append(numbers, line.RuleNumber)
	}
	slices.Sort(numbers)
	armable.RuleNumbers, armable.State = slices.Compact(numbers), v1alpha1.SwitchArming
}

// arm has EventBridge Scheduler delete the entries of lines if the manager does not. It comes before
// the entries.
func (r *Reconciler) arm(ctx context.Context, s *scope, lines []v1alpha1.Rule) error {
	armable := run.DeadManSwitch(s.status())
	if armable == nil {
		return nil
	}
	var numbers []int32
	for _, line := range lines {
		numbers = append(numbers, line.RuleNumber)
	}
	if err := r.askForSchedules(ctx, s, numbers, fires(s.status())); err != nil {
		return err
	}
	unarmed := func(l v1alpha1.Rule) bool {
		return l.State == v1alpha1.RuleCreating && !slices.Contains(numbers, l.RuleNumber)
	}
	if !slices.ContainsFunc(s.status().Rules, unarmed) {
		armable.State = v1alpha1.SwitchArmed
	}
	return nil
}

// askForSchedules asks for the schedules of rule numbers, side by side.
func (r *Reconciler) askForSchedules(ctx context.Context, s *scope, numbers []int32, at time.Time) error {
	group := run.DeadManSwitch(s.status()).ScheduleGroup
	if r.options.DeadManRoleARN == "" {
		return problem.Refuse(v1alpha1.ReasonNoDeadManSwitch, "the run began with a dead man's switch, and the manager now runs without one: set --deadman-role-arn and --deadman-schedule-group again")
	}
	of := r.switchOf(s, at)
	err := sideBySide(numbers, func(number int32) error { return deadman.Arm(ctx, s.fenced().Scheduler, of, number) })
	if err == nil && s.seen.switchLooked.IsZero() {
		s.seen.switchLooked = s.now // what was asked for just now, listings may lack
	}
	return noGroup(err, group)
}

// switchOf is what the schedules of the run have in common, if they fire at a time.
func (r *Reconciler) switchOf(s *scope, at time.Time) deadman.Switch {
	return deadman.Switch{
		Group: run.DeadManSwitch(s.status()).ScheduleGroup, RoleARN: r.options.DeadManRoleARN, Partition: partition(s.status().Target.ClusterARN),
		UID: string(s.obj.UID), Owner: run.Name(s.obj), ClusterID: r.options.ClusterID,
		NetworkACLID: s.status().NetworkACL.ID, Time: at,
	}
}

// armLeft arms what an earlier pass was kept from arming, or from writing down.
func (r *Reconciler) armLeft(ctx context.Context, s *scope, lines []v1alpha1.Rule) error {
	armable := run.DeadManSwitch(s.status())
	if armable == nil || armable.State != v1alpha1.SwitchArming || len(lines) == 0 {
		return nil
	}
	s.toArm(lines)
	if err := s.ledger.Persist(ctx); err != nil {
		return err
	}
	return r.arm(ctx, s, lines)
}

// reschedule moves the schedules to after another end of the run. The time is written down before
// they are asked for: until all are known to have it, they are asked for again.
func (r *Reconciler) reschedule(ctx context.Context, s *scope, expires time.Time) error {
	armable, at := run.DeadManSwitch(s.status()), deadman.Time(expires)
	if armable == nil || armable.State == v1alpha1.SwitchArmed && fires(s.status()).Equal(at) {
		return nil
	}
	armable.State, armable.Time = v1alpha1.SwitchArming, run.Stamp(at)
	if err := s.ledger.Persist(ctx); err != nil {
		return err
	}
	numbers := armable.RuleNumbers
	if err := r.askForSchedules(ctx, s, numbers, at); err != nil {
		return err
	}
	unarmed := func(l v1alpha1.Rule) bool {
		return l.State != v1alpha1.RuleReleased && !slices.Contains(numbers, l.RuleNumber)
	}
	if !slices.ContainsFunc(s.status().Rules, unarmed) {
		run.DeadManSwitch(s.status()).State = v1alpha1.SwitchArmed
	}
	return nil
}

// fires is when the schedules of a run are to fire: what is being moved to counts, so that none
// fires before it.
func fires(status *v1alpha1.AgentDisconnectStatus) time.Time {
	if s := run.DeadManSwitch(status); s != nil && s.Time != nil {
		return s.Time.Time
	}
	return deadman.Time(run.Expiration(status)) // the status was edited
}

// disarm deletes the run's schedules, once its rules are known to be gone.
func (r *Reconciler) disarm(ctx context.Context, s *scope) error {
	if run.DeadManSwitch(s.status()) == nil {
		return nil
	}
	if err := r.unschedule(ctx, s, run.DeadManSwitch(s.status()).RuleNumbers); err != nil {
		return err
	}
	s.status().NetworkACL.DeadManSwitch = nil
	return nil
}

// disarmStale deletes the schedules for numbers that no line of the ledger has any more: a copy may
// get such a number.
func (r *Reconciler) disarmStale(ctx context.Context, s *scope) error {
	armable := run.DeadManSwitch(s.status())
	if armable == nil {
		return nil
	}
	return r.unschedule(ctx, s, slices.DeleteFunc(slices.Clone(armable.RuleNumbers), func(number int32) bool {
		return slices.ContainsFunc(s.status().Rules, func(l v1alpha1.Rule) bool {
			return l.RuleNumber == number && l.State != v1alpha1.RuleReleased
		})
	}))
}

// unschedule deletes schedules, and writes down that they are gone.
func (r *Reconciler) unschedule(ctx context.Context, s *scope, numbers []int32) error {
	if len(numbers) == 0 {
		return nil
	}
	group := run.DeadManSwitch(s.status()).ScheduleGroup
	if err := sideBySide(numbers, func(number int32) error {
		return deadman.Disarm(context.WithoutCancel(ctx), s.fenced().Scheduler, group, string(s.obj.UID), number)
	}); err != nil {
		return err
	}
	return s.ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		left := run.DeadManSwitch(status)
		if left == nil {
			return // the status was edited
		}
		left.RuleNumbers = slices.DeleteFunc(slices.Clone(left.RuleNumbers), func(number int32) bool { return slices.Contains(numbers, number) })
	})
}

// moveExpiration follows a change of spec.duration, unless it makes the run longer than the manager
// allows. A run ends no later than its switch and its tags say: they come first where it gets
// longer, and last where it gets shorter. What AWS says against it leaves a run its time, and is no
// reason not to look after it.
func (r *Reconciler) moveExpiration(ctx context.Context, s *scope) (trouble error) {
	status, before := s.status(), s.status().ExpirationTime
	expires := run.Stamp(status.StartTime.Add(s.obj.Spec.Duration.Duration))
	grows := expires.After(run.Expiration(status))
	if grows && s.obj.Spec.Duration.Duration > r.options.MaxDuration {
		expires = before
	}
	if grows && !before.Equal(expires) {
		if trouble = r.prolong(ctx, s, before, expires); trouble != nil {
			return trouble
		}
	}
	if !before.Equal(expires) {
		status.ExpirationTime = expires
		if err := s.ledger.Persist(ctx); err != nil {
			return err
		}
		s.phase, _ = run.PhaseAt(s.obj, s.now)
	}
	if s.phase != run.Active && s.phase != run.Suspended {
		return nil // it is over: its end takes all that away
	}
	return r.shorten(ctx, s)
}

// prolong has switch and tags say a later end.
func (r *Reconciler) prolong(ctx context.Context, s *scope, before, expires *metav1.Time) error {
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	if err := r.verifyAccount(ctx, s); err != nil {
		return err
	}
	if err := r.reschedule(ctx, s, expires.Time); err != nil {
		return err
	}
	s.status().ExpirationTime = expires
	err := r.ensureOwnershipTagsIfPlaced(ctx, s)
	s.status().ExpirationTime = before
	return err
}

// shorten has tags and switch say an earlier end, if they don't.
func (r *Reconciler) shorten(ctx context.Context, s *scope) error {
	armable, expires := run.DeadManSwitch(s.status()), run.Expiration(s.status())
	moved := s.first.ExpirationTime != nil && expires.Before(s.first.ExpirationTime.Time)
	due := armable != nil && !fires(s.status()).Equal(deadman.Time(expires))
	if !moved && !due {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	if err := r.verifyAccount(ctx, s); err != nil {
		return err
	}
	return errors.Join(r.ensureOwnershipTagsIfPlaced(ctx, s), r.reschedule(ctx, s, expires))
}

// ensureOwnershipTagsIfPlaced is ensureOwnershipTags where there is a network ACL that the
// run may have tagged.
func (r *Reconciler) ensureOwnershipTagsIfPlaced(ctx context.Context, s *scope) error {
	if s.status().NetworkACL.ID == "" || s.isUnlooked() {
		return nil
	}
	return r.ensureOwnershipTags(ctx, s)
}

// partition is that of an ARN.
func partition(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 1 && parts[1] != "" {
		return parts[1]
	}
	return "aws"
}

// sideBySide makes a call for each number at the same time, and joins the errors.
func sideBySide(numbers []int32, call func(int32) error) error {
	calls := make([]func() error, 0, len(numbers))
	for _, number := range numbers {
		calls = append(calls, func() error { return call(number) })
	}
	return together(calls...)
}
