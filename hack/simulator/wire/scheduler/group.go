// SPDX-License-Identifier: Apache-2.0

package scheduler

import (
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

type tag struct{ Key, Value string }

func createGroup(req *operation.Request) (operation.Effect, error) {
	var in struct {
		ClientToken string
		Tags        []tag
	}
	if err := operation.Decode(req.Body, &in); err != nil {
		return operation.Effect{}, err
	}
	name := req.Form.Get("Name")
	arn := req.Region.ScheduleGroupARN(name)
	tags := map[string]string{}
	for _, t := range in.Tags {
		tags[t.Key] = t.Value
	}
	effect := operation.Effect{Resource: arn, Trail: operation.TrailNames(req.Call.Params), Resources: groupResource(arn), Run: func() (any, error) {
		return struct{ ScheduleGroupArn string }{arn}, req.Region.CreateScheduleGroup(in.ClientToken, fingerprint(name, in.Tags), name, tags)
	}}
	if len(in.Tags) > 0 {
		effect.Also, effect.Creates = []string{"TagResource"}, arn
	}
	if err := checkName(name, "name"); err != nil {
		return effect, err
	}
	if len(in.Tags) > 200 {
		return effect, constraint("tags", "tags", "have length less than or equal to 200")
	}
	for _, t := range in.Tags {
		if err := checkLength(t.Key, "tags.key", 1, 128); err != nil {
			return effect, err
		}
		if err := checkLength(t.Value, "tags.value", 1, 256); err != nil {
			return effect, err
		}
	}
	return effect, checkToken(in.ClientToken)
}

// deleteGroup needs the permission to delete the schedules of the group as well.
func deleteGroup(req *operation.Request) (operation.Effect, error) {
	name, token := req.Form.Get("Name"), req.Form.Get("ClientToken")
	arn := req.Region.ScheduleGroupARN(name)
	effect := operation.Effect{
		Resource: arn, Also: []string{"DeleteSchedule"}, Creates: req.Region.ScheduleARN(name, "*"),
		Trail: operation.TrailNames(req.Call.Params), Resources: groupResource(arn),
		Run: func() (any, error) { return nil, req.Region.DeleteScheduleGroup(token, name) },
	}
	if err := checkName(name, "name"); err != nil {
		return effect, err
	}
	return effect, checkToken(token)
}

func groupResource(arn string) []region.EventResource {
	return []region.EventResource{{Type: "AWS::Scheduler::ScheduleGroup", Name: arn}}
}

// group is one as Get and List answer.
type group struct {
	Arn, Name, State                   string
	CreationDate, LastModificationDate *float64 `json:",omitempty"`
}

func describeGroup(g region.ScheduleGroup) group {
	return group{Arn: g.ARN, Name: g.Name, State: "ACTIVE", CreationDate: epoch(g.CreatedAt), LastModificationDate: epoch(g.ModifiedAt)}
}

func getGroup(req *operation.Request) (operation.Effect, error) {
	name := req.Form.Get("Name")
	return operation.Effect{Resource: req.Region.ScheduleGroupARN(name), Trail: operation.TrailNames(req.Call.Params), Run: func() (any, error) {
		g, err := req.View().ScheduleGroup(name)
		if err != nil {
			return nil, err
		}
		return describeGroup(g), nil
	}}, checkName(name, "name")
}
