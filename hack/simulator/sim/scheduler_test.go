// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	switchRole  = "arn:aws:iam::123456789012:role/switch"
	switchGroup = "switches"
	scheduleARN = "arn:aws:scheduler:ap-northeast-1:123456789012:schedule/switches/"
)

// withScheduler adds a group and a role that may delete entries of clones.
func withScheduler(o *Options) {
	if o.World == nil {
		o.World = world.Default()
	}
	o.World.ScheduleGroups = []string{switchGroup}
	o.World.Roles = []world.Role{{
		ARN: switchRole, Trust: []string{"scheduler.amazonaws.com"}, Allow: []string{"ec2:DeleteNetworkAclEntry"},
	}}
}

func schedulerClient(s *Simulator) *scheduler.Client {
	return scheduler.NewFromConfig(s.Config(), func(o *scheduler.Options) { o.RetryMaxAttempts = 1 })
}

// deletion is a schedule that deletes an egress entry of the dedicated ACL.
func deletion(name string, rule int, at time.Time) *scheduler.CreateScheduleInput {
	return &scheduler.CreateScheduleInput{
		Name: aws.String(name), GroupName: aws.String(switchGroup),
		ScheduleExpression:    aws.String("at(" + at.UTC().Format("2006-01-02T15:04:05") + ")"),
		FlexibleTimeWindow:    &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		ActionAfterCompletion: types.ActionAfterCompletionDelete,
		Description:           aws.String("a test"),
		Target: &types.Target{
			Arn: aws.String("arn:aws:scheduler:::aws-sdk:ec2:deleteNetworkAclEntry"), RoleArn: aws.String(switchRole),
			Input: aws.String(fmt.Sprintf(`{"NetworkAclId":%q,"RuleNumber":%d,"Egress":true}`, dedicatedACL, rule)),
		},
	}
}

// arm creates a schedule.
func arm(s *Simulator, in *scheduler.CreateScheduleInput) error {
	_, err := schedulerClient(s).CreateSchedule(context.Background(), in)
	return err
}

func TestSchedules(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	ctx, client := t.Context(), schedulerClient(s)

	made, err := client.CreateSchedule(ctx, deletion("one", 80, noon.Add(time.Hour)))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*made.ScheduleArn).To(Equal(scheduleARN + "one"))
	get := &scheduler.GetScheduleInput{Name: aws.String("one"), GroupName: aws.String(switchGroup)}
	got, err := client.GetSchedule(ctx, get)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*got.Arn).To(Equal(*made.ScheduleArn))
	g.Expect(*got.ScheduleExpression).To(Equal("at(2026-01-02T13:00:00)"))
	g.Expect(*got.ScheduleExpressionTimezone).To(Equal("UTC"))
	g.Expect(*got.Description).To(Equal("a test"))
	g.Expect(got.State).To(Equal(types.ScheduleStateEnabled))
	g.Expect(got.ActionAfterCompletion).To(Equal(types.ActionAfterCompletionDelete))
	g.Expect(got.FlexibleTimeWindow.Mode).To(Equal(types.FlexibleTimeWindowModeOff))
	g.Expect(*got.CreationDate).To(BeTemporally("==", noon))
	g.Expect(*got.Target.RoleArn).To(Equal(switchRole))
	g.Expect(*got.Target.Input).To(Equal(`{"NetworkAclId":"` + dedicatedACL + `","RuleNumber":80,"Egress":true}`))
	g.Expect(*got.Target.RetryPolicy.MaximumRetryAttempts).To(BeEquivalentTo(185))
	g.Expect(*got.Target.RetryPolicy.MaximumEventAgeInSeconds).To(BeEquivalentTo(86400))

	fake.SetTime(noon.Add(time.Minute))
	in := deletion("one", 81, noon.Add(2*time.Hour))
	_, err = client.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{
		Name: in.Name, GroupName: in.GroupName, ScheduleExpression: aws.String("at(2026-01-02T23:00:00)"),
		ScheduleExpressionTimezone: aws.String("Asia/Tokyo"), Target: in.Target,
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(15)},
	})
	g.Expect(err).NotTo(HaveOccurred())
	schedules := s.Region().Schedules()
	g.Expect(schedules).To(HaveLen(1))
	g.Expect(schedules[0].At).To(BeTemporally("==", noon.Add(2*time.Hour)))
	g.Expect(schedules[0].Due).To(BeTemporally("~", noon.Add(2*time.Hour+7*time.Minute+30*time.Second), 7*time.Minute+30*time.Second))
	g.Expect(schedules[0].Description).To(BeEmpty(), "what an update leaves out is as in a new schedule")
	g.Expect(schedules[0].ActionAfterCompletion).To(Equal("NONE"))
	g.Expect(schedules[0].CreatedAt).To(Equal(noon))
	g.Expect(schedules[0].ModifiedAt).To(Equal(noon.Add(time.Minute)))

	_, err = client.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: aws.String("one"), GroupName: aws.String(switchGroup)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Region().Schedules()).To(BeEmpty())
	_, err = client.GetSchedule(ctx, get)
	g.Expect(code(err)).To(Equal("ResourceNotFoundException"))
	g.Expect(err).To(MatchError(ContainSubstring("StatusCode: 404")))
}

