// SPDX-License-Identifier: Apache-2.0

package run

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

func TestPhaseAt(t *testing.T) {
	type spec = v1alpha1.AgentDisconnectSpec
	rules := []v1alpha1.Rule{{NetworkACLID: runtest.ACL, RuleNumber: 80, CIDR: "192.0.2.1/32", State: v1alpha1.RuleInstalled}}
	aborted := func(s *v1alpha1.AgentDisconnectStatus) {
		s.Abort, s.Rules = &v1alpha1.Abort{Reason: "Some", Time: *at(1)}, rules
	}
	restored := func(minute float64) func(*v1alpha1.AgentDisconnectStatus) {
		return func(s *v1alpha1.AgentDisconnectStatus) { s.RestoredTime, s.Rules = at(minute), nil }
	}
	completed := func(s *v1alpha1.AgentDisconnectStatus) { s.CompletionTime = at(12) }
	of := func(runID string) func(*v1alpha1.AgentDisconnectStatus) {
		return func(s *v1alpha1.AgentDisconnectStatus) { s.RunID = runID }
	}
	clone := func(state v1alpha1.CloneState) func(*v1alpha1.AgentDisconnectStatus) {
		return func(s *v1alpha1.AgentDisconnectStatus) {
			s.NetworkACL = &v1alpha1.NetworkACL{ID: runtest.ACL, Mode: v1alpha1.NetworkACLModeClone, State: state}
		}
	}
	over := begun(restored(11), completed, of("one"))
	plan := v1alpha1.AgentDisconnectStatus{Plan: &v1alpha1.Plan{}}
	for name, tc := range map[string]struct {
		spec     spec
		status   v1alpha1.AgentDisconnectStatus
		deleting bool
		now      float64 // minutes; the object is made at 0
		want     Phase
		change   *metav1.Time // nil: never by itself
	}{
		"not begun":                             {want: Pending, change: at(60)},
		"not begun, a moment before its hour":   {now: 59.999, want: Pending, change: at(60)},
		"not begun within an hour":              {now: 60, want: Missed},
		"not begun, a year later":               {now: 525600, want: Missed},
		"asked for again later":                 {status: v1alpha1.AgentDisconnectStatus{RequestTime: at(100)}, now: 120, want: Pending, change: at(160)},
		"with a deadline":                       {spec: spec{StartDeadline: at(5)}, now: 4, want: Pending, change: at(5)},
		"past its deadline":                     {spec: spec{StartDeadline: at(5)}, now: 5, want: Missed},
		"with a deadline beyond the hour":       {spec: spec{StartDeadline: at(500)}, now: 400, want: Pending, change: at(500)},
		"long before its time":                  {spec: spec{StartAfter: at(300)}, want: Waiting, change: at(290)},
		"warming up":                            {spec: spec{StartAfter: at(300)}, now: 290, want: Pending, change: at(300)},
		"at its time":                           {spec: spec{StartAfter: at(300)}, now: 300, want: Pending, change: at(360)},
		"an hour after its time":                {spec: spec{StartAfter: at(300)}, now: 360, want: Missed},
		"to be missed before it could begin":    {spec: spec{StartAfter: at(300), StartDeadline: at(200)}, want: Waiting, change: at(200)},
		"to be missed while it warms up":        {spec: spec{StartAfter: at(300), StartDeadline: at(295)}, now: 291, want: Pending, change: at(295)},
		"its time changed after it began":       {spec: spec{StartAfter: at(300), StartDeadline: at(1)}, status: begun(), now: 2, want: Active, change: at(10)},
		"suspended before it began":             {spec: spec{Suspend: new(true)}, want: Suspended, change: at(60)},
		"suspended long before its time":        {spec: spec{Suspend: new(true), StartAfter: at(300)}, want: Suspended, change: at(360)},
		"suspended for longer than it may wait": {spec: spec{Suspend: new(true)}, now: 60, want: Missed},
		"not suspended":                         {spec: spec{Suspend: new(false)}, want: Pending, change: at(60)},
		"suspended while on":                    {spec: spec{Suspend: new(true)}, status: begun(), now: 5, want: Suspended, change: at(10)},
		"suspended at its end":                  {spec: spec{Suspend: new(true)}, status: begun(), now: 10, want: Expired},
		"suspended and aborted":                 {spec: spec{Suspend: new(true)}, status: begun(aborted), now: 5, want: Aborted},
		"suspended after it finished":           {spec: spec{Suspend: new(true)}, status: over, now: 13, want: Finished},
		"a plan":                                {spec: spec{Mode: v1alpha1.ModePlan}, want: Planning},
		"a plan, a year later":                  {spec: spec{Mode: v1alpha1.ModePlan}, now: 525600, want: Planning},
		"a plan with a start that is past":      {spec: spec{Mode: v1alpha1.ModePlan, StartDeadline: at(-5), Suspend: new(true)}, want: Planning},
		"a plan while a run is on":              {spec: spec{Mode: v1alpha1.ModePlan}, status: begun(), now: 5, want: Active, change: at(10)},
		"a run before its plan was made":        {status: v1alpha1.AgentDisconnectStatus{ObservedMode: v1alpha1.ModePlan}, now: 300, want: Renewed},
		"a plan after a run":                    {spec: spec{Mode: v1alpha1.ModePlan, TTLSecondsAfterFinished: new(int32(60))}, status: over, now: 5, want: Planning},
		"a run after a plan":                    {status: plan, now: 500, want: Renewed},
		"begun":                                 {status: begun(), want: Active, change: at(10)},
		"a moment before its end":               {status: begun(), now: 9.999, want: Active, change: at(10)},
		"at its end":                            {status: begun(), now: 10, want: Expired},
		"long after its end":                    {status: begun(), now: 10000, want: Expired},
		"by a clock that was set back":          {status: begun(), now: -5, want: Active, change: at(10)},
		"rules gone, agents awaited":            {status: begun(restored(11)), now: 12, want: Expired, change: at(21)},
		"without its expirationTime":            {status: begun(func(s *v1alpha1.AgentDisconnectStatus) { s.ExpirationTime = nil }), now: 0, want: Expired},
		"aborted":                               {status: begun(aborted), now: 1, want: Aborted},
		"aborted, rules gone":                   {status: begun(aborted, restored(2)), now: 3, want: Aborted, change: at(12)},
		"aborted and expired":                   {status: begun(aborted), now: 11, want: Aborted},
		"aborted without startTime":             {status: v1alpha1.AgentDisconnectStatus{Abort: &v1alpha1.Abort{}}, want: Aborted},
		"finished":                              {status: over, now: 13, want: Finished},
		"finished, and asked for as before":     {spec: spec{RunID: "one"}, status: over, now: 13, want: Finished},
		"finished, and asked for anew":          {spec: spec{RunID: "two"}, status: over, now: 13, want: Renewed},
		"asked for anew while on":               {spec: spec{RunID: "two"}, status: begun(of("one")), now: 5, want: Active, change: at(10)},
		"asked for anew before its rules went":  {spec: spec{RunID: "two"}, status: begun(aborted, of("one")), now: 5, want: Aborted},
		"asked for anew before its agents came": {spec: spec{RunID: "two"}, status: begun(restored(11), of("one")), now: 12, want: Expired, change: at(21)},
		"finished, to be deleted":               {spec: spec{TTLSecondsAfterFinished: new(int32(60))}, status: over, now: 12.5, want: Finished, change: at(13)},
		"finished, to be deleted now":           {spec: spec{TTLSecondsAfterFinished: new(int32(0))}, status: over, now: 12.5, want: Finished, change: at(12)},
		"asked for anew, not to be deleted":     {spec: spec{RunID: "two", TTLSecondsAfterFinished: new(int32(60))}, status: over, now: 12.5, want: Renewed},
		"finished, though its end is to come":   {status: begun(aborted, restored(2), completed), now: 3, want: Finished},
		"finished without ever having begun":    {status: v1alpha1.AgentDisconnectStatus{CompletionTime: at(1)}, want: Finished},
		"finished, but a rule turned up":        {status: begun(restored(11), completed, func(s *v1alpha1.AgentDisconnectStatus) { s.Rules = rules }), now: 13, want: Expired},
		"finished, but its clone is there":      {status: begun(restored(11), completed, clone(v1alpha1.CloneReady)), now: 13, want: Expired},
		"finished, its clone adopted":           {status: begun(restored(11), completed, clone(v1alpha1.CloneAdopted)), now: 13, want: Finished},
		"finished, but never restored":          {status: begun(completed), now: 5, want: Expired},
		"not begun, but with a rule":            {status: v1alpha1.AgentDisconnectStatus{Rules: rules}, want: Expired},
		"not begun, but with a clone":           {spec: spec{Mode: v1alpha1.ModePlan}, status: begun(clone(v1alpha1.CloneServing), func(s *v1alpha1.AgentDisconnectStatus) { s.StartTime = nil }), want: Expired},
		"not begun, but with a network ACL":     {status: v1alpha1.AgentDisconnectStatus{NetworkACL: &v1alpha1.NetworkACL{ID: runtest.ACL, Mode: v1alpha1.NetworkACLModeInPlace}}, want: Expired},
		"restored, its start edited away":       {status: v1alpha1.AgentDisconnectStatus{RestoredTime: at(1)}, now: 2, want: Expired, change: at(11)},
		"restored, but a rule turned up":        {status: begun(restored(11), func(s *v1alpha1.AgentDisconnectStatus) { s.Rules = rules }), now: 30, want: Expired},
		"restored, but its clone is there":      {status: begun(restored(11), clone(v1alpha1.CloneAssociating)), now: 30, want: Expired},
		"deleted before it began":               {deleting: true, want: Deleting},
		"deleted while on":                      {status: begun(), deleting: true, now: 1, want: Deleting},
		"deleted while suspended":               {spec: spec{Suspend: new(true)}, status: begun(), deleting: true, now: 1, want: Deleting},
		"deleted after it was aborted":          {status: begun(aborted), deleting: true, now: 1, want: Deleting},
		"deleted after its end":                 {status: begun(), deleting: true, now: 11, want: Deleting},
		"deleted after it finished":             {status: begun(completed), deleting: true, now: 13, want: Deleting},
		"deleted, and asked for anew":           {spec: spec{RunID: "two"}, status: over, deleting: true, now: 13, want: Deleting},
		"deleted, rules gone, agents not there": {status: begun(restored(11)), deleting: true, now: 12, want: Deleting},
		"deleted, a plan":                       {spec: spec{Mode: v1alpha1.ModePlan}, deleting: true, want: Deleting},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			obj := &v1alpha1.AgentDisconnect{Spec: tc.spec, Status: tc.status}
			obj.CreationTimestamp = *at(0)
			if tc.deleting {
				obj.DeletionTimestamp = at(0)
			}
			mode, change := PhaseAt(obj, at(tc.now).Time)
			g.Expect(mode).To(Equal(tc.want))
			if tc.change == nil {
				g.Expect(change).To(BeZero())
			} else {
				g.Expect(change).To(BeTemporally("==", tc.change.Time))
			}
		})
	}
}

