// SPDX-License-Identifier: Apache-2.0

package deadman_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

const (
	group = "experiments"
	role  = "arn:aws:iam::123456789012:role/agentdisconnect-deadman"
	uid   = "0b9d0a3e-6f1c-4c52-9a51-2f6f3c1d7e88"
)

// holds is a fence that always does.
func holds(context.Context) (time.Time, error) { return time.Now(), nil }

// world is a Region with a schedule group and the role for it.
func world(t *testing.T) (*sim.Simulator, aws.FencedScheduler) {
	t.Helper()
	s, err := sim.Start(t.Context(), sim.Options{NoAgents: true})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	NewWithT(t).Expect(s.Region().CreateScheduleGroup("", "", group, nil)).To(Succeed())
	s.Region().Roles().Put(region.Role{ARN: role, Trust: []string{"scheduler.amazonaws.com"}, Allow: []string{"ec2:DeleteNetworkAclEntry"}})
	return s, aws.NewSessions(s.Config(), "agentdisconnect", "test").In(s.World().Region).Fenced(holds).Scheduler
}

func newSwitch(at time.Time) deadman.Switch {
	return deadman.Switch{
		Group: group, RoleARN: role, Partition: "aws", UID: uid, Owner: "chaos/run", ClusterID: "6f1d2c3b-4a59-4687-9b1c-0d2e3f4a5b6c",
		NetworkACLID: "acl-0b3d6f9a1c5e72840", Time: at,
	}
}

func TestArmingTwiceLeavesOneScheduleAtTheLaterTime(t *testing.T) {
	g := NewWithT(t)
	s, client := world(t)
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	g.Expect(deadman.Arm(t.Context(), client, newSwitch(at), 80)).To(Succeed())
	g.Expect(deadman.Arm(t.Context(), client, newSwitch(at.Add(time.Hour)), 80)).To(Succeed())
	schedules := s.Region().Schedules()
	g.Expect(schedules).To(HaveLen(1))
	g.Expect(schedules[0].Name).To(Equal("agd." + uid + ".80"))
	g.Expect(schedules[0].At).To(BeTemporally("==", at.Add(time.Hour)))
	g.Expect(schedules[0].Target.Input).To(MatchJSON(`{"NetworkAclId":"acl-0b3d6f9a1c5e72840","RuleNumber":80,"Egress":true}`))
	g.Expect(schedules[0].Target.ARN).To(Equal("arn:aws:scheduler:::aws-sdk:ec2:deleteNetworkAclEntry"))
	g.Expect(schedules[0].ActionAfterCompletion).To(Equal("DELETE"))
}

func TestArmingAgainAfterALostAnswer(t *testing.T) {
	g := NewWithT(t)
	s, client := world(t)
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	s.Faults().Add(faults.Fault{Action: "scheduler:CreateSchedule", Lost: true, Times: 1})
	g.Expect(aws.Classify(deadman.Arm(t.Context(), client, newSwitch(at), 80))).To(Equal(aws.Unanswered))
	g.Expect(deadman.Arm(t.Context(), client, newSwitch(at), 80)).To(Succeed())
	g.Expect(s.Region().Schedules()).To(HaveLen(1))
}

func TestDisarmingWhatIsNotThereIsNoError(t *testing.T) {
	g := NewWithT(t)
	s, client := world(t)
	g.Expect(deadman.Arm(t.Context(), client, newSwitch(time.Now().Add(time.Hour)), 80)).To(Succeed())
	for range 2 {
		g.Expect(deadman.Disarm(t.Context(), client, group, uid, 80)).To(Succeed())
		g.Expect(s.Region().Schedules()).To(BeEmpty())
	}
	g.Expect(deadman.Disarm(t.Context(), client, "gone", uid, 80)).To(Succeed())
}

func TestCheckTellsAGroupThatIsNotThere(t *testing.T) {
	g := NewWithT(t)
	_, client := world(t)
	g.Expect(deadman.Check(t.Context(), client, group, uid)).To(Succeed())
	g.Expect(deadman.Check(t.Context(), client, "elsewhere", uid)).To(Satisfy(func(err error) bool { return aws.HasCode(err, aws.CodeScheduleNotFound) }))
}

