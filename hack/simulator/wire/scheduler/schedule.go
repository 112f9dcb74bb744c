// SPDX-License-Identifier: Apache-2.0

package scheduler

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// The retry policy of a target that has none.
const (
	defaultRetries  = 185
	defaultEventAge = 86400
)

// document is a schedule as CreateSchedule and UpdateSchedule take it.
type document struct {
	ActionAfterCompletion      string
	ClientToken                string `json:"-"` // it is no part of what it makes idempotent
	Description                string
	EndDate, StartDate         *float64
	FlexibleTimeWindow         *window
	GroupName                  *string
	KmsKeyArn                  *string
	ScheduleExpression         *string
	ScheduleExpressionTimezone *string
	State                      string
	Target                     *target
}

type window struct {
	Mode                   string
	MaximumWindowInMinutes *int `json:",omitempty"`
}

type target struct {
	Arn, RoleArn string
	Input        string       `json:",omitempty"`
	RetryPolicy  *retryPolicy `json:",omitempty"`

	// What the simulator has not, to be refused.
	DeadLetterConfig            json.RawMessage `json:",omitempty"`
	EcsParameters               json.RawMessage `json:",omitempty"`
	EventBridgeParameters       json.RawMessage `json:",omitempty"`
	KinesisParameters           json.RawMessage `json:",omitempty"`
	SageMakerPipelineParameters json.RawMessage `json:",omitempty"`
	SqsParameters               json.RawMessage `json:",omitempty"`
}

type retryPolicy struct {
	MaximumEventAgeInSeconds *int
	MaximumRetryAttempts     *int
}

// read is the schedule that a request describes, checked as far as that needs neither time nor state.
func (d *document) read(req *operation.Request) (n region.Schedule, err error) {
	var token struct{ ClientToken string }
	if err := operation.Decode(req.Body, d); err != nil {
		return n, err
	}
	if err := operation.Decode(req.Body, &token); err != nil {
		return n, err
	}
	d.ClientToken = token.ClientToken
	n = region.Schedule{
		Name: req.Form.Get("Name"), Group: valueOr(d.GroupName, region.DefaultScheduleGroup), Description: d.Description,
		State:                 cmp.Or(d.State, region.ScheduleEnabled),
		ActionAfterCompletion: cmp.Or(d.ActionAfterCompletion, region.AfterNone),
		Expression:            valueOr(d.ScheduleExpression, ""), Timezone: valueOr(d.ScheduleExpressionTimezone, "UTC"),
		StartDate: fromEpoch(d.StartDate), EndDate: fromEpoch(d.EndDate),
	}
	for _, err := range []error{
		checkName(n.Name, "name"), checkName(n.Group, "groupName"), checkToken(d.ClientToken),
		checkLength(n.Description, "description", 0, 512),
		checkOneOf(n.State, "state", region.ScheduleEnabled, region.ScheduleDisabled),
		checkOneOf(n.ActionAfterCompletion, "actionAfterCompletion", region.AfterNone, region.AfterDelete),
	} {
		if err != nil {
			return n, err
		}
	}
	if d.KmsKeyArn != nil {
		return n, invalid("This simulator has no customer managed keys: leave KmsKeyArn out.")
	}
	if n.At, err = parseAt(n.Expression, n.Timezone); err != nil {
		return n, err
	}
	if n.Window, err = d.FlexibleTimeWindow.read(); err != nil {
		return n, err
	}
	n.Target, err = d.Target.read(req.Region.Name())
	return n, err
}

func (w *window) read() (time.Duration, error) {
	if w == nil {
		return 0, constraint("null", "flexibleTimeWindow", "not be null")
	}
	if err := checkOneOf(w.Mode, "flexibleTimeWindow.mode", "OFF", "FLEXIBLE"); err != nil {
		return 0, err
	}
	if (w.Mode == "FLEXIBLE") != (w.MaximumWindowInMinutes != nil) {
		return 0, invalid("MaximumWindowInMinutes belongs to the mode FLEXIBLE of a flexible time window.")
	}
	minutes := valueOr(w.MaximumWindowInMinutes, 0)
	if w.MaximumWindowInMinutes != nil && (minutes < 1 || minutes > 1440) {
		return 0, constraint(strconv.Itoa(minutes), "flexibleTimeWindow.maximumWindowInMinutes", "have value from 1 to 1440")
	}
	return time.Duration(minutes) * time.Minute, nil
}