func TestRestoredMeansThatNothingIsLeft(t *testing.T) {
	rules := []v1alpha1.Rule{{NetworkACLID: "acl-1", RuleNumber: 80}}
	for name, tc := range map[string]struct {
		status v1alpha1.AgentDisconnectStatus
		want   bool
	}{
		"not begun":                            {v1alpha1.AgentDisconnectStatus{}, true},
		"not begun, with a line of the ledger": {v1alpha1.AgentDisconnectStatus{Rules: rules}, false},
		"begun":                                {begun(), false},
		"aborted, its start edited away":       {v1alpha1.AgentDisconnectStatus{Abort: &v1alpha1.Abort{}}, false},
		"begun, with lines":                    {begun(func(s *v1alpha1.AgentDisconnectStatus) { s.Rules = rules }), false},
		"not begun, with a network ACL":        {v1alpha1.AgentDisconnectStatus{NetworkACL: &v1alpha1.NetworkACL{ID: runtest.ACL}}, false},
		"restored":                             {begun(func(s *v1alpha1.AgentDisconnectStatus) { s.RestoredTime = at(11) }), true},
		"restored, and then a line turned up":  {begun(func(s *v1alpha1.AgentDisconnectStatus) { s.RestoredTime, s.Rules = at(11), rules }), false},
	} {
		NewWithT(t).Expect(IsRestored(&tc.status)).To(Equal(tc.want), name)
	}
}
