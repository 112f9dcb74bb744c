// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"context"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
)

// Fence gives the time at which what a changing request rests on was last known to hold. It may
// look again, and its error keeps the request from being sent. It must be safe for concurrent use.
type Fence func(ctx context.Context) (time.Time, error)

// Fenced are the clients of one Region that change something. A request is sent only while all of
// their fences hold; see ErrLate.
type Fenced struct {
	EC2       FencedEC2
	ECS       FencedECS
	Scheduler FencedScheduler
}

// Fenced gives clients whose changes rest on fences. There are no others: every caller that changes
// something says what the change rests on.
func (c *Clients) Fenced(fence Fence, more ...Fence) Fenced {
	fences := append([]Fence{fence}, more...)
	return Fenced{
		EC2:       FencedEC2{EC2: c.EC2, changes: c.ec2, reads: c.reads, fences: fences},
		ECS:       FencedECS{ECS: c.ECS, changes: c.ecs, fences: fences},
		Scheduler: FencedScheduler{Scheduler: c.Scheduler, changes: c.scheduler, fences: fences},
	}
}

// restingOn has the fences asked before a changing request with the context is sent.
func restingOn(ctx context.Context, fences []Fence) context.Context {
	return context.WithValue(ctx, fencesKey{}, fences)
}

// fencesKey is the key of what the requests with a context rest on.
type fencesKey struct{}

// fencesOf are those that the requests with a context rest on; none: nothing may be changed with
// it.
func fencesOf(ctx context.Context) []Fence {
	fences, _ := ctx.Value(fencesKey{}).([]Fence)
	return fences
}

// change makes one call that changes something, once and within CallTimeout: a repeat that follows
// a lost answer would hide whether the first attempt took effect.
func change[In, Out, Options any](
	ctx context.Context, fences []Fence, in *In,
	call func(context.Context, *In, ...func(*Options)) (*Out, error), once func(*Options),
) (*Out, error) {
	ctx, cancel := context.WithTimeout(restingOn(ctx, fences), CallTimeout)
	defer cancel()
	return call(ctx, in, once)
}

// FencedEC2 is what the controller reads and changes of Amazon EC2. Only Clients.Fenced makes one.
// After a change no poll takes an answer about the network ACL that AWS gave before.
type FencedEC2 struct {
	EC2

	changes *ec2.Client
	reads   *reads
	fences  []Fence
}

func onceEC2(o *ec2.Options) { o.Retryer = awssdk.NopRetryer{} }

// CreateNetworkAclEntry makes the call of that name, once.
func (f FencedEC2) CreateNetworkAclEntry(ctx context.Context, in *ec2.CreateNetworkAclEntryInput) (*ec2.CreateNetworkAclEntryOutput, error) { //nolint:revive // EC2's spelling
	defer f.reads.acls.Forget(awssdk.ToString(in.NetworkAclId))
	return change(ctx, f.fences, in, f.changes.CreateNetworkAclEntry, onceEC2)
}

// DeleteNetworkAclEntry makes the call of that name, once.
func (f FencedEC2) DeleteNetworkAclEntry(ctx context.Context, in *ec2.DeleteNetworkAclEntryInput) (*ec2.DeleteNetworkAclEntryOutput, error) { //nolint:revive // EC2's spelling
	defer f.reads.acls.Forget(awssdk.ToString(in.NetworkAclId))
	return change(ctx, f.fences, in, f.changes.DeleteNetworkAclEntry, onceEC2)
}

// ReplaceNetworkAclEntry makes the call of that name, once.
func (f FencedEC2) ReplaceNetworkAclEntry(ctx context.Context, in *ec2.ReplaceNetworkAclEntryInput) (*ec2.ReplaceNetworkAclEntryOutput, error) { //nolint:revive // EC2's spelling
	defer f.reads.acls.Forget(awssdk.ToString(in.NetworkAclId))
	return change(ctx, f.fences, in, f.changes.ReplaceNetworkAclEntry, onceEC2)
}