func TestScheduleErrors(t *testing.T) {
	s, g, _ := startAtNoon(t, withScheduler)
	ctx, client := t.Context(), schedulerClient(s)
	g.Expect(arm(s, deletion("one", 80, noon.Add(time.Hour)))).To(Succeed())
	err := arm(s, deletion("one", 80, noon.Add(time.Hour)))
	g.Expect(code(err)).To(Equal("ConflictException"))
	g.Expect(err).To(MatchError(ContainSubstring("StatusCode: 409")))

	nowhere := deletion("two", 80, noon.Add(time.Hour))
	nowhere.GroupName = aws.String("nowhere")
	g.Expect(code(arm(s, nowhere))).To(Equal("ResourceNotFoundException"))
	two := deletion("two", 80, noon.Add(time.Hour))
	_, err = client.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{
		Name: two.Name, GroupName: two.GroupName, ScheduleExpression: two.ScheduleExpression, Target: two.Target, FlexibleTimeWindow: two.FlexibleTimeWindow,
	})
	g.Expect(code(err)).To(Equal("ResourceNotFoundException"))
	_, err = client.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: aws.String("one")})
	g.Expect(code(err)).To(Equal("ResourceNotFoundException"), "in the default group there is none")
	_, err = client.ListSchedules(ctx, &scheduler.ListSchedulesInput{GroupName: aws.String("nowhere")})
	g.Expect(code(err)).To(Equal("ResourceNotFoundException"))
	_, err = client.ListTagsForResource(ctx, &scheduler.ListTagsForResourceInput{ResourceArn: aws.String(scheduleARN + "one")})
	g.Expect(code(err)).To(Equal("UnknownOperationException"))
}

