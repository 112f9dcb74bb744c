// SPDX-License-Identifier: Apache-2.0

package brakes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	fistypes "github.com/aws/aws-sdk-go-v2/service/fis/types"
	"github.com/aws/smithy-go"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// UnreadableFor is how long a run goes on whose brakes can't be read: AWS throttles and stumbles for
// seconds, and a brake that nobody can see to be released counts as engaged after that.
const UnreadableFor = time.Minute

// Place is where the brakes of a run are.
type Place struct{ AccountID, Region string }

func (p Place) String() string { return "account " + p.AccountID + ", Region " + p.Region }

// AlarmName is the name of the alarm of a stop condition. of is where its ARN says that it is; nil: it
// is given by its name.
func AlarmName(condition v1alpha1.StopCondition) (name string, of *Place) {
	value := condition.CloudWatchAlarm
	if parts := strings.SplitN(value, ":", 7); strings.HasPrefix(value, "arn:") && len(parts) == 7 {
		return parts[6], &Place{AccountID: parts[4], Region: parts[3]}
	}
	return value, nil
}

// AlarmNames are the names of the alarms of stop conditions, sorted, each once.
func AlarmNames(conditions []v1alpha1.StopCondition) []string {
	var names []string
	for _, each := range conditions {
		name, _ := AlarmName(each)
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// CheckPlace refuses alarms of another account or Region than that of the run: a run reads those of
// its own alone.
func CheckPlace(conditions []v1alpha1.StopCondition, at Place) error {
	var errs []error
	for _, each := range conditions {
		_, of := AlarmName(each)
		switch {
		case of == nil:
		case of.Region != at.Region:
			errs = append(errs, problem.Refuse(v1alpha1.ReasonAlarmNotFound, "alarm %s is in Region %s, and the run works in Region %s: name an alarm of Region %s, such as a composite alarm, in spec.stopConditions",
				each.CloudWatchAlarm, of.Region, at.Region, at.Region))
		case at.AccountID != "" && of.AccountID != at.AccountID:
			errs = append(errs, problem.Refuse(v1alpha1.ReasonAlarmNotFound, "alarm %s is in account %s, and the manager's credentials are of account %s: name an alarm of account %s in spec.stopConditions",
				each.CloudWatchAlarm, of.AccountID, at.AccountID, at.AccountID))
		}
	}
	return errors.Join(errs...)
}

// CheckStart joins what a reading says against a start. What was not read is said by the error of the
// reading.
func CheckStart(wanted Wanted, reading Reading, at Place) error {
	var errs []error
	if reading.Alarms != nil {
		for _, name := range wanted.Alarms {
			switch alarm, exists := reading.Alarms[name]; {
			case !exists:
				errs = append(errs, problem.Refuse(v1alpha1.ReasonAlarmNotFound, "alarm %s does not exist in %s: create it, or correct spec.stopConditions", name, at))
			case alarm.isOn():
				errs = append(errs, problem.Refuse(v1alpha1.ReasonStopConditionMet, "%s. The run starts when no alarm of spec.stopConditions is in ALARM", describeAlarm(name, alarm, at)))
			}
		}
	}
	if reading.Lever.isOn() {
		errs = append(errs, problem.Refuse(v1alpha1.ReasonSafetyLeverEngaged, "%s. The run starts when it is disengaged (aws fis update-safety-lever-state --id default)", describeLever(*reading.Lever, at)))
	}
	return errors.Join(errs...)
}

// CheckRunning gives why a run that is on ends by a reading; nil: no brake was read to be engaged.
func CheckRunning(wanted Wanted, reading Reading, at Place) *Stop {
	if reading.Lever.isOn() {
		return &Stop{v1alpha1.AbortSafetyLeverEngaged, describeLever(*reading.Lever, at)}
	}
	for _, name := range wanted.Alarms {
		if alarm := reading.Alarms[name]; alarm.isOn() {
			return &Stop{v1alpha1.AbortStopConditionMet, describeAlarm(name, alarm, at)}
		}
	}
	return nil
}

// Missing is why a reading does not show that every brake is released; empty: it does.
func Missing(wanted Wanted, reading Reading, at Place) string {
	if reading.Err != nil {
		return problem.Explain(reading.Err).Message
	}
	for _, name := range wanted.Alarms {
		if _, exists := reading.Alarms[name]; !exists {
			return fmt.Sprintf("alarm %s does not exist in %s any more", name, at)
		}
	}
	return ""
}

// CheckUnreadable ends a run of whose brakes something has been missing since a time; nil: it goes on.
func CheckUnreadable(missing string, since, now time.Time) *Stop {
	if now.Sub(since) < UnreadableFor {
		return nil
	}
	return &Stop{v1alpha1.AbortBrakeNotRead, fmt.Sprintf("what stops the run could not be read since %s: %s", problem.FormatTime(since), missing)}
}

func (a Alarm) isOn() bool { return a.State == string(cloudwatchtypes.StateValueAlarm) }

// isOn reports whether the lever is engaged, or about to be. A state that is not known counts as that.
func (l *Lever) isOn() bool {
	return l != nil && l.Status != string(fistypes.SafetyLeverStatusDisengaged)
}

// mostReason bounds what a message takes over of a reason, which is up to 1,023 characters.
const mostReason = 400

func describeAlarm(name string, alarm Alarm, at Place) string {
	text := fmt.Sprintf("alarm %s (%s) is in state %s", name, at, alarm.State)
	if alarm.Reason != "" {
		text += ": " + aws.Truncate(alarm.Reason, mostReason)
	}
	return text
}

func describeLever(lever Lever, at Place) string {
	text := fmt.Sprintf("the safety lever of AWS FIS in %s is %s", at, lever.Status)
	if lever.Reason != "" {
		text += ": " + aws.Truncate(lever.Reason, mostReason)
	}
	return text
}

// asUnanswered gives an error of a caller that waited in vain for a read the operation that it waited
// for.
func asUnanswered(err error, service, operation string) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		if _, named := errors.AsType[*smithy.OperationError](err); !named {
			return &smithy.OperationError{ServiceID: service, OperationName: operation, Err: err}
		}
	}
	return err
}
