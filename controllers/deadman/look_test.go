// SPDX-License-Identifier: Apache-2.0

package deadman_test

import (
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

func TestUnarmedAreThoseThatHaveNoSchedule(t *testing.T) {
	g := NewWithT(t)
	s, client := world(t)
	at := newSwitch(time.Now().Add(time.Hour).Truncate(time.Second))
	var numbers []int32
	for number := range int32(120) { // a page has 100
		numbers = append(numbers, 200-number)
		g.Expect(deadman.Arm(t.Context(), client, at, 200-number)).To(Succeed())
	}
	g.Expect(deadman.Unarmed(t.Context(), client, at, numbers)).To(BeEmpty())
	g.Expect(deadman.Unarmed(t.Context(), client, at, nil)).To(BeEmpty())
	for _, number := range []int32{90, 190} {
		g.Expect(s.Region().DeleteSchedule("", group, deadman.Name(uid, number))).To(Succeed())
	}
	g.Expect(deadman.Unarmed(t.Context(), client, at, numbers)).To(Equal([]int32{90, 190}))
	g.Expect(deadman.Unarmed(t.Context(), client, at, []int32{80, 82, 1})).To(Equal([]int32{1, 80}))

	s.Faults().Before("scheduler:GetSchedule", func(call.Call) {
		_ = s.Region().DeleteSchedule("", group, deadman.Name(uid, 82))
	})
	g.Expect(deadman.Unarmed(t.Context(), client, at, []int32{82})).To(Equal([]int32{82}), "it is deleted meanwhile")
}

// A schedule that a third party changed would not do what it is there for.
func TestUnarmedAreThoseWhoseScheduleWasChanged(t *testing.T) {
	const otherRole = "arn:aws:iam::123456789012:role/other"
	at := newSwitch(time.Now().Add(time.Hour).Truncate(time.Second))
	for name, change := range map[string]func(*scheduler.UpdateScheduleInput){
		"another time": func(in *scheduler.UpdateScheduleInput) {
			later := at.Time.UTC().Add(time.Hour).Format("2006-01-02T15:04:05")
			in.ScheduleExpression = awssdk.String("at(" + later + ")")
		},
		"another time zone": func(in *scheduler.UpdateScheduleInput) {
			in.ScheduleExpressionTimezone = awssdk.String("America/New_York")
		},
		"disabled":     func(in *scheduler.UpdateScheduleInput) { in.State = types.ScheduleStateDisabled },
		"not before":   func(in *scheduler.UpdateScheduleInput) { in.StartDate = awssdk.Time(at.Time.Add(-time.Minute)) },
		"not after":    func(in *scheduler.UpdateScheduleInput) { in.EndDate = awssdk.Time(at.Time.Add(time.Minute)) },
		"another role": func(in *scheduler.UpdateScheduleInput) { in.Target.RoleArn = awssdk.String(otherRole) },
		"another target": func(in *scheduler.UpdateScheduleInput) {
			in.Target.Arn = awssdk.String("arn:aws:scheduler:::aws-sdk:ec2:deleteNetworkAcl")
		},
		"another rule": func(in *scheduler.UpdateScheduleInput) {
			in.Target.Input = awssdk.String(`{"NetworkAclId":"acl-0b3d6f9a1c5e72840","RuleNumber":81,"Egress":true}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, client := world(t)
			s.Region().Roles().Put(region.Role{ARN: otherRole, Trust: []string{"scheduler.amazonaws.com"}, Allow: []string{"*"}})
			g.Expect(deadman.Arm(t.Context(), client, at, 80)).To(Succeed())
			got, err := client.GetSchedule(t.Context(), &scheduler.GetScheduleInput{GroupName: awssdk.String(group), Name: awssdk.String(deadman.Name(uid, 80))})
			g.Expect(err).NotTo(HaveOccurred())
			in := &scheduler.UpdateScheduleInput{
				Name: got.Name, GroupName: got.GroupName, State: got.State, ScheduleExpression: got.ScheduleExpression,
				ScheduleExpressionTimezone: got.ScheduleExpressionTimezone, FlexibleTimeWindow: got.FlexibleTimeWindow, Target: got.Target,
			}
			_, err = client.UpdateSchedule(t.Context(), in)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(deadman.Unarmed(t.Context(), client, at, []int32{80})).To(BeEmpty(), "as it was")
			in.ClientToken = nil // the SDK wrote one there
			change(in)
			_, err = client.UpdateSchedule(t.Context(), in)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(deadman.Unarmed(t.Context(), client, at, []int32{80})).To(Equal([]int32{80}))
			g.Expect(deadman.Arm(t.Context(), client, at, 80)).To(Succeed())
			g.Expect(deadman.Unarmed(t.Context(), client, at, []int32{80})).To(BeEmpty(), "armed again")
		})
	}
}

func TestUnarmedSaysWhereItCannotLook(t *testing.T) {
	for _, action := range []string{"scheduler:ListSchedules", "scheduler:GetSchedule"} {
		g := NewWithT(t)
		s, client := world(t)
		at := newSwitch(time.Now().Add(time.Hour))
		g.Expect(deadman.Arm(t.Context(), client, at, 80)).To(Succeed())
		s.Faults().Add(faults.Fault{Action: action, Denied: true})
		unarmed, err := deadman.Unarmed(t.Context(), client, at, []int32{80})
		g.Expect(aws.Classify(err)).To(Equal(aws.Denied), action)
		g.Expect(unarmed).To(BeEmpty())
	}
}
