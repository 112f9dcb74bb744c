// SPDX-License-Identifier: Apache-2.0

package deadmanswitch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Switch is the dead man's switch of a run in one pass.
type Switch struct {
	*pass.Pass

	seen *Memory
	// unarmed are the rule numbers whose schedules a look in this pass found missing or changed.
	unarmed []int32
}

// New gives the switch in a pass. seen is what earlier passes saw of it.
func New(p *pass.Pass, seen *Memory) *Switch { return &Switch{Pass: p, seen: seen} }

// Memory is what passes saw of a switch. The zero value is empty.
type Memory struct {
	// lookedAt is when the schedules were last looked at, and failedSince since when that fails.
	lookedAt, failedSince time.Time
}

// configured are the role and the schedule group of the account that the run works in. Empty, both of
// them: there is no switch.
func (w *Switch) configured() (role, group string) { return w.Options.SwitchOf(w.Object.Namespace) }

// flags are those that configure the switch.
func (w *Switch) flags() string {
	if !w.Clients.Role.IsOwn() {
		return fmt.Sprintf("deadman-role-arn and deadman-schedule-group of namespace %s (--namespace-role)", w.Object.Namespace)
	}
	return "--deadman-role-arn and --deadman-schedule-group"
}

// Initial is what the status says of the dead man's switch when a run begins. In place there is
// none: once a rule is gone, its number may be a third party's, whose entry a schedule would
// delete.
func (w *Switch) Initial(mode v1alpha1.NetworkACLMode, expires time.Time) *v1alpha1.DeadManSwitch {
	switch _, group := w.configured(); {
	case mode != v1alpha1.NetworkACLModeClone:
		return &v1alpha1.DeadManSwitch{State: v1alpha1.SwitchNotInPlace}
	case group == "":
		return &v1alpha1.DeadManSwitch{State: v1alpha1.SwitchNotConfigured}
	default:
		return &v1alpha1.DeadManSwitch{State: v1alpha1.SwitchArming, ScheduleGroup: group, Time: run.Stamp(deadman.Time(expires))}
	}
}

// Check makes sure that the schedule group is there, before a run begins.
func (w *Switch) Check(ctx context.Context) error {
	_, group := w.configured()
	if group == "" {
		return nil
	}
	_, err := w.Cache.ScheduleGroup.Get(w.Now, group, func() (bool, error) {
		return true, deadman.Check(ctx, w.Fenced().Scheduler, group, string(w.Object.UID))
	})
	return w.noGroup(err, group)
}

// noGroup says what to do about a schedule group that isn't there.
func (w *Switch) noGroup(err error, group string) error {
	if !aws.HasCode(err, aws.CodeScheduleNotFound) {
		return err
	}
	return problem.Refuse(v1alpha1.ReasonNoDeadManSwitch, "EventBridge Scheduler has no schedule group %s in this account and Region: create it (aws scheduler create-schedule-group --name %s), or correct %s", group, group, w.flags())
}

