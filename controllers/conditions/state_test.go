// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

func TestStateIsTheReasonOfSucceeded(t *testing.T) {
	g := NewWithT(t)
	f := facing(run.Active, discovered, started)
	Set(f)
	g.Expect(f.Object.Status.State).To(Equal(meta.FindStatusCondition(f.Object.Status.Conditions, v1alpha1.ConditionSucceeded).Reason))
	g.Expect(f.Object.Status.State).To(Equal(v1alpha1.StateInstalling))

	f.Phase, f.Object.Status.Rules = run.Suspended, nil
	Set(f)
	g.Expect(f.Object.Status.State).To(Equal(v1alpha1.StateSuspended))
}

func TestStateOfARunThatAnEarlierVersionFinished(t *testing.T) {
	g := NewWithT(t)
	f := facing(run.Active, discovered, started)
	Set(f)
	f.Object.Status.State = ""
	f.Phase = run.Finished
	Set(f)
	g.Expect(f.Object.Status.State).To(Equal(v1alpha1.StateInstalling))
}

func TestReasonSaysWhatTheStateAloneDoesNot(t *testing.T) {
	over := func(require v1alpha1.Requirement, seen func(*v1alpha1.CallersStatus)) Input {
		return facing(run.Expired, started, watching(require), verifying, trail(23, seen), completed(38))
	}
	for name, tc := range map[string]struct {
		facts                  Input
		state, reason, reached string
	}{
		"discovering":                    {facing(run.Pending, discovered), "Discovering", "", ""},
		"refused":                        {facing(run.Pending, stopped(aPerson)), "Refused", "AccessDenied", ""},
		"waiting":                        {facing(run.Pending, discovered, stopped(theWeight)), "Waiting", theWeight.Reason, ""},
		"long before its time":           {facing(run.Waiting, asked(func(spec *v1alpha1.AgentDisconnectSpec) { spec.StartAfter = at(300) })), "Waiting", "NotYet", ""},
		"a plan that is refused":         {facing(run.Planning, looked(v1alpha1.Refusal{Reason: "NoConsent", Message: "m"}, v1alpha1.Refusal{Reason: "NoRoom", Message: "m"})), "PlanRefused", "NoConsent", ""},
		"a plan":                         {facing(run.Planning, looked()), "Planned", "", ""},
		"blocking":                       {facing(run.Active, started, read, agents(false, true)), "Blocking", "", "1/2"},
		"blocking, AWS does not answer":  {facing(run.Active, started, read, stopped(theWeight)), "Blocking", "", "0/2"},
		"blocking, a person must act":    {facing(run.Active, started, read, stopped(aPerson)), "Blocking", "AccessDenied", "0/2"},
		"ended early":                    {facing(run.Aborted, started, aborted(v1alpha1.AbortDriftDetected)), "Restoring", "DriftDetected", "0/2"},
		"ended early, a person must act": {facing(run.Aborted, started, aborted(v1alpha1.AbortDriftDetected), stopped(aPerson)), "Restoring", "AccessDenied", "0/2"},
		"ended early, over":              {facing(run.Aborted, started, aborted(v1alpha1.AbortDriftDetected), restored, backAgain, completed(12)), "DriftDetected", "", "0/2"},
		"completed, agents are back":     {facing(run.Expired, started, agents(false, false), restored, backAgain, completed(12)), "Completed", "", "2/2"},
		"one stayed":                     {facing(run.Expired, started, agents(true, false), restored, backAgain, completed(12)), "AgentsStayedConnected", "", "1/2"},
		"of TCS alone":                   {facing(run.Active, started, telemetryAlone, read), "Blocking", "", ""},
		"verifying":                      {facing(run.Expired, started, watching(""), verifying), "Verifying", "", "2/2"},
		"all callers recovered":          {over("", shown(2, 0, 0)), "Completed", "CallersRecovered", "2/2"},
		"one did not, reported":          {over("", shown(1, 1, 0)), "Completed", "CallersDidNotRecover", "2/2"},
		"one did not":                    {over(v1alpha1.RequireRecovery, shown(1, 1, 0)), "CallersDidNotRecover", "", "2/2"},
		"none met AGENT, reported":       {over("", nothing), "Completed", "NoCallerMetAgent", "2/2"},
		"one started twice":              {over(v1alpha1.RequireRecovery, twice), "Completed", "StartedTwice", "2/2"},
		"callers not known, reported":    {facing(run.Expired, started, watching(""), verifying, completed(47)), "Completed", "CallersNotObserved", "2/2"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			tc.facts.Object.Status.Reason = "OfThePassBefore"
			Set(tc.facts)
			status := &tc.facts.Object.Status
			g.Expect(status.State).To(Equal(tc.state))
			g.Expect(status.Reason).To(Equal(tc.reason))
			if status.Agents != nil {
				g.Expect(status.Agents.Reached).To(Equal(tc.reached))
			}
		})
	}
}

func TestReasonOfARunThatIsOverStays(t *testing.T) {
	g := NewWithT(t)
	f := facing(run.Expired, started, watching(""), verifying, trail(23, shown(1, 1, 0)), completed(38))
	Set(f)
	f.Phase, f.Object.Status.Agents.Reached = run.Finished, ""
	Set(f)
	g.Expect(f.Object.Status.Reason).To(Equal(v1alpha1.StateCallersDidNotRecover))
	g.Expect(f.Object.Status.Agents.Reached).To(Equal("2/2"), "an earlier version stored none")
}
