// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// attempts are the calls that schedules made.
func attempts(s *Simulator) (made []Call) {
	for _, c := range s.Calls() {
		if c.AccessKey == "" {
			made = append(made, c)
		}
	}
	return made
}

// outcomes are the attempts in words: "+15s AccessDenied", from the first one on, which is "+0s".
func outcomes(s *Simulator) (out []string) {
	all := attempts(s)
	for _, c := range all {
		text := c.String()
		out = append(out, fmt.Sprintf("+%s %s", c.Time.Sub(all[0].Time), text))
	}
	return out
}

func TestScheduleRunsWithinItsMinute(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	at := noon.Add(time.Hour)
	g.Expect(arm(s, deletion("one", 80, at))).To(Succeed())
	due := s.Region().Schedules()[0].Due
	g.Expect(due).To(And(BeTemporally(">=", at), BeTemporally("<", at.Add(time.Minute))))

	fake.SetTime(due.Add(-time.Nanosecond))
	g.Expect(entries(s)).To(Equal(5))
	g.Expect(s.Region().Schedules()).To(HaveLen(1))
	fake.SetTime(due)
	g.Expect(entries(s)).To(Equal(4), "seen in the state")
	g.Expect(seenEntries(t, g, s)).To(Equal(4), "and over the API")
	g.Expect(s.Region().Schedules()).To(BeEmpty(), "deleted after its completion")
	g.Expect(s.Region().Invocations()).To(BeEmpty())

	made := attempts(s)
	g.Expect(made).To(HaveLen(1))
	g.Expect(made[0].Name()).To(Equal("ec2:DeleteNetworkAclEntry"))
	g.Expect(made[0].Identity).To(Equal(switchRole))
	g.Expect(made[0].Schedule).To(Equal(scheduleARN + "one"))
	g.Expect(made[0].Time).To(Equal(due))
	g.Expect(made[0].Error).To(BeEmpty())
	g.Expect(made[0].Param("RuleNumber")).To(Equal("80"))
	fake.SetTime(due.Add(24 * time.Hour))
	g.Expect(attempts(s)).To(HaveLen(1), "once")
}