// CreateNetworkAcl makes the call of that name, once.
func (f FencedEC2) CreateNetworkAcl(ctx context.Context, in *ec2.CreateNetworkAclInput) (*ec2.CreateNetworkAclOutput, error) { //nolint:revive // EC2's spelling
	defer f.reads.acls.ForgetAll()
	return change(ctx, f.fences, in, f.changes.CreateNetworkAcl, onceEC2)
}

// DeleteNetworkAcl makes the call of that name, once.
func (f FencedEC2) DeleteNetworkAcl(ctx context.Context, in *ec2.DeleteNetworkAclInput) (*ec2.DeleteNetworkAclOutput, error) { //nolint:revive // EC2's spelling
	defer f.reads.acls.ForgetAll()
	return change(ctx, f.fences, in, f.changes.DeleteNetworkAcl, onceEC2)
}

// ReplaceNetworkAclAssociation makes the call of that name, once.
func (f FencedEC2) ReplaceNetworkAclAssociation(ctx context.Context, in *ec2.ReplaceNetworkAclAssociationInput) (*ec2.ReplaceNetworkAclAssociationOutput, error) { //nolint:revive // EC2's spelling
	defer f.reads.acls.ForgetAll()
	return change(ctx, f.fences, in, f.changes.ReplaceNetworkAclAssociation, onceEC2)
}

// CreateTags makes the call of that name, once.
func (f FencedEC2) CreateTags(ctx context.Context, in *ec2.CreateTagsInput) (*ec2.CreateTagsOutput, error) {
	defer f.reads.acls.Forget(in.Resources...)
	return change(ctx, f.fences, in, f.changes.CreateTags, onceEC2)
}

// DeleteTags makes the call of that name, once.
func (f FencedEC2) DeleteTags(ctx context.Context, in *ec2.DeleteTagsInput) (*ec2.DeleteTagsOutput, error) {
	defer f.reads.acls.Forget(in.Resources...)
	return change(ctx, f.fences, in, f.changes.DeleteTags, onceEC2)
}

// FencedECS is what the controller reads and changes of Amazon ECS. Only Clients.Fenced makes one.
type FencedECS struct {
	ECS

	changes *ecs.Client
	fences  []Fence
}

func onceECS(o *ecs.Options) { o.Retryer = awssdk.NopRetryer{} }

// RunTask makes the call of that name, once.
func (f FencedECS) RunTask(ctx context.Context, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	return change(ctx, f.fences, in, f.changes.RunTask, onceECS)
}

// StopTask makes the call of that name, once.
func (f FencedECS) StopTask(ctx context.Context, in *ecs.StopTaskInput) (*ecs.StopTaskOutput, error) {
	return change(ctx, f.fences, in, f.changes.StopTask, onceECS)
}

// FencedScheduler is what the controller reads and changes of Amazon EventBridge Scheduler. Only
// Clients.Fenced makes one.
type FencedScheduler struct {
	Scheduler

	changes *scheduler.Client
	fences  []Fence
}

func onceScheduler(o *scheduler.Options) { o.Retryer = awssdk.NopRetryer{} }

// CreateSchedule makes the call of that name, once.
func (f FencedScheduler) CreateSchedule(ctx context.Context, in *scheduler.CreateScheduleInput) (*scheduler.CreateScheduleOutput, error) {
	return change(ctx, f.fences, in, f.changes.CreateSchedule, onceScheduler)
}

// UpdateSchedule makes the call of that name, once.
func (f FencedScheduler) UpdateSchedule(ctx context.Context, in *scheduler.UpdateScheduleInput) (*scheduler.UpdateScheduleOutput, error) {
	return change(ctx, f.fences, in, f.changes.UpdateSchedule, onceScheduler)
}

// DeleteSchedule makes the call of that name, once.
func (f FencedScheduler) DeleteSchedule(ctx context.Context, in *scheduler.DeleteScheduleInput) (*scheduler.DeleteScheduleOutput, error) {
	return change(ctx, f.fences, in, f.changes.DeleteSchedule, onceScheduler)
}
