// SPDX-License-Identifier: Apache-2.0

package cloudwatch

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// RPCService is the service's name in the path of a request.
const RPCService = "GraniteServiceVersion20100801"

// mostNames is how many alarms a request may name, and how many records an answer has at most;
// defaultRecords is how many it has unless the request says otherwise.
const (
	mostNames      = 100
	defaultRecords = 50
)

// Service is CloudWatch.
func Service() operation.Service {
	return operation.Service{
		Name: "cloudwatch", Source: "monitoring.amazonaws.com",
		Operations: map[string]operation.Operation{
			"DescribeAlarms": {ReadOnly: true, Prepare: describeAlarms},
			"SetAlarmState":  {Prepare: setAlarmState},
		},
	}
}

// Types of alarms, as AlarmTypes names them.
const (
	metricAlarms    = "MetricAlarm"
	compositeAlarms = "CompositeAlarm"
	logAlarms       = "LogAlarm"
)

func invalid(format string, args ...any) error {
	return region.Errorf("ValidationError", format, args...)
}

func decode(body []byte, in any) error {
	if len(body) == 0 {
		return nil
	}
	if err := cbor.Unmarshal(body, in); err != nil {
		return region.Errorf("SerializationException", "%v", err)
	}
	return nil
}

// asked is what DescribeAlarms is asked for.
type asked struct {
	AlarmNames, AlarmTypes                                []string
	AlarmNamePrefix, StateValue, NextToken                string
	ActionPrefix, ChildrenOfAlarmName, ParentsOfAlarmName string
	MaxRecords                                            *int
}

func (in *asked) validate() error {
	switch {
	case len(in.AlarmNames) > mostNames:
		return invalid("1 validation error detected: Value at 'alarmNames' failed to satisfy constraint: Member must have length less than or equal to %d", mostNames)
	case len(in.AlarmNames) > 0 && in.AlarmNamePrefix != "":
		return invalid("AlarmNamePrefix and AlarmNames can't be used together.")
	case in.ActionPrefix != "" || in.ChildrenOfAlarmName != "" || in.ParentsOfAlarmName != "":
		return invalid("This simulator has no actions and no families of alarms: leave ActionPrefix, ChildrenOfAlarmName and ParentsOfAlarmName out.")
	case in.MaxRecords != nil && (*in.MaxRecords < 1 || *in.MaxRecords > mostNames):
		return invalid("1 validation error detected: Value '%d' at 'maxRecords' failed to satisfy constraint: Member must have value from 1 to %d", *in.MaxRecords, mostNames)
	case in.StateValue != "" && !slices.Contains(region.AlarmStates, in.StateValue):
		return invalid("1 validation error detected: Value '%s' at 'stateValue' failed to satisfy constraint: Member must satisfy enum value set: %v", in.StateValue, region.AlarmStates)
	}
	for _, name := range in.AlarmNames {
		if len(name) < 1 || len(name) > 255 {
			return invalid("1 validation error detected: Value '%s' at 'alarmNames' failed to satisfy constraint: Member must have length from 1 to 255", name)
		}
	}
	for _, kind := range in.AlarmTypes {
		if !slices.Contains([]string{metricAlarms, compositeAlarms, logAlarms}, kind) {
			return invalid("1 validation error detected: Value '%s' at 'alarmTypes' failed to satisfy constraint", kind)
		}
	}
	return nil
}

// selects reports whether an alarm is one of those that are asked for. Without types, metric alarms
// alone are.
func (in *asked) selects(a region.Alarm) bool {
	kind := metricAlarms
	if a.Composite {
		kind = compositeAlarms
	}
	switch {
	case len(in.AlarmTypes) == 0 && a.Composite, len(in.AlarmTypes) > 0 && !slices.Contains(in.AlarmTypes, kind):
		return false
	case len(in.AlarmNames) > 0 && !slices.Contains(in.AlarmNames, a.Name):
		return false
	}
	return strings.HasPrefix(a.Name, in.AlarmNamePrefix) && (in.StateValue == "" || a.State == in.StateValue)
}

// alarm is one as it is answered. Metric and composite alarms have these in common.
type alarm struct {
	AlarmName, AlarmArn, StateValue, StateReason                                          string
	AlarmConfigurationUpdatedTimestamp, StateUpdatedTimestamp, StateTransitionedTimestamp time.Time
	ActionsEnabled                                                                        bool
	AlarmRule                                                                             string `cbor:",omitempty"`
}

type described struct {
	MetricAlarms, CompositeAlarms, LogAlarms []alarm
	NextToken                                string `cbor:",omitempty"`
}

func describeAlarms(req *operation.Request) (operation.Effect, error) {
	var in asked
	effect := operation.Effect{Trail: operation.TrailNames(req.Call.Params)}
	if err := decode(req.Body, &in); err != nil {
		return effect, err
	}
	after := ""
	if in.NextToken != "" {
		text, err := base64.URLEncoding.DecodeString(in.NextToken)
		var ok bool
		if after, ok = strings.CutPrefix(string(text), "after "); err != nil || !ok {
			return effect, region.Errorf("InvalidNextToken", "The next token is invalid.")
		}
	}
	effect.Run = func() (any, error) { return in.describe(req.View().Alarms(), after), nil }
	return effect, in.validate()
}

// describe answers with the alarms behind a name, by name, as many as a page has.
func (in *asked) describe(all []region.Alarm, after string) described {
	left := defaultRecords
	if in.MaxRecords != nil {
		left = *in.MaxRecords
	}
	out, last := described{MetricAlarms: []alarm{}, CompositeAlarms: []alarm{}, LogAlarms: []alarm{}}, ""
	for _, a := range all {
		if a.Name <= after || !in.selects(a) {
			continue
		}
		if left == 0 {
			out.NextToken = base64.URLEncoding.EncodeToString([]byte("after " + last))
			return out
		}
		left, last = left-1, a.Name
		one := alarm{
			AlarmName: a.Name, AlarmArn: a.ARN, StateValue: a.State, StateReason: a.StateReason, ActionsEnabled: true,
			AlarmConfigurationUpdatedTimestamp: a.CreatedAt, StateUpdatedTimestamp: a.UpdatedAt, StateTransitionedTimestamp: a.UpdatedAt,
		}
		if a.Composite {
			one.AlarmRule = "FALSE"
			out.CompositeAlarms = append(out.CompositeAlarms, one)
			continue
		}
		out.MetricAlarms = append(out.MetricAlarms, one)
	}
	return out
}

func setAlarmState(req *operation.Request) (operation.Effect, error) {
	var in struct{ AlarmName, StateValue, StateReason string }
	effect := operation.Effect{Trail: operation.TrailNames(req.Call.Params)}
	if err := decode(req.Body, &in); err != nil {
		return effect, err
	}
	effect.Resource = req.Region.ARN("cloudwatch", "alarm:"+in.AlarmName)
	effect.Run = func() (any, error) { return nil, req.Region.SetAlarmState(in.AlarmName, in.StateValue, in.StateReason) }
	switch {
	case in.AlarmName == "" || in.StateReason == "":
		return effect, invalid("The parameters AlarmName, StateValue and StateReason are required.")
	case !slices.Contains(region.AlarmStates, in.StateValue):
		return effect, invalid("1 validation error detected: Value '%s' at 'stateValue' failed to satisfy constraint: Member must satisfy enum value set: %v", in.StateValue, region.AlarmStates)
	}
	return effect, nil
}