func TestScheduleInCloudTrail(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler, func(o *Options) { o.Scale = 1 })
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	g.Expect(arm(s, deletion("one", 80, noon.Add(time.Hour)))).To(Succeed())
	fake.SetTime(noon.Add(2 * time.Hour))
	events, err := lookup(t, s, cloudtrail.LookupEventsInput{LookupAttributes: by(cttypes.LookupAttributeKeyEventName, "DeleteNetworkAclEntry")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(HaveLen(1))
	var record struct {
		UserIdentity struct {
			Type, Arn, InvokedBy string
			SessionContext       struct{ SessionIssuer struct{ Arn string } }
		}
		SourceIPAddress   string
		RequestParameters struct{ NetworkACLID string }
		EventTime         time.Time
	}
	g.Expect(json.Unmarshal([]byte(*events[0].CloudTrailEvent), &record)).To(Succeed())
	g.Expect(record.UserIdentity.Type).To(Equal("AssumedRole"))
	g.Expect(record.UserIdentity.Arn).To(HavePrefix("arn:aws:sts::123456789012:assumed-role/switch/"))
	g.Expect(record.UserIdentity.InvokedBy).To(Equal("scheduler.amazonaws.com"))
	g.Expect(record.UserIdentity.SessionContext.SessionIssuer.Arn).To(Equal(switchRole))
	g.Expect(record.SourceIPAddress).To(Equal("scheduler.amazonaws.com"))
	g.Expect(record.RequestParameters.NetworkACLID).To(Equal(dedicatedACL))
	g.Expect(record.EventTime).To(BeTemporally("<", noon.Add(time.Hour+time.Minute)), "when it was due, not when it was read")

	events, err = lookup(t, s, cloudtrail.LookupEventsInput{LookupAttributes: by(cttypes.LookupAttributeKeyEventSource, "scheduler.amazonaws.com")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(HaveLen(1))
	g.Expect(*events[0].CloudTrailEvent).To(ContainSubstring(`"groupName":"switches"`))
}

// A step of the clock over several schedules, and a read of the time between them.
func TestSchedulesTakeEffectAtTheirTimes(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	for n := range int32(3) {
		g.Expect(create(s, deny(80+n, "52.119.223.69/32"))).To(Succeed())
		// The last one is due first.
		g.Expect(arm(s, deletion(fmt.Sprint("n", n), 80+int(n), noon.Add(time.Duration(6-2*n)*time.Minute)))).To(Succeed())
	}
	fake.SetTime(noon.Add(10 * time.Minute))
	g.Expect(entries(s)).To(Equal(4))
	var order []string
	for _, c := range attempts(s) {
		order = append(order, c.Param("RuleNumber"))
	}
	g.Expect(order).To(Equal([]string{"82", "81", "80"}))
	s.Faults().Add(faults.Fault{Action: "ec2:Describe*", Stale: faults.Duration(5 * time.Minute)})
	g.Expect(seenEntries(t, g, s)).To(Equal(5), "at 12:05 two of three had run")
}

func TestSchedulesThatDoNotRun(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	for n := range int32(3) {
		g.Expect(create(s, deny(80+n, "52.119.223.69/32"))).To(Succeed())
	}
	disabled := deletion("disabled", 80, noon.Add(time.Hour))
	disabled.State = types.ScheduleStateDisabled
	g.Expect(arm(s, disabled)).To(Succeed())
	g.Expect(arm(s, deletion("deleted", 81, noon.Add(time.Hour)))).To(Succeed())
	_, err := schedulerClient(s).DeleteSchedule(t.Context(), &scheduler.DeleteScheduleInput{Name: aws.String("deleted"), GroupName: aws.String(switchGroup)})
	g.Expect(err).NotTo(HaveOccurred())
	kept := deletion("kept", 82, noon.Add(time.Hour))
	kept.ActionAfterCompletion = ""
	g.Expect(arm(s, kept)).To(Succeed())

	fake.SetTime(noon.Add(2 * time.Hour))
	g.Expect(entries(s)).To(Equal(6))
	left := s.Region().Schedules()
	g.Expect(left).To(HaveLen(2))
	g.Expect(left[0].Name).To(Equal("disabled"))
	g.Expect(left[0].Invoked).To(BeFalse())
	g.Expect(left[1].Name).To(Equal("kept"))
	g.Expect(left[1].Invoked).To(BeTrue())
	_, err = schedulerClient(s).UpdateSchedule(t.Context(), &scheduler.UpdateScheduleInput{
		Name: disabled.Name, GroupName: disabled.GroupName, ScheduleExpression: disabled.ScheduleExpression, Target: disabled.Target,
		FlexibleTimeWindow: disabled.FlexibleTimeWindow,
	})
	g.Expect(code(err)).To(Equal("ValidationException"), "its time is over")
}

func TestScheduleRetries(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	in := deletion("one", 80, noon.Add(time.Hour))
	in.Target.RetryPolicy = &types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(60)}
	g.Expect(arm(s, in)).To(Succeed())
	due := s.Region().Schedules()[0].Due
	working, _ := s.Roles().Get(switchRole)

	g.Expect(s.Roles().Remove(switchRole)).To(BeTrue())
	fake.SetTime(due)
	g.Expect(outcomes(s)).To(Equal([]string{"+0s sts:AssumeRole: AccessDenied"}))
	pending := s.Region().Invocations()
	g.Expect(pending).To(HaveLen(1))
	g.Expect(pending[0].LastError).To(Equal("AccessDenied"))
	g.Expect(pending[0].Next).To(Equal(due.Add(time.Second)))
	g.Expect(s.Region().Schedules()[0].Invoked).To(BeTrue(), "there until its invocation is through")

	s.Roles().Put(region.Role{ARN: switchRole, Trust: []string{"events.amazonaws.com"}, Allow: working.Allow})
	fake.SetTime(due.Add(time.Second))
	g.Expect(outcomes(s)).To(HaveLen(2))
	s.Roles().Put(region.Role{ARN: switchRole, Trust: working.Trust, Allow: []string{"ec2:Describe*"}})
	fake.SetTime(due.Add(3 * time.Second))
	g.Expect(outcomes(s)).To(HaveLen(3))
	s.Roles().Put(working)
	s.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Error: "InternalError", Times: 1})
	fake.SetTime(due.Add(7 * time.Second))
	remove := s.Faults().Add(faults.Fault{Action: "ec2:*", Throttle: &faults.Bucket{Burst: 1}})
	_, err := ec2Client(s).DeleteNetworkAclEntry(t.Context(), &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(80), Egress: aws.Bool(true), DryRun: aws.Bool(true),
	})
	g.Expect(code(err)).To(Equal("DryRunOperation"), "it took the only token")
	fake.SetTime(due.Add(15 * time.Second))
	g.Expect(entries(s)).To(Equal(5))
	remove()
	fake.SetTime(due.Add(time.Hour))
	g.Expect(entries(s)).To(Equal(4))
	g.Expect(outcomes(s)).To(Equal([]string{
		"+0s sts:AssumeRole: AccessDenied",
		"+1s sts:AssumeRole: AccessDenied",
		"+3s ec2:DeleteNetworkAclEntry: UnauthorizedOperation",
		"+7s ec2:DeleteNetworkAclEntry: InternalError",
		"+15s ec2:DeleteNetworkAclEntry: RequestLimitExceeded",
		"+31s ec2:DeleteNetworkAclEntry",
	}))
	g.Expect(s.Region().Schedules()).To(BeEmpty())
	g.Expect(s.Region().Invocations()).To(BeEmpty())
}