// EventBridge Scheduler tries for an hour, once the time has come, and at no other.
func TestWhatAScheduleAsksOfTheScheduler(t *testing.T) {
	g := NewWithT(t)
	s, client := world(t)
	ends := time.Date(2027, 3, 4, 5, 6, 7, 890, time.UTC)
	g.Expect(deadman.Time(ends)).To(Equal(time.Date(2027, 3, 4, 5, 16, 7, 0, time.UTC)), "ten minutes after the run's end")
	for _, what := range []string{"made", "made again"} {
		g.Expect(deadman.Arm(t.Context(), client, newSwitch(deadman.Time(ends)), 80)).To(Succeed())
		schedules := s.Region().Schedules()
		g.Expect(schedules).To(HaveLen(1))
		made := schedules[0]
		g.Expect(made.Target.MaximumEventAge).To(Equal(time.Hour), what)
		g.Expect(made.Target.MaximumRetryAttempts).To(Equal(185), what)
		g.Expect(made.Target.RoleARN).To(Equal(role), what)
		g.Expect(made.State).To(Equal("ENABLED"), what)
		g.Expect(made.Window).To(BeZero(), what)
		g.Expect(made.Timezone).To(Equal("UTC"), what)
		g.Expect(made.Expression).To(Equal("at(2027-03-04T05:16:07)"), what)
		g.Expect(made.ActionAfterCompletion).To(Equal("DELETE"), what)
		g.Expect(made.Description).To(Equal("agentdisconnect v1 6f1d2c3b-4a59-4687-9b1c-0d2e3f4a5b6c chaos/run"), what)
	}
}

// A repeat by the SDK would hide what the first attempt did.
func TestEachChangeIsSentOnceAndItsErrorIsTold(t *testing.T) {
	at := time.Now().Add(time.Hour)
	arm := func(ctx context.Context, client aws.FencedScheduler) error {
		return deadman.Arm(ctx, client, newSwitch(at), 80)
	}
	for action, change := range map[string]func(context.Context, aws.FencedScheduler) error{
		"scheduler:CreateSchedule": arm,
		"scheduler:UpdateSchedule": arm,
		"scheduler:DeleteSchedule": func(ctx context.Context, client aws.FencedScheduler) error {
			return deadman.Disarm(ctx, client, group, uid, 80)
		},
	} {
		for _, fault := range []faults.Fault{{Error: "InternalServerException"}, {Denied: true}} {
			g := NewWithT(t)
			s, client := world(t)
			if action != "scheduler:CreateSchedule" {
				g.Expect(deadman.Arm(t.Context(), client, newSwitch(at), 80)).To(Succeed())
			}
			fault.Action = action
			s.Faults().Add(fault)
			g.Expect(aws.Action(change(t.Context(), client))).To(Equal(action))
			sent := slices.DeleteFunc(s.Calls(), func(c sim.Call) bool { return c.Name() != action || c.Error == "" })
			g.Expect(sent).To(HaveLen(1), action)
		}
	}
}

func TestCheckTellsWhatTheRoleLacks(t *testing.T) {
	for _, action := range []string{"scheduler:ListSchedules", "scheduler:DeleteSchedule"} {
		g := NewWithT(t)
		s, client := world(t)
		for _, number := range []int32{1, 80, 32766} {
			g.Expect(deadman.Arm(t.Context(), client, newSwitch(time.Now().Add(time.Hour)), number)).To(Succeed())
		}
		g.Expect(deadman.Check(t.Context(), client, group, uid)).To(Succeed())
		g.Expect(s.Region().Schedules()).To(HaveLen(3), "a check deletes nothing")

		s.Faults().Add(faults.Fault{Action: action, Denied: true})
		err := deadman.Check(t.Context(), client, group, uid)
		g.Expect(aws.Classify(err)).To(Equal(aws.Denied), "%v", err)
		g.Expect(aws.Action(err)).To(Equal(action))
	}
}

// EventBridge Scheduler refuses a description of more than 512 characters.
func TestALongDescriptionIsCutOff(t *testing.T) {
	g := NewWithT(t)
	long := newSwitch(time.Time{})
	long.Owner = "chaos/" + strings.Repeat("x", 600)
	g.Expect(long.Describe()).To(HaveLen(512))
}

func TestNamesAndDescriptionsAreReadAsTheyWereWritten(t *testing.T) {
	g := NewWithT(t)
	for _, number := range []int32{1, 80, 32766} {
		name := deadman.Name(uid, number)
		g.Expect(len(name)).To(BeNumerically("<=", 64), "as EventBridge Scheduler bounds it")
		gotUID, got, ok := deadman.ParseName(name)
		g.Expect([]any{gotUID, got, ok}).To(Equal([]any{uid, number, true}))
	}
	for _, name := range []string{"", "agd.", "agd." + uid, "agd." + uid + ".080", "agd." + uid + ".0", "agd." + uid + ".32767", "agd." + strings.ToUpper(uid) + ".80", "x" + deadman.Name(uid, 80), deadman.Name(uid, 80) + ".1"} {
		_, _, ok := deadman.ParseName(name)
		g.Expect(ok).To(BeFalse(), name)
	}
	cluster, owner, ok := deadman.ParseDescription(newSwitch(time.Time{}).Describe())
	g.Expect([]any{cluster, owner, ok}).To(Equal([]any{"6f1d2c3b-4a59-4687-9b1c-0d2e3f4a5b6c", "chaos/run", true}))
}