// ToArm has the next write of the status say that there may be schedules for lines.
func (w *Switch) ToArm(lines []v1alpha1.Rule) {
	armable := run.DeadManSwitch(w.Status())
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

// Arm has EventBridge Scheduler delete the entries of lines if the manager does not. It comes
// before the entries.
func (w *Switch) Arm(ctx context.Context, lines []v1alpha1.Rule) error {
	armable := run.DeadManSwitch(w.Status())
	if armable == nil {
		return nil
	}

	var numbers []int32
	for _, line := range lines {
		numbers = append(numbers, line.RuleNumber)
	}

	if err := w.askForSchedules(ctx, numbers, Fires(w.Status())); err != nil {
		return err
	}

	unarmed := func(l v1alpha1.Rule) bool {
		return l.State == v1alpha1.RuleCreating && !slices.Contains(numbers, l.RuleNumber)
	}

	if !slices.ContainsFunc(w.Status().Rules, unarmed) {
		armable.State = v1alpha1.SwitchArmed
	}
	return nil
}

// askForSchedules asks for the schedules of rule numbers, side by side.
func (w *Switch) askForSchedules(ctx context.Context, numbers []int32, at time.Time) error {
	group := run.DeadManSwitch(w.Status()).ScheduleGroup
	role, _ := w.configured()
	if role == "" {
		return problem.Refuse(v1alpha1.ReasonNoDeadManSwitch, "the run began with a dead man's switch, and the manager now runs without one: set %s again", w.flags())
	}
	of := w.switchOf(role, at)
	err := parallel.ForEach(numbers, func(number int32) error { return deadman.Arm(ctx, w.Fenced().Scheduler, of, number) })
	if err == nil && w.seen.lookedAt.IsZero() {
		w.seen.lookedAt = w.Now // what was asked for just now, listings may lack
	}
	return w.noGroup(err, group)
}

// switchOf is what the schedules of the run have in common, if they fire at a time.
func (w *Switch) switchOf(role string, at time.Time) deadman.Switch {
	return deadman.Switch{
		Group: run.DeadManSwitch(w.Status()).ScheduleGroup, RoleARN: role, Partition: partition(w.Status().Target.ClusterARN),
		UID: string(w.Object.UID), Owner: run.Name(w.Object), ClusterID: w.Options.ClusterID,
		NetworkACLID: w.Status().NetworkACL.ID, Time: at,
	}
}

// ArmLeft arms what an earlier pass was kept from arming, or from writing down.
func (w *Switch) ArmLeft(ctx context.Context, lines []v1alpha1.Rule) error {
	armable := run.DeadManSwitch(w.Status())
	if armable == nil || armable.State != v1alpha1.SwitchArming || len(lines) == 0 {
		return nil
	}
	w.ToArm(lines)
	if err := w.Ledger.Persist(ctx); err != nil {
		return err
	}
	return w.Arm(ctx, lines)
}

// Reschedule moves the schedules to after another end of the run. The time is written down before
// they are asked for: until all are known to have it, they are asked for again.
func (w *Switch) Reschedule(ctx context.Context, expires time.Time) error {
	armable, at := run.DeadManSwitch(w.Status()), deadman.Time(expires)
	if armable == nil || armable.State == v1alpha1.SwitchArmed && Fires(w.Status()).Equal(at) {
		return nil
	}

	armable.State, armable.Time = v1alpha1.SwitchArming, run.Stamp(at)
	if err := w.Ledger.Persist(ctx); err != nil {
		return err
	}

	numbers := armable.RuleNumbers
	if err := w.askForSchedules(ctx, numbers, at); err != nil {
		return err
	}

	unarmed := func(l v1alpha1.Rule) bool {
		return l.State != v1alpha1.RuleReleased && !slices.Contains(numbers, l.RuleNumber)
	}

	if !slices.ContainsFunc(w.Status().Rules, unarmed) {
		run.DeadManSwitch(w.Status()).State = v1alpha1.SwitchArmed
	}
	return nil
}

// Fires is when the schedules of a run are to fire: what is being moved to counts, so that none
// fires before it.
func Fires(status *v1alpha1.AgentDisconnectStatus) time.Time {
	if armed := run.DeadManSwitch(status); armed != nil && armed.Time != nil {
		return armed.Time.Time
	}
	return deadman.Time(run.Expiration(status)) // the status was edited
}

// Disarm deletes the run's schedules, once its rules are known to be gone.
func (w *Switch) Disarm(ctx context.Context) error {
	if run.DeadManSwitch(w.Status()) == nil {
		return nil
	}
	if err := w.unschedule(ctx, run.DeadManSwitch(w.Status()).RuleNumbers); err != nil {
		return err
	}
	w.Status().NetworkACL.DeadManSwitch = nil
	return nil
}

// DisarmStale deletes the schedules for numbers that no line of the ledger has any more: a copy may
// get such a number.
func (w *Switch) DisarmStale(ctx context.Context) error {
	armable := run.DeadManSwitch(w.Status())
	if armable == nil {
		return nil
	}
	return w.unschedule(ctx, slices.DeleteFunc(slices.Clone(armable.RuleNumbers), func(number int32) bool {
		return slices.ContainsFunc(w.Status().Rules, func(l v1alpha1.Rule) bool {
			return l.RuleNumber == number && l.State != v1alpha1.RuleReleased
		})
	}))
}

// unschedule deletes schedules, and writes down that they are gone.
func (w *Switch) unschedule(ctx context.Context, numbers []int32) error {
	if len(numbers) == 0 {
		return nil
	}

	group := run.DeadManSwitch(w.Status()).ScheduleGroup
	if err := parallel.ForEach(numbers, func(number int32) error {
		return deadman.Disarm(context.WithoutCancel(ctx), w.Fenced().Scheduler, group, string(w.Object.UID), number)
	}); err != nil {
		return err
	}

	return w.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		left := run.DeadManSwitch(status)
		if left == nil {
			return // the status was edited
		}
		left.RuleNumbers = slices.DeleteFunc(slices.Clone(left.RuleNumbers), func(number int32) bool { return slices.Contains(numbers, number) })
	})
}

// partition is that of an ARN.
func partition(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 1 && parts[1] != "" {
		return parts[1]
	}
	return "aws"
}