func (t *target) read(regionName string) (out region.ScheduleTarget, err error) {
	if t == nil {
		return out, constraint("null", "target", "not be null")
	}
	if t.DeadLetterConfig != nil {
		return out, invalid("This simulator has no dead-letter queues: leave DeadLetterConfig out.")
	}
	for _, p := range []json.RawMessage{t.EcsParameters, t.EventBridgeParameters, t.KinesisParameters, t.SageMakerPipelineParameters, t.SqsParameters} {
		if p != nil {
			return out, invalid("The parameters of templated targets don't go with a universal target.")
		}
	}
	for _, err := range []error{checkTargetARN(t.Arn, regionName), checkRoleARN(t.RoleArn), checkInput(t.Input)} {
		if err != nil {
			return out, err
		}
	}
	out = region.ScheduleTarget{ARN: t.Arn, RoleARN: t.RoleArn, Input: t.Input, MaximumRetryAttempts: defaultRetries}
	age := defaultEventAge
	if t.RetryPolicy != nil {
		age = valueOr(t.RetryPolicy.MaximumEventAgeInSeconds, defaultEventAge)
		out.MaximumRetryAttempts = valueOr(t.RetryPolicy.MaximumRetryAttempts, defaultRetries)
	}
	if age < 60 || age > 86400 {
		return out, constraint(strconv.Itoa(age), "target.retryPolicy.maximumEventAgeInSeconds", "have value from 60 to 86400")
	}
	if out.MaximumRetryAttempts < 0 || out.MaximumRetryAttempts > 185 {
		return out, constraint(strconv.Itoa(out.MaximumRetryAttempts), "target.retryPolicy.maximumRetryAttempts", "have value from 0 to 185")
	}
	out.MaximumEventAge = time.Duration(age) * time.Second
	return out, nil
}

func valueOr[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

type scheduleARN struct{ ScheduleArn string }

func createSchedule(req *operation.Request) (operation.Effect, error) {
	return write(req, req.Region.CreateSchedule)
}

func updateSchedule(req *operation.Request) (operation.Effect, error) {
	return write(req, req.Region.UpdateSchedule)
}

// write needs the permission to hand the role to the service as well.
func write(req *operation.Request, apply func(token, request string, n region.Schedule) error) (operation.Effect, error) {
	var d document
	n, err := d.read(req)
	arn := req.Region.ScheduleARN(n.Group, n.Name)
	return operation.Effect{
		Resource: arn, Also: []string{"iam:PassRole"}, Creates: n.Target.RoleARN, PassedTo: "scheduler.amazonaws.com", Trail: operation.TrailNames(req.Call.Params), Resources: resource(arn),
		Run: func() (any, error) {
			return scheduleARN{arn}, apply(d.ClientToken, fingerprint(n.Group+"/"+n.Name, d), n)
		},
	}, err
}

func resource(arn string) []region.EventResource {
	return []region.EventResource{{Type: "AWS::Scheduler::Schedule", Name: arn}}
}

// named is the group and name of a request that has nothing else.
func named(req *operation.Request) (group, name string, err error) {
	group, name = cmp.Or(req.Form.Get("GroupName"), region.DefaultScheduleGroup), req.Form.Get("Name")
	return group, name, cmp.Or(checkName(name, "name"), checkName(group, "groupName"), checkToken(req.Form.Get("ClientToken")))
}

func deleteSchedule(req *operation.Request) (operation.Effect, error) {
	group, name, err := named(req)
	arn := req.Region.ScheduleARN(group, name)
	return operation.Effect{
		Resource: arn, Trail: operation.TrailNames(req.Call.Params), Resources: resource(arn),
		Run: func() (any, error) { return nil, req.Region.DeleteSchedule(req.Form.Get("ClientToken"), group, name) },
	}, err
}

// described is a schedule as GetSchedule answers.
type described struct {
	Arn, Name, GroupName, State                    string
	ActionAfterCompletion                          string
	ScheduleExpression, ScheduleExpressionTimezone string
	Description                                    string `json:",omitempty"`
	CreationDate, LastModificationDate             *float64
	StartDate, EndDate                             *float64 `json:",omitempty"`
	FlexibleTimeWindow                             window
	Target                                         target
}

func getSchedule(req *operation.Request) (operation.Effect, error) {
	group, name, err := named(req)
	return operation.Effect{Resource: req.Region.ScheduleARN(group, name), Trail: operation.TrailNames(req.Call.Params), Run: func() (any, error) {
		n, err := req.View().Schedule(group, name)
		if err != nil {
			return nil, err
		}
		return describe(n), nil
	}}, err
}

func describe(n region.Schedule) described {
	w := window{Mode: "OFF"}
	if n.Window > 0 {
		w = window{Mode: "FLEXIBLE", MaximumWindowInMinutes: new(int(n.Window / time.Minute))}
	}
	return described{
		Arn: n.ARN, Name: n.Name, GroupName: n.Group, State: n.State, ActionAfterCompletion: n.ActionAfterCompletion,
		ScheduleExpression: n.Expression, ScheduleExpressionTimezone: n.Timezone, Description: n.Description,
		CreationDate: epoch(n.CreatedAt), LastModificationDate: epoch(n.ModifiedAt), StartDate: epoch(n.StartDate), EndDate: epoch(n.EndDate),
		FlexibleTimeWindow: w,
		Target: target{
			Arn: n.Target.ARN, RoleArn: n.Target.RoleARN, Input: n.Target.Input,
			RetryPolicy: &retryPolicy{new(int(n.Target.MaximumEventAge / time.Second)), new(n.Target.MaximumRetryAttempts)},
		},
	}
}