func TestScheduleValidation(t *testing.T) {
	s, g, _ := startAtNoon(t, withScheduler)
	for name, change := range map[string]func(in *scheduler.CreateScheduleInput){
		"name with a slash":       func(in *scheduler.CreateScheduleInput) { in.Name = aws.String("a/b") },
		"name with a space":       func(in *scheduler.CreateScheduleInput) { in.Name = aws.String("a b") },
		"name too long":           func(in *scheduler.CreateScheduleInput) { in.Name = aws.String(strings.Repeat("a", 65)) },
		"group name":              func(in *scheduler.CreateScheduleInput) { in.GroupName = aws.String("") },
		"description too long":    func(in *scheduler.CreateScheduleInput) { in.Description = aws.String(strings.Repeat("ä", 513)) },
		"client token":            func(in *scheduler.CreateScheduleInput) { in.ClientToken = aws.String("a.b") },
		"state":                   func(in *scheduler.CreateScheduleInput) { in.State = "ON" },
		"action after completion": func(in *scheduler.CreateScheduleInput) { in.ActionAfterCompletion = "KEEP" },
		"time zone":               func(in *scheduler.CreateScheduleInput) { in.ScheduleExpressionTimezone = aws.String("Mars/Olympus") },
		"no such day":             func(in *scheduler.CreateScheduleInput) { in.ScheduleExpression = aws.String("at(2026-02-30T00:00:00)") },
		"time with its zone": func(in *scheduler.CreateScheduleInput) {
			in.ScheduleExpression = aws.String("at(2026-02-03T00:00:00Z)")
		},
		"time without seconds": func(in *scheduler.CreateScheduleInput) { in.ScheduleExpression = aws.String("at(2026-02-03T00:00)") },
		"now":                  func(in *scheduler.CreateScheduleInput) { in.ScheduleExpression = aws.String("at(2026-01-02T12:00:00)") },
		"the past":             func(in *scheduler.CreateScheduleInput) { in.ScheduleExpression = aws.String("at(2026-01-02T11:59:59)") },
		"rate":                 func(in *scheduler.CreateScheduleInput) { in.ScheduleExpression = aws.String("rate(5 minutes)") },
		"cron":                 func(in *scheduler.CreateScheduleInput) { in.ScheduleExpression = aws.String("cron(0 12 * * ? *)") },
		"window without its length": func(in *scheduler.CreateScheduleInput) {
			in.FlexibleTimeWindow = &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible}
		},
		"window too long": func(in *scheduler.CreateScheduleInput) {
			in.FlexibleTimeWindow = &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(1441)}
		},
		"templated target": func(in *scheduler.CreateScheduleInput) {
			in.Target.Arn = aws.String("arn:aws:lambda:ap-northeast-1:123456789012:function:f")
		},
		"target in another partition": func(in *scheduler.CreateScheduleInput) {
			in.Target.Arn = aws.String("arn:aws-cn:scheduler:::aws-sdk:ec2:deleteNetworkAclEntry")
		},
		"read-only target": func(in *scheduler.CreateScheduleInput) {
			in.Target.Arn = aws.String("arn:aws:scheduler:::aws-sdk:ec2:describeVpcs")
		},
		"input that is no JSON": func(in *scheduler.CreateScheduleInput) { in.Target.Input = aws.String("80") },
		"role that is none":     func(in *scheduler.CreateScheduleInput) { in.Target.RoleArn = aws.String("switch") },
		"role that isn't there": func(in *scheduler.CreateScheduleInput) { in.Target.RoleArn = aws.String(switchRole + "es") },
		"too many retries": func(in *scheduler.CreateScheduleInput) {
			in.Target.RetryPolicy = &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(186)}
		},
		"event age too short": func(in *scheduler.CreateScheduleInput) {
			in.Target.RetryPolicy = &types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(59)}
		},
		"dead-letter queue": func(in *scheduler.CreateScheduleInput) {
			in.Target.DeadLetterConfig = &types.DeadLetterConfig{Arn: aws.String("arn:aws:sqs:ap-northeast-1:123456789012:q")}
		},
		"parameters of another target": func(in *scheduler.CreateScheduleInput) { in.Target.SqsParameters = &types.SqsParameters{} },
	} {
		in := deletion("x", 80, noon.Add(time.Hour))
		change(in)
		err := arm(s, in)
		// A slash in a name makes another path at AWS too; the SDK escapes it.
		g.Expect(code(err)).To(Equal("ValidationException"), name)
		g.Expect(err).To(MatchError(ContainSubstring("StatusCode: 400")), name)
	}
	g.Expect(s.Region().Schedules()).To(BeEmpty())

	s.Roles().Put(region.Role{ARN: switchRole, Trust: []string{"events.amazonaws.com"}, Allow: []string{"*"}})
	g.Expect(arm(s, deletion("x", 80, noon.Add(time.Hour)))).To(MatchError(ContainSubstring("must allow AWS EventBridge Scheduler to assume the role")))
}

func TestScheduleClientTokens(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	ctx, client := t.Context(), schedulerClient(s)
	in := deletion("one", 80, noon.Add(time.Hour))
	in.ClientToken = aws.String("t-1")
	for range 2 {
		made, err := client.CreateSchedule(ctx, in)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(*made.ScheduleArn).To(Equal(scheduleARN + "one"))
	}
	other := deletion("one", 81, noon.Add(time.Hour))
	other.ClientToken = in.ClientToken
	g.Expect(code(arm(s, other))).To(Equal("ConflictException"))
	other.Name = aws.String("two")
	g.Expect(code(arm(s, other))).To(Equal("ConflictException"))

	remove := &scheduler.DeleteScheduleInput{Name: aws.String("one"), GroupName: aws.String(switchGroup), ClientToken: aws.String("t-1")}
	for range 2 {
		_, err := client.DeleteSchedule(ctx, remove)
		g.Expect(err).NotTo(HaveOccurred(), "a token belongs to one action")
	}
	g.Expect(arm(s, in)).To(Succeed())
	g.Expect(s.Region().Schedules()).To(BeEmpty(), "the answer of then, and no effect")
	fake.SetTime(noon.Add(2 * time.Hour))
	g.Expect(arm(s, in)).To(Succeed(), "also when its time is over")

	// What the SDK makes of a lost answer: its retry has the token of the first attempt.
	s.Faults().Add(faults.Fault{Action: "scheduler:CreateSchedule", Lost: true, Times: 1})
	_, err := scheduler.NewFromConfig(s.Config()).CreateSchedule(ctx, deletion("three", 80, noon.Add(3*time.Hour)))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Region().Schedules()).To(HaveLen(1))
}