func TestScheduleGivesUp(t *testing.T) {
	absent := "ec2:DeleteNetworkAclEntry: InvalidNetworkAclEntry.NotFound"
	for name, c := range map[string]struct {
		policy types.RetryPolicy
		want   []string
	}{
		"no retries":  {types.RetryPolicy{MaximumRetryAttempts: aws.Int32(0)}, []string{"+0s " + absent}},
		"two retries": {types.RetryPolicy{MaximumRetryAttempts: aws.Int32(2)}, []string{"+0s " + absent, "+1s " + absent, "+3s " + absent}},
		"a minute": {
			types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(60)},
			[]string{"+0s " + absent, "+1s " + absent, "+3s " + absent, "+7s " + absent, "+15s " + absent, "+31s " + absent},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, g, fake := startAtNoon(t, withScheduler)
			in := deletion("one", 80, noon.Add(time.Hour))
			in.Target.RetryPolicy = &c.policy
			g.Expect(arm(s, in)).To(Succeed())
			fake.SetTime(noon.Add(48 * time.Hour))
			g.Expect(outcomes(s)).To(Equal(c.want))
			g.Expect(s.Region().Schedules()).To(BeEmpty())
		})
	}
	t.Run("by default", func(t *testing.T) {
		s, g, fake := startAtNoon(t, withScheduler)
		g.Expect(arm(s, deletion("one", 80, noon.Add(time.Hour)))).To(Succeed())
		due := s.Region().Schedules()[0].Due
		fake.SetTime(noon.Add(48 * time.Hour))
		made := attempts(s)
		g.Expect(made).To(HaveLen(186))
		g.Expect(made[185].Time).To(BeTemporally("~", due.Add(24*time.Hour), time.Hour))
		g.Expect(made[185].Time).To(BeTemporally("<=", due.Add(24*time.Hour)))
	})
}

func TestScheduleWhoseAnswerIsLost(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	in := deletion("one", 80, noon.Add(time.Hour))
	in.Target.RetryPolicy = &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(1)}
	g.Expect(arm(s, in)).To(Succeed())
	s.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Lost: true, Times: 1})
	fake.SetTime(noon.Add(2 * time.Hour))
	g.Expect(outcomes(s)).To(Equal([]string{
		"+0s ec2:DeleteNetworkAclEntry: answer lost", "+1s ec2:DeleteNetworkAclEntry: InvalidNetworkAclEntry.NotFound",
	}))
	g.Expect(entries(s)).To(Equal(4))
}

