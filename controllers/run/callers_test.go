// SPDX-License-Identifier: Apache-2.0

package run_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

// watching: the run looks at its callers, and its rules were in force.
func watching(s *v1alpha1.AgentDisconnectStatus) {
	s.StartedWith = &v1alpha1.StartedWith{Callers: &v1alpha1.Callers{}}
	s.EnforcedTime = runtest.At(1)
}

func within(d time.Duration) change {
	return func(s *v1alpha1.AgentDisconnectStatus) {
		s.StartedWith.Callers.RecoverWithin = &metav1.Duration{Duration: d}
	}
}

// late: the manager was set to a CloudTrail that is so late.
func late(d time.Duration) change {
	return func(s *v1alpha1.AgentDisconnectStatus) {
		s.StartedWith.CloudTrailDelay = &metav1.Duration{Duration: d}
	}
}

func recovered(minutes float64) change {
	return func(s *v1alpha1.AgentDisconnectStatus) { s.RecoveredTime = runtest.At(minutes) }
}

// known: the status rests on what CloudTrail has between two times.
func known(from, to float64) change {
	return func(s *v1alpha1.AgentDisconnectStatus) {
		s.Callers = &v1alpha1.CallersStatus{ObservedTime: runtest.At(to + 15), CompleteSince: runtest.At(from), CompleteUntil: runtest.At(to)}
	}
}

func TestARunLooksAtItsCallersOnceNothingElseIsLeft(t *testing.T) {
	for name, tc := range map[string]struct {
		status   *v1alpha1.AgentDisconnectStatus
		deadline *metav1.Time // nil: it does not look at them
	}{
		"on":                                        {status: status(started, inPlace, watching, withRule)},
		"rules gone, agents awaited":                {status: status(started, inPlace, watching, restored)},
		"agents no longer awaited":                  {status(started, inPlace, watching, restored, recovered(13)), runtest.At(13 + 35)},
		"by the most that a caller may take":        {status(started, inPlace, watching, within(time.Hour), restored, recovered(13)), runtest.At(13 + 85)},
		"an edited time that is too long":           {status(started, inPlace, watching, within(9999*time.Hour), restored, recovered(13)), runtest.At(13 + 85)},
		"an edited time below zero":                 {status(started, inPlace, watching, within(-time.Hour), restored, recovered(13)), runtest.At(13 + 26)},
		"a CloudTrail that is late by less":         {status(started, inPlace, watching, late(time.Minute), restored, recovered(13)), runtest.At(13 + 21)},
		"a CloudTrail that is late by more":         {status(started, inPlace, watching, late(30*time.Minute), restored, recovered(13)), runtest.At(13 + 50)},
		"an edited delay that is too long":          {status(started, inPlace, watching, late(99*time.Hour), restored, recovered(13)), runtest.At(13 + 80)},
		"an edited delay below zero":                {status(started, inPlace, watching, late(-time.Hour), restored, recovered(13)), runtest.At(13 + 20 + 1./60)},
		"aborted":                                   {status(started, inPlace, watching, aborted(v1alpha1.AbortSubnetLeft), restored, recovered(13)), runtest.At(13 + 35)},
		"over":                                      {status: status(started, inPlace, watching, restored, recovered(13), completed)},
		"a time from before the rules were gone":    {status: status(started, inPlace, watching, restored, recovered(5))},
		"a rule turned up":                          {status: status(started, inPlace, watching, restored, recovered(13), withRule)},
		"a time without a restoredTime":             {status: status(started, inPlace, watching, recovered(13))},
		"a time, though callers were not asked for": {status: status(started, inPlace, restored, recovered(13))},
		"rules that were never in force":            {status: status(started, inPlace, watching, restored, recovered(13), func(s *v1alpha1.AgentDisconnectStatus) { s.EnforcedTime = nil })},
		"TCS alone": {status: status(started, inPlace, watching, restored, recovered(13), func(s *v1alpha1.AgentDisconnectStatus) {
			s.StartedWith.Sessions = []v1alpha1.Session{v1alpha1.SessionTCS}
		})},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(run.IsVerifying(tc.status)).To(Equal(tc.deadline != nil))
			if tc.deadline == nil {
				g.Expect(run.VerifyDeadline(tc.status)).To(BeZero())
				return
			}
			g.Expect(run.VerifyDeadline(tc.status)).To(BeTemporally("==", tc.deadline.Time))
			g.Expect(run.IsOn(tc.status)).To(BeFalse(), "it leaves its network ACL to others")
			phase, change := run.PhaseAt(&v1alpha1.AgentDisconnect{Status: *tc.status}, runtest.At(14).Time)
			g.Expect(phase).To(BeElementOf(run.Expired, run.Aborted))
			g.Expect(change).To(BeTemporally("==", tc.deadline.Time))
		})
	}
}

func TestCallersAreKnownOnceTheLastOfThemHadItsTime(t *testing.T) {
	back := func(s *v1alpha1.AgentDisconnectStatus) { s.Agents = &v1alpha1.Agents{ReconnectedTime: runtest.At(12)} }
	for name, tc := range map[string]struct {
		status *v1alpha1.AgentDisconnectStatus
		want   bool
	}{
		"nothing was read":                       {status(started, watching, restored, back), false},
		"until 10 minutes after the agents":      {status(started, watching, restored, back, known(0, 22.1)), true},
		"until the very second":                  {status(started, watching, restored, back, known(0, 22)), false},
		"agents that were not seen to be back":   {status(started, watching, restored, known(0, 30.9)), false},
		"10 minutes after they could be back":    {status(started, watching, restored, known(0, 31.1)), true},
		"agents that were given up before that":  {status(started, watching, restored, recovered(13), known(0, 23.1)), true},
		"and not for as long":                    {status(started, watching, restored, recovered(13), known(0, 23)), false},
		"agents that were given up after that":   {status(started, watching, restored, recovered(23), known(0, 31.1)), true},
		"not from the start on":                  {status(started, watching, restored, back, known(0.1, 40)), false},
		"by a time that the spec asks for":       {status(started, watching, within(20*time.Minute), restored, back, known(0, 31)), false},
		"rules that are not gone":                {status(started, watching, back, known(0, 90)), false},
		"a start that was edited away":           {status(watching, restored, back, known(0, 90)), false},
		"agents that were back before the rules": {status(started, watching, restored, known(0, 22.1), func(s *v1alpha1.AgentDisconnectStatus) { s.Agents = &v1alpha1.Agents{ReconnectedTime: runtest.At(2)} }), false},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(run.KnowsCallers(tc.status)).To(Equal(tc.want))
		})
	}
}
