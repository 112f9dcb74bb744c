// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// watching: the run looks at its callers, and its rules were in force.
func watching(require v1alpha1.Requirement) happened {
	return func(f *Input) {
		f.Object.Spec.Callers = &v1alpha1.Callers{Require: require}
		f.Object.Status.StartedWith = run.StartedWith(&f.Object.Spec)
		f.Object.Status.EnforcedTime = at(1)
	}
}

// verifying: nothing else is left to do.
func verifying(f *Input) {
	agents(false, false)(f)
	restored(f)
	backAgain(f)
	f.Object.Status.RecoveredTime = at(12)
}

// trail: CloudTrail is known from the start until a minute, and shows that of the callers.
func trail(until float64, change func(*v1alpha1.CallersStatus)) happened {
	return func(f *Input) {
		seen := &v1alpha1.CallersStatus{ObservedTime: at(until + 15), CompleteSince: at(0), CompleteUntil: at(until), Calls: 3}
		change(seen)
		f.Object.Status.Callers = seen
	}
}

func shown(recovered, not, unknown int32) func(*v1alpha1.CallersStatus) {
	return func(c *v1alpha1.CallersStatus) {
		c.Met, c.Recovered, c.NotRecovered, c.NotKnown = recovered+not+unknown, recovered, not, unknown
		for _, each := range []struct {
			n       int32
			outcome v1alpha1.CallerOutcome
			name    string
		}{{not, v1alpha1.CallerNotRecovered, "nightly"}, {unknown, v1alpha1.CallerNotKnown, "batch"}, {recovered, v1alpha1.CallerRecovered, "web"}} {
			for range each.n {
				c.Callers = append(c.Callers, v1alpha1.Caller{Principal: "arn:aws:iam::123456789012:role/" + each.name, Family: "report", Outcome: each.outcome})
			}
		}
	}
}

func twice(c *v1alpha1.CallersStatus) {
	c.Met, c.Recovered, c.StartedTwice = 1, 1, 1
	c.Callers = []v1alpha1.Caller{{Principal: "arn:aws:iam::123456789012:role/dag", Service: "states.amazonaws.com", Family: "etl", Outcome: v1alpha1.CallerStartedTwice}}
}

func nothing(*v1alpha1.CallersStatus) {}

func TestWhatCallersCameTo(t *testing.T) {
	const required = v1alpha1.RequireRecovery
	unread := func(f *Input) { f.Object.Status.Callers = &v1alpha1.CallersStatus{Message: "AWS denies it"} }
	for name, tc := range map[string]struct {
		facts            Input
		state, condition string
	}{
		"not asked for":               {facing(run.Expired, started, verifying, completed(13)), "Completed", ""},
		"before the start":            {facing(run.Pending, asked(func(s *v1alpha1.AgentDisconnectSpec) { s.Callers = &v1alpha1.Callers{} })), "Discovering", "Unknown/NotStarted"},
		"while the run is on":         {facing(run.Active, started, watching(""), read), "Blocking", "Unknown/NotRead"},
		"verifying, unread":           {facing(run.Expired, started, watching(""), verifying), "Verifying", "Unknown/Verifying"},
		"verifying, all well so far":  {facing(run.Expired, started, watching(required), verifying, trail(13, shown(2, 0, 0))), "Verifying", "Unknown/Verifying"},
		"verifying, one twice":        {facing(run.Expired, started, watching(""), verifying, trail(13, twice)), "Verifying", "Unknown/Verifying"},
		"verifying, one did not":      {facing(run.Expired, started, watching(""), verifying, trail(16, shown(1, 1, 1))), "Verifying", "False/CallersDidNotRecover"},
		"all recovered":               {facing(run.Expired, started, watching(required), verifying, trail(23, shown(2, 0, 0)), completed(38)), "Completed", "True/AllRecovered"},
		"one did not, reported":       {facing(run.Expired, started, watching(""), verifying, trail(23, shown(1, 1, 0)), completed(38)), "Completed", "False/CallersDidNotRecover"},
		"one did not":                 {facing(run.Expired, started, watching(required), verifying, trail(23, shown(1, 1, 0)), completed(38)), "CallersDidNotRecover", "False/CallersDidNotRecover"},
		"one did not, others unknown": {facing(run.Expired, started, watching(required), verifying, trail(15, shown(0, 1, 1)), completed(47)), "CallersDidNotRecover", "False/CallersDidNotRecover"},
		"one twice":                   {facing(run.Expired, started, watching(required), verifying, trail(23, twice), completed(38)), "Completed", "False/StartedTwice"},
		"none met it, reported":       {facing(run.Expired, started, watching(""), verifying, trail(23, nothing), completed(38)), "Completed", "Unknown/NoCallerMet"},
		"none met it":                 {facing(run.Expired, started, watching(required), verifying, trail(23, nothing), completed(38)), "NoCallerMetAgent", "Unknown/NoCallerMet"},
		"not known to the end":        {facing(run.Expired, started, watching(required), verifying, trail(20, shown(2, 0, 0)), completed(47)), "CallersNotObserved", "Unknown/NotKnown"},
		"none met it as far as known": {facing(run.Expired, started, watching(required), verifying, trail(20, nothing), completed(47)), "CallersNotObserved", "Unknown/NotKnown"},
		"never read":                  {facing(run.Expired, started, watching(required), verifying, unread, completed(47)), "CallersNotObserved", "Unknown/NotKnown"},
		"never read, reported":        {facing(run.Expired, started, watching(""), verifying, unread, completed(47)), "Completed", "Unknown/NotKnown"},
		"edited away":                 {facing(run.Expired, started, watching(required), verifying, completed(47)), "CallersNotObserved", "Unknown/NotKnown"},
		"aborted":                     {facing(run.Aborted, started, watching(required), aborted(v1alpha1.AbortSubnetLeft), verifying, trail(23, shown(0, 1, 0)), completed(38)), "SubnetLeftNetworkACL", "False/CallersDidNotRecover"},
		"agents that stayed":          {facing(run.Expired, started, watching(required), verifying, uncredited, trail(23, shown(0, 1, 0)), completed(38)), "AgentsStayedConnected", "False/CallersDidNotRecover"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			tc.facts.Now = at(60).Time
			Set(tc.facts)
			status := &tc.facts.Object.Status
			g.Expect(status.State).To(Equal(tc.state))
			got := ""
			if c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionCallersRecovered); c != nil {
				got = string(c.Status) + "/" + c.Reason
			}
			g.Expect(got).To(Equal(tc.condition))
			reconciling := meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReconciling)
			g.Expect(reconciling).To(Equal(tc.state == "Verifying" || tc.state == "Discovering"))
			before := status.DeepCopy()
			tc.facts.Now = tc.facts.Now.Add(time.Minute)
			Set(tc.facts)
			g.Expect(status).To(Equal(before), "what was not read anew says nothing new")
		})
	}
}