func TestScheduleRoleWithTagCondition(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	role, _ := s.Roles().Get(switchRole)
	policy, err := iam.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:DeleteNetworkAclEntry","Resource":"` +
		arnACLs + `","Condition":{"Null":{"aws:ResourceTag/` + cloneTag + `":"false"}}}}`))
	g.Expect(err).NotTo(HaveOccurred())
	role.Policies = []*iam.Policy{policy}
	s.Roles().Put(role)
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	g.Expect(arm(s, deletion("one", 80, noon.Add(time.Hour)))).To(Succeed())
	due := s.Region().Schedules()[0].Due
	fake.SetTime(due)
	g.Expect(outcomes(s)).To(Equal([]string{"+0s ec2:DeleteNetworkAclEntry: UnauthorizedOperation"}))
	g.Expect(s.Region().CreateTags([]string{dedicatedACL}, map[string]string{cloneTag: "x"})).To(Succeed())
	fake.SetTime(due.Add(time.Second))
	g.Expect(entries(s)).To(Equal(4))
}

func TestSchedulesThatCannotWork(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	for name, change := range map[string]func(*types.Target){
		"action": func(to *types.Target) { to.Arn = aws.String("arn:aws:scheduler:::aws-sdk:ec2:createTags") },
		"type": func(to *types.Target) {
			to.Input = aws.String(`{"NetworkAclId":"` + dedicatedACL + `","RuleNumber":"80","Egress":true}`)
		},
		"name": func(to *types.Target) {
			to.Input = aws.String(`{"networkAclId":"` + dedicatedACL + `","RuleNumber":80,"Egress":true}`)
		},
		"absent": func(to *types.Target) { to.Input = aws.String(`{"NetworkAclId":"` + dedicatedACL + `","Egress":true}`) },
		"empty":  func(to *types.Target) { to.Input = nil },
	} {
		in := deletion(name, 80, noon.Add(time.Hour))
		in.Target.RetryPolicy = &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(0)}
		change(in.Target)
		g.Expect(arm(s, in)).To(Succeed())
	}
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	fake.SetTime(noon.Add(2 * time.Hour))
	g.Expect(entries(s)).To(Equal(5))
	failed := map[string]string{}
	for _, c := range attempts(s) {
		failed[c.Schedule[len(scheduleARN):]] = c.String()
	}
	g.Expect(failed).To(Equal(map[string]string{
		"action": "ec2:CreateTags: UnknownOperationException",
		"type":   "ec2:DeleteNetworkAclEntry: SerializationException",
		"name":   "ec2:DeleteNetworkAclEntry: SerializationException",
		"absent": "ec2:DeleteNetworkAclEntry: MissingParameter",
		"empty":  "ec2:DeleteNetworkAclEntry: SerializationException",
	}))
}

