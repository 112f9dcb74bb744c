// SPDX-License-Identifier: Apache-2.0

package deadman

import (
	"context"
	"slices"
	"sync"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// Unarmed looks at the schedules of a run, and gives those of some rule numbers, sorted, that have
// none or one that would not do what Arm asked for: a third party deleted, disabled or changed it.
func Unarmed(ctx context.Context, client aws.Scheduler, s Switch, numbers []int32) ([]int32, error) {
	enabled := map[string]bool{}
	pages := scheduler.NewListSchedulesPaginator(client, &scheduler.ListSchedulesInput{
		GroupName: awssdk.String(s.Group), NamePrefix: awssdk.String(Prefix + s.UID + "."), State: types.ScheduleStateEnabled,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, one := range page.Schedules {
			enabled[awssdk.ToString(one.Name)] = true
		}
	}

	// A listing has neither time nor target.
	armed, errs := make([]bool, len(numbers)), make([]error, len(numbers))
	var group sync.WaitGroup
	for i, number := range numbers {
		if enabled[Name(s.UID, number)] {
			group.Go(func() { armed[i], errs[i] = s.isArmed(ctx, client, number) })
		}
	}

	group.Wait()
	var unarmed []int32
	for i, number := range numbers {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if !armed[i] {
			unarmed = append(unarmed, number)
		}
	}

	slices.Sort(unarmed)
	return unarmed, nil
}

// isArmed reports whether the schedule for a rule is as Arm asks for it.
func (s Switch) isArmed(ctx context.Context, client aws.Scheduler, number int32) (bool, error) {
	want := s.schedule(number)
	got, err := client.GetSchedule(ctx, &scheduler.GetScheduleInput{GroupName: want.GroupName, Name: want.Name})
	if aws.HasCode(err, aws.CodeScheduleNotFound) {
		return false, nil
	}

	if err != nil {
		return false, err
	}

	same := func(a, b *string) bool { return awssdk.ToString(a) == awssdk.ToString(b) }
	return same(got.ScheduleExpression, want.ScheduleExpression) && same(got.ScheduleExpressionTimezone, want.ScheduleExpressionTimezone) &&
		got.State == want.State && got.StartDate == nil && got.EndDate == nil && got.Target != nil && same(got.Target.Arn, want.Target.Arn) &&
		same(got.Target.Input, want.Target.Input) && same(got.Target.RoleArn, want.Target.RoleArn), nil
}
