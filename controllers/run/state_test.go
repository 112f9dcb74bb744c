// SPDX-License-Identifier: Apache-2.0

package run_test

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

// change is a change of a status.
type change = func(*v1alpha1.AgentDisconnectStatus)

func status(changes ...change) *v1alpha1.AgentDisconnectStatus {
	s := &v1alpha1.AgentDisconnectStatus{}
	for _, c := range changes {
		c(s)
	}
	return s
}

func started(s *v1alpha1.AgentDisconnectStatus) {
	s.StartTime, s.ExpirationTime = runtest.At(0), runtest.At(10)
}
func restored(s *v1alpha1.AgentDisconnectStatus)  { s.RestoredTime = runtest.At(11) }
func completed(s *v1alpha1.AgentDisconnectStatus) { s.CompletionTime = runtest.At(12) }
func withRule(s *v1alpha1.AgentDisconnectStatus) {
	s.Rules = []v1alpha1.Rule{{NetworkACLID: runtest.ACL, RuleNumber: 80, CIDR: "192.0.2.1/32", State: v1alpha1.RuleInstalled}}
}

func inPlace(s *v1alpha1.AgentDisconnectStatus) {
	s.NetworkACL = &v1alpha1.NetworkACL{ID: runtest.ACL, Mode: v1alpha1.NetworkACLModeInPlace}
}

func clone(state v1alpha1.CloneState) change {
	return func(s *v1alpha1.AgentDisconnectStatus) {
		s.NetworkACL = &v1alpha1.NetworkACL{ID: runtest.ACL, OriginalID: runtest.Original, Mode: v1alpha1.NetworkACLModeClone, State: state}
	}
}

func aborted(reason string) change {
	return func(s *v1alpha1.AgentDisconnectStatus) {
		s.Abort = &v1alpha1.Abort{Reason: reason, Time: *runtest.At(1)}
	}
}

func TestWhereARunIsFollowsFromItsStatus(t *testing.T) {
	type is struct{ on, cloned, lifted, missed, over bool }
	for name, tc := range map[string]struct {
		status *v1alpha1.AgentDisconnectStatus
		want   is
	}{
		"not begun":                                {status(), is{lifted: true}},
		"begun, with a rule":                       {status(started, inPlace, withRule), is{on: true}},
		"suspended, its rules gone":                {status(started, inPlace), is{on: true, lifted: true}},
		"restored, its agents awaited":             {status(started, inPlace, restored), is{on: true, lifted: true}},
		"over":                                     {status(started, inPlace, restored, completed), is{lifted: true, over: true}},
		"over without ever having begun":           {status(completed), is{lifted: true, over: true}},
		"over by its times, a rule left":           {status(started, inPlace, restored, completed, withRule), is{}},
		"over by its times, never restored":        {status(started, inPlace, completed), is{lifted: true}},
		"a clone asked for":                        {status(started, clone(v1alpha1.CloneCreating), withRule), is{on: true, cloned: true, lifted: true}},
		"a clone out of service, with its rules":   {status(started, clone(v1alpha1.CloneReady), withRule), is{on: true, cloned: true, lifted: true}},
		"a clone that may be in service":           {status(started, clone(v1alpha1.CloneAssociating), withRule), is{on: true, cloned: true}},
		"a clone in service":                       {status(started, clone(v1alpha1.CloneServing), withRule), is{on: true, cloned: true}},
		"a clone in service, no rule in it":        {status(started, clone(v1alpha1.CloneServing)), is{on: true, cloned: true}},
		"a clone that stays, without rules":        {status(started, clone(v1alpha1.CloneAdopted)), is{on: true, cloned: true, lifted: true}},
		"over, its clone gone":                     {status(started, clone(""), restored, completed), is{cloned: true, lifted: true, over: true}},
		"missed":                                   {status(aborted(v1alpha1.AbortStartDeadlineExceeded)), is{lifted: true, missed: true}},
		"missed and over":                          {status(aborted(v1alpha1.AbortStartDeadlineExceeded), restored, completed), is{lifted: true, missed: true, over: true}},
		"ended for another reason, not begun":      {status(aborted(v1alpha1.AbortSubnetLeft)), is{lifted: true}},
		"ended by the start deadline, though on":   {status(started, aborted(v1alpha1.AbortStartDeadlineExceeded)), is{on: true, lifted: true}},
		"ended before its time, its rule in place": {status(started, inPlace, withRule, aborted(v1alpha1.AbortSubnetLeft)), is{on: true}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(is{
				run.IsOn(tc.status), run.IsCloned(tc.status), run.IsLifted(tc.status), run.IsMissed(tc.status), run.IsOver(tc.status),
			}).To(Equal(tc.want))
		})
	}
}

func TestAPlanIsMadeOnceItAnswersForTheSpecAsItIs(t *testing.T) {
	for name, tc := range map[string]struct {
		plan *v1alpha1.Plan
		want bool
	}{
		"no plan":                {nil, false},
		"that a run would start": {&v1alpha1.Plan{ObservedGeneration: 3, WouldStart: new(true)}, true},
		"that it would not":      {&v1alpha1.Plan{ObservedGeneration: 3, WouldStart: new(false)}, true},
		"of an earlier spec":     {&v1alpha1.Plan{ObservedGeneration: 2, WouldStart: new(true)}, false},
		"of an earlier version":  {&v1alpha1.Plan{ObservedGeneration: 3}, false},
	} {
		obj := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Generation: 3}, Status: v1alpha1.AgentDisconnectStatus{Plan: tc.plan}}
		NewWithT(t).Expect(run.IsPlanned(obj)).To(Equal(tc.want), name)
	}
}

func TestARunHasASwitchWhereItHasAScheduleGroup(t *testing.T) {
	group := &v1alpha1.DeadManSwitch{State: v1alpha1.SwitchArming, ScheduleGroup: "agentdisconnect"}
	armed := &v1alpha1.DeadManSwitch{State: v1alpha1.SwitchArmed, ScheduleGroup: "agentdisconnect", RuleNumbers: []int32{80}}
	of := func(s *v1alpha1.DeadManSwitch) *v1alpha1.NetworkACL { return &v1alpha1.NetworkACL{DeadManSwitch: s} }
	for name, tc := range map[string]struct {
		acl   *v1alpha1.NetworkACL
		want  *v1alpha1.DeadManSwitch
		armed bool
	}{
		"no network ACL":        {nil, nil, false},
		"none":                  {of(nil), nil, false},
		"not configured":        {of(&v1alpha1.DeadManSwitch{State: v1alpha1.SwitchNotConfigured}), nil, false},
		"rules without a group": {of(&v1alpha1.DeadManSwitch{State: v1alpha1.SwitchNotInPlace, RuleNumbers: []int32{80}}), nil, false},
		"a group, no rule":      {of(group), group, false},
		"a group, a rule":       {of(armed), armed, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := &v1alpha1.AgentDisconnectStatus{NetworkACL: tc.acl}
			g.Expect(run.DeadManSwitch(s)).To(BeIdenticalTo(tc.want))
			g.Expect(run.IsArmed(s)).To(Equal(tc.armed))
		})
	}
}

func TestANameHasTheNamespace(t *testing.T) {
	NewWithT(t).Expect(run.Name(&v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "drill"}})).To(Equal("team/drill"))
}