// What began goes on as it began, whatever becomes of its schedule.
func TestInvocationOutlivesItsSchedule(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	g.Expect(arm(s, deletion("deleted", 80, noon.Add(time.Hour)))).To(Succeed())
	moved := deletion("moved", 81, noon.Add(time.Hour))
	g.Expect(arm(s, moved)).To(Succeed())
	fake.SetTime(noon.Add(time.Hour + time.Minute))
	g.Expect(s.Region().Invocations()).To(HaveLen(2))
	_, err := schedulerClient(s).DeleteSchedule(t.Context(), &scheduler.DeleteScheduleInput{Name: aws.String("deleted"), GroupName: aws.String(switchGroup)})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = schedulerClient(s).UpdateSchedule(t.Context(), &scheduler.UpdateScheduleInput{
		Name: moved.Name, GroupName: moved.GroupName, ScheduleExpression: aws.String("at(2026-01-03T12:00:00)"), Target: moved.Target,
		FlexibleTimeWindow: moved.FlexibleTimeWindow, ActionAfterCompletion: types.ActionAfterCompletionDelete,
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	g.Expect(create(s, deny(81, "52.119.223.69/32"))).To(Succeed())
	fake.SetTime(noon.Add(2 * time.Hour))
	g.Expect(entries(s)).To(Equal(4))
	g.Expect(s.Region().Schedules()).To(HaveLen(1), "the new time of the moved one is still to come")
	g.Expect(create(s, deny(81, "52.119.223.69/32"))).To(Succeed())
	fake.SetTime(noon.Add(25 * time.Hour))
	g.Expect(entries(s)).To(Equal(4))
	g.Expect(s.Region().Schedules()).To(BeEmpty())
}

func TestHooksOfSchedules(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	g.Expect(arm(s, deletion("one", 80, noon.Add(time.Hour)))).To(Succeed())
	var seen []int
	s.Faults().Before("ec2:DeleteNetworkAclEntry", func(c Call) {
		g.Expect(c.Schedule).To(Equal(scheduleARN + "one"))
		seen = append(seen, entries(s), seenEntries(t, g, s)) // a hook may call anything
	})
	s.Faults().After("ec2:DeleteNetworkAclEntry", func(Call) { seen = append(seen, entries(s)) })
	// A hook that moves the clock: the schedule comes before the effect of the call that is under way.
	s.Faults().Before("ec2:CreateNetworkAclEntry", func(Call) { fake.SetTime(noon.Add(2 * time.Hour)) })
	g.Expect(create(s, deny(80, "52.119.223.70/32"))).To(Succeed())
	g.Expect(seen).To(Equal([]int{5, 5, 4}))
	g.Expect(entries(s)).To(Equal(5))
}

func TestSchedulesOfAnotherRegion(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	cfg := s.Config()
	cfg.Region = "us-east-1"
	in := deletion("one", 80, noon.Add(time.Hour))
	in.GroupName, in.Target.RetryPolicy = nil, &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(0)}
	_, err := scheduler.NewFromConfig(cfg).CreateSchedule(t.Context(), in)
	g.Expect(err).NotTo(HaveOccurred(), "roles belong to the account")
	g.Expect(s.Region().Schedules()).To(BeEmpty())
	fake.SetTime(noon.Add(2 * time.Hour))
	g.Expect(attempts(s)).To(HaveLen(1))
	g.Expect(attempts(s)[0].Region).To(Equal("us-east-1"))
	g.Expect(attempts(s)[0].Error).To(Equal("InvalidNetworkAclID.NotFound"))
}

// Without an injected clock schedules run by themselves.
func TestScheduleInRealTime(t *testing.T) {
	s, g := start(t, withScheduler)
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	held := s.Region() // no call follows: the state itself changes
	name := ""
	for n := 0; name == "" && n < 10000; n++ { // one whose second is the first of its minute
		trial := region.Schedule{Group: switchGroup, Name: fmt.Sprint("n", n), At: time.Now().Add(time.Hour), Target: region.ScheduleTarget{RoleARN: switchRole}}
		g.Expect(held.CreateSchedule("", "", trial)).To(Succeed())
		if made := held.Schedules()[0]; made.Due.Equal(made.At) {
			name = made.Name
		}
		g.Expect(held.DeleteSchedule("", switchGroup, trial.Name)).To(Succeed())
	}
	g.Expect(name).NotTo(BeEmpty())
	at := time.Now().Add(3 * time.Second)
	g.Expect(arm(s, deletion(name, 80, at))).To(Succeed())
	g.Eventually(func() int {
		a, _ := held.NetworkACL(dedicatedACL)
		return len(a.Entries)
	}).Should(Equal(4))
	g.Eventually(held.Schedules).Should(BeEmpty())
	g.Expect(attempts(s)[0].Time).To(BeTemporally(">=", at.Truncate(time.Second)), "a schedule has whole seconds")
}