func TestCallersInWords(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/"
	for name, tc := range map[string]struct {
		facts Input
		want  string
	}{
		"verifying": {facing(run.Expired, started, watching(""), verifying, trail(13, shown(1, 0, 1))),
			"2 callers met AGENT, and 1 recovered within 10m0s; of 1 it is not known (" + role + "batch for family report); CloudTrail was read at 2026-01-02T03:32:05Z, and may still show calls made after 2026-01-02T03:17:05Z"},
		"verifying, read soon": {facing(run.Expired, started, watching(""), verifying, trail(-2, nothing)),
			"no caller met AGENT in 3 calls of RunTask and StartTask; CloudTrail was read at 2026-01-02T03:17:05Z, and may still show calls made after 2026-01-02T03:04:05Z"},
		"too many calls": {facing(run.Expired, started, watching(""), verifying, trail(23, func(c *v1alpha1.CallersStatus) { c.CompleteSince = at(2) })),
			"no caller met AGENT in 3 calls of RunTask and StartTask; CloudTrail was read at 2026-01-02T03:42:05Z, and may still show calls made after 2026-01-02T03:27:05Z, and not all made before 2026-01-02T03:06:05Z are known"},
		"by another delay": {facing(run.Expired, started, watching(""), verifying, trail(23, shown(1, 0, 0)), func(f *Input) {
			f.Object.Status.StartedWith.CloudTrailDelay = &metav1.Duration{Duration: time.Minute}
		}), "1 caller met AGENT, and 1 recovered within 10m0s; CloudTrail is taken to be 1m0s late at most (--cloudtrail-delay)"},
		"unread": {facing(run.Expired, started, watching(""), verifying), "CloudTrail was not read yet"},
		"one did not": {facing(run.Expired, started, watching(""), verifying, trail(23, shown(1, 1, 0)), completed(38)),
			"2 callers met AGENT, and 1 recovered within 10m0s; 1 did not (" + role + "nightly for family report)"},
		"one twice": {facing(run.Expired, started, watching(""), verifying, trail(23, twice), completed(38)),
			"1 caller met AGENT, and 1 recovered within 10m0s; 1 caller started more tasks than asked for (states.amazonaws.com with " + role + "dag for family etl)"},
		"nothing met, much beside it": {facing(run.Expired, started, watching(""), verifying, completed(38), trail(23, func(c *v1alpha1.CallersStatus) {
			c.Window = &v1alpha1.CallerWindow{Calls: 1, Tasks: 2}
			c.Errors, c.OtherErrors = []v1alpha1.CallerError{{Code: "ThrottlingException", Calls: 4}}, 2
			c.Withheld, c.Unreadable = 1, 3
		})), "no caller met AGENT in 3 calls of RunTask and StartTask; 2 tasks were placed before ECS reported the agents as disconnected, and hung in PENDING until they were back; calls failed as a whole: 4 ThrottlingException, 2 others; of 1 call CloudTrail does not show the cluster; 3 events of the account could not be understood"},
		"denied": {facing(run.Expired, started, watching(""), verifying, completed(38), func(f *Input) {
			f.Object.Status.Callers = &v1alpha1.CallersStatus{Message: "AWS denies it"}
		}), "CloudTrail could not be read: AWS denies it"},
		"rules that were never in force": {facing(run.Expired, started, watching(""), verifying, completed(13), func(f *Input) { f.Object.Status.EnforcedTime = nil }),
			"CloudTrail was not read for callers, since the rules were never read back in force"},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(messageOf(tc.facts, v1alpha1.ConditionCallersRecovered)).To(Equal(tc.want))
		})
	}
}

func TestAVerifyingRunSaysWhatItWaitsFor(t *testing.T) {
	g := NewWithT(t)
	f := facing(run.Expired, started, watching(""), verifying)
	g.Expect(messageOf(f, v1alpha1.ConditionSucceeded)).To(Equal(
		"the rules are gone and the agents are connected again; the run looks at its callers until 2026-01-02T03:51:05Z at the latest: CloudTrail was not read yet"))
	c := meta.FindStatusCondition(f.Object.Status.Conditions, v1alpha1.ConditionAgentsDisconnected)
	g.Expect(c).To(HaveValue(And(HaveField("Status", metav1.ConditionFalse), HaveField("Reason", "Reconnected"))))
}