func TestListSchedules(t *testing.T) {
	s, g, _ := startAtNoon(t, withScheduler)
	ctx, client := t.Context(), schedulerClient(s)
	for _, name := range []string{"b.2", "a.1", "b.10", "b.1", "c"} {
		in := deletion(name, 80, noon.Add(time.Hour))
		if name == "b.1" {
			in.State = types.ScheduleStateDisabled
		}
		g.Expect(arm(s, in)).To(Succeed())
	}
	elsewhere := deletion("b.3", 80, noon.Add(time.Hour))
	elsewhere.GroupName = nil
	g.Expect(arm(s, elsewhere)).To(Succeed())
	list := func(in scheduler.ListSchedulesInput) (names []string, pages int) {
		p := scheduler.NewListSchedulesPaginator(client, &in)
		for p.HasMorePages() {
			page, err := p.NextPage(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			pages++
			for _, n := range page.Schedules {
				names = append(names, *n.GroupName+"/"+*n.Name)
				g.Expect(*n.Target.Arn).To(HaveSuffix("deleteNetworkAclEntry"))
			}
		}
		return names, pages
	}
	names, pages := list(scheduler.ListSchedulesInput{MaxResults: aws.Int32(2)})
	g.Expect(names).To(Equal([]string{"default/b.3", "switches/a.1", "switches/b.1", "switches/b.10", "switches/b.2", "switches/c"}))
	g.Expect(pages).To(Equal(3))
	names, _ = list(scheduler.ListSchedulesInput{GroupName: aws.String(switchGroup), NamePrefix: aws.String("b."), State: types.ScheduleStateEnabled})
	g.Expect(names).To(Equal([]string{"switches/b.10", "switches/b.2"}))

	for _, in := range []*scheduler.ListSchedulesInput{
		{MaxResults: aws.Int32(101)}, {NextToken: aws.String("x")}, {State: "ON"}, {NamePrefix: aws.String("a/")},
	} {
		_, err := client.ListSchedules(ctx, in)
		g.Expect(code(err)).To(Equal("ValidationException"))
	}
}

func TestScheduleGroups(t *testing.T) {
	s, g, _ := startAtNoon(t, withScheduler)
	ctx, client := t.Context(), schedulerClient(s)
	made, err := client.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{
		Name: aws.String("more"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*made.ScheduleGroupArn).To(Equal("arn:aws:scheduler:ap-northeast-1:123456789012:schedule-group/more"))
	_, err = client.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: aws.String(switchGroup)})
	g.Expect(code(err)).To(Equal("ConflictException"))
	got, err := client.GetScheduleGroup(ctx, &scheduler.GetScheduleGroupInput{Name: aws.String("more")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.State).To(Equal(types.ScheduleGroupStateActive))
	g.Expect(*got.CreationDate).To(BeTemporally("==", noon))

	var names []string
	pages := scheduler.NewListScheduleGroupsPaginator(client, &scheduler.ListScheduleGroupsInput{MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		for _, group := range p.ScheduleGroups {
			names = append(names, *group.Name)
		}
	}
	g.Expect(names).To(Equal([]string{"default", "more", "switches"}))

	g.Expect(arm(s, deletion("one", 80, noon.Add(time.Hour)))).To(Succeed())
	_, err = client.DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: aws.String(switchGroup)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Region().Schedules()).To(BeEmpty(), "they go with their group")
	_, err = client.GetScheduleGroup(ctx, &scheduler.GetScheduleGroupInput{Name: aws.String(switchGroup)})
	g.Expect(code(err)).To(Equal("ResourceNotFoundException"))
	_, err = client.DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: aws.String("default")})
	g.Expect(code(err)).To(Equal("ValidationException"))
}
