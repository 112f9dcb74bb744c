// SPDX-License-Identifier: Apache-2.0

package deadman

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

const (
	// Grace is how long after a run's expirationTime its schedules fire: late enough that a manager
	// which is a little slow, and its sweeper, were there before.
	Grace = 10 * time.Minute
	// Prefix begins the names of all schedules.
	Prefix = "agd."

	// retryAge is how long EventBridge Scheduler tries: through an outage of EC2 that is not a
	// disaster, but not until a person to whom the clone was left may have given the number to an
	// entry of theirs. retryAttempts is the most it grants.
	retryAge      = time.Hour
	retryAttempts = 185
	// lastNumber is the largest number that an entry can have.
	lastNumber = 32766
	// maxDescription is how many characters a schedule's description holds.
	maxDescription = 512
)

// Switch is what the schedules of one run have in common.
type Switch struct {
	// Group is the schedule group; it must be there.
	Group string
	// RoleARN is the role that EventBridge Scheduler deletes the entries with.
	RoleARN string
	// Partition is the one of the Region: aws, aws-cn, aws-us-gov.
	Partition string
	// UID is the UID of the run's object, Owner the object as namespace/name, ClusterID the
	// Kubernetes cluster's id.
	UID, Owner, ClusterID string
	// NetworkACLID is the clone.
	NetworkACLID string
	// Time is when the schedules fire, in whole seconds.
	Time time.Time
}

// Time is when the schedules of a run that ends at a time fire.
func Time(expires time.Time) time.Time { return expires.Add(Grace).Truncate(time.Second) }

// Name is the name of the schedule for a rule of a run.
func Name(uid string, number int32) string { return Prefix + uid + "." + strconv.Itoa(int(number)) }

var named = regexp.MustCompile(`^agd\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([1-9][0-9]{0,4})$`)

// ParseName reads what Name gave; ok is false for all other names.
func ParseName(name string) (uid string, number int32, ok bool) {
	match := named.FindStringSubmatch(name)
	if match == nil {
		return "", 0, false
	}
	n, _ := strconv.ParseInt(match[2], 10, 32) // at most five digits
	if n > lastNumber {
		return "", 0, false
	}
	return match[1], int32(n), true
}

// Describe is the description of the run's schedules, by which a person without the cluster knows
// whose they are.
func (s Switch) Describe() string {
	text := fmt.Sprintf("agentdisconnect v1 %s %s", s.ClusterID, s.Owner)
	return text[:min(len(text), maxDescription)]
}

var described = regexp.MustCompile(`^agentdisconnect v1 ([!-~]+) ([!-~]+)$`) // people read it, on terminals too

// ParseDescription reads what Describe gave; ok is false for all other texts.
func ParseDescription(text string) (clusterID, owner string, ok bool) {
	match := described.FindStringSubmatch(text)
	if match == nil {
		return "", "", false
	}
	return match[1], match[2], true
}

// Arm has the rule of a number deleted at the switch's time. A schedule that is there already is
// brought in line, so it may be repeated. The error is nil once AWS acknowledged it; after any
// other the schedule may or may not be there.
func Arm(ctx context.Context, client aws.FencedScheduler, s Switch, number int32) error {
	create := s.schedule(number)
	_, err := client.CreateSchedule(ctx, create)
	if !aws.HasCode(err, aws.CodeScheduleExists) {
		return err
	}

	_, err = client.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{
		Name: create.Name, GroupName: create.GroupName, Description: create.Description, State: create.State,
		ScheduleExpression: create.ScheduleExpression, ScheduleExpressionTimezone: create.ScheduleExpressionTimezone,
		FlexibleTimeWindow: create.FlexibleTimeWindow, ActionAfterCompletion: create.ActionAfterCompletion, Target: create.Target,
	})
	return err
}

// Disarm deletes the schedule for a rule of a run. One that isn't there, or whose group isn't, is
// no error.
func Disarm(ctx context.Context, client aws.FencedScheduler, group, uid string, number int32) error {
	return Delete(ctx, client, group, Name(uid, number))
}

// Delete deletes a schedule by its name. One that isn't there, or whose group isn't, is no error.
func Delete(ctx context.Context, client aws.FencedScheduler, group, name string) error {
	_, err := client.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{GroupName: awssdk.String(group), Name: awssdk.String(name)})
	if aws.HasCode(err, aws.CodeScheduleNotFound) {
		return nil
	}
	return err
}

// Check asks AWS whether the schedule group is there, ResourceNotFoundException says that it isn't,
// and whether the schedules of a run may be deleted again. There are no dry runs: the deletion is
// of a schedule that never is.
func Check(ctx context.Context, client aws.FencedScheduler, group, uid string) error {
	_, err := client.ListSchedules(ctx, &scheduler.ListSchedulesInput{
		GroupName: awssdk.String(group), NamePrefix: awssdk.String(Prefix), MaxResults: awssdk.Int32(1),
	})
	if err != nil {
		return err
	}
	const never = 0 // no entry has that number
	return Disarm(ctx, client, group, uid, never)
}

// schedule is the request for one schedule: at its time, once, and then it deletes itself.
func (s Switch) schedule(number int32) *scheduler.CreateScheduleInput {
	input, _ := json.Marshal(struct { // of a string, a number and a bool: it can't fail
		NetworkAclId string //nolint:revive // EC2's spelling
		RuleNumber   int32
		Egress       bool
	}{s.NetworkACLID, number, true})
	return &scheduler.CreateScheduleInput{
		Name: awssdk.String(Name(s.UID, number)), GroupName: awssdk.String(s.Group), Description: awssdk.String(s.Describe()),
		ScheduleExpression:         awssdk.String("at(" + s.Time.UTC().Format("2006-01-02T15:04:05") + ")"),
		ScheduleExpressionTimezone: awssdk.String("UTC"),
		FlexibleTimeWindow:         &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		ActionAfterCompletion:      types.ActionAfterCompletionDelete, State: types.ScheduleStateEnabled,
		Target: &types.Target{
			Arn:     awssdk.String("arn:" + s.Partition + ":scheduler:::aws-sdk:ec2:deleteNetworkAclEntry"),
			RoleArn: awssdk.String(s.RoleARN), Input: awssdk.String(string(input)),
			RetryPolicy: &types.RetryPolicy{
				MaximumEventAgeInSeconds: awssdk.Int32(int32(retryAge.Seconds())), MaximumRetryAttempts: awssdk.Int32(retryAttempts),
			},
		},
	}
}
