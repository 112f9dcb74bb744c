// SPDX-License-Identifier: Apache-2.0

package verification

import (
	"cmp"
	"math"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/callers"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probetasks"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/trail"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// facts are what of the run its callers are judged by.
func (v *Verification) facts(known callers.Period) callers.Facts {
	status := v.Status()
	facts := callers.Facts{
		ClusterARN: status.Target.ClusterARN,
		Denies:     callers.Period{From: run.Latest(status.StartTime.Time, status.EnforcedTime.Time), To: status.RestoredTime.Time},
		Back:       run.AgentFailuresUntil(status), BackWithin: run.RecoveryTimeout,
		RecoverWithin:  run.RecoverWithin(run.StartedCallers(status)),
		ProbeStartedBy: probetasks.StartedBy, Known: known,
	}

	if status.Agents != nil {
		for _, instance := range status.Agents.ContainerInstances {
			each := callers.Instance{ARN: instance.ARN}
			if instance.DisconnectedTime != nil {
				each.Disconnected = instance.DisconnectedTime.Time
			}
			facts.Instances = append(facts.Instances, each)
		}
	}
	return facts
}

// differs reports whether two statuses say different things of the callers, beside how far they are
// known.
func differs(a, b *v1alpha1.CallersStatus) bool {
	x, y := a.DeepCopy(), b.DeepCopy()
	for _, each := range []*v1alpha1.CallersStatus{x, y} {
		each.ObservedTime, each.CompleteUntil = nil, nil
	}
	return !equality.Semantic.DeepEqual(x, y)
}

// statusOf is a verdict as the status has it.
func statusOf(verdict callers.Verdict, answer trail.Answer, known callers.Period) *v1alpha1.CallersStatus {
	status := &v1alpha1.CallersStatus{
		ObservedTime: run.Stamp(answer.ReadAt), CompleteSince: run.Stamp(known.From), CompleteUntil: run.Stamp(known.To),
		Calls: count(verdict.Calls), MetCalls: count(verdict.MetCalls), Met: count(verdict.Met),
		Recovered: count(verdict.Recovered), NotRecovered: count(verdict.NotRecovered), NotKnown: count(verdict.NotKnown),
		StartedTwice: count(verdict.StartedTwice), OtherErrors: count(verdict.OtherErrors),
		Unreadable: count(answer.Unreadable), Withheld: count(verdict.Withheld),
	}
	if window := verdict.Window; window.Calls > 0 {
		status.Window = &v1alpha1.CallerWindow{Calls: count(window.Calls), Tasks: count(window.Tasks)}
	}

	seen := map[string]int{}
	for _, each := range verdict.Errors {
		code := cmp.Or(aws.Truncate(each.Code, 128), "Unknown")
		if i, ok := seen[code]; ok {
			status.Errors[i].Calls = count(int(status.Errors[i].Calls) + each.Calls)
			continue
		}
		seen[code] = len(status.Errors)
		status.Errors = append(status.Errors, v1alpha1.CallerError{Code: code, Calls: count(each.Calls)})
	}
	for _, each := range verdict.Callers {
		status.Callers = append(status.Callers, callerOf(each))
	}
	return status
}

// callerOf is a caller as the status has it.
func callerOf(c callers.Caller) v1alpha1.Caller {
	caller := v1alpha1.Caller{
		Principal: aws.Truncate(c.Principal.ARN, 1024), Service: aws.Truncate(c.Principal.Service, 1024), Family: aws.Truncate(c.Family, 255),
		Outcome: v1alpha1.CallerOutcome(c.Outcome), Calls: count(c.Calls), MetCalls: count(c.MetCalls),
		StartedTasks: count(c.Started), ExtraTasks: count(c.Extra),
		FirstAgentTime: stamp(c.FirstAgent), LastAgentTime: stamp(c.LastAgent),
	}
	if !c.RecoveredAt.IsZero() {
		caller.RecoveredTime = run.Stamp(c.RecoveredAt)
	}
	return caller
}

func stamp(t time.Time) metav1.Time { return *run.Stamp(t) }

// count is a number as the API takes it.
func count(n int) int32 { return int32(min(n, math.MaxInt32)) }

// bound cuts a message to what the API takes.
func bound(text string) string { return cmp.Or(aws.Truncate(text, 1024), "no reason is known") }
