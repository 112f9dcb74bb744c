// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

var testStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// at is a time that many minutes after the start of the run.
func at(minutes float64) *metav1.Time {
	return &metav1.Time{Time: testStart.Add(time.Duration(minutes * float64(time.Minute)))}
}

// begun is the status of a run of 10 minutes.
func begun(change ...func(*v1alpha1.AgentDisconnectStatus)) v1alpha1.AgentDisconnectStatus {
	status := v1alpha1.AgentDisconnectStatus{StartTime: at(0), ExpirationTime: at(10)}
	for _, c := range change {
		c(&status)
	}
	return status
}

func TestModeAt(t *testing.T) {
	rules := []v1alpha1.Rule{{NetworkACLID: testACL, RuleNumber: 80, CIDR: "192.0.2.1/32", State: v1alpha1.RuleInstalled}}
	aborted := func(s *v1alpha1.AgentDisconnectStatus) {
		s.Abort, s.Rules = &v1alpha1.Abort{Reason: "Some", Time: *at(1)}, rules
	}
	restored := func(minute float64) func(*v1alpha1.AgentDisconnectStatus) {
		return func(s *v1alpha1.AgentDisconnectStatus) { s.RestoredTime, s.Rules = at(minute), nil }
	}
	completed := func(s *v1alpha1.AgentDisconnectStatus) { s.CompletionTime = at(12) }
	for name, tc := range map[string]struct {
		status   v1alpha1.AgentDisconnectStatus
		deleting bool
		now      float64 // minutes
		want     Mode
		change   *metav1.Time // nil: never by itself
	}{
		"not begun":                             {want: ModePending},
		"not begun, a year later":               {now: 525600, want: ModePending},
		"begun":                                 {status: begun(), want: ModeActive, change: at(10)},
		"a moment before its end":               {status: begun(), now: 9.999, want: ModeActive, change: at(10)},
		"at its end":                            {status: begun(), now: 10, want: ModeExpired},
		"long after its end":                    {status: begun(), now: 10000, want: ModeExpired},
		"by a clock that was set back":          {status: begun(), now: -5, want: ModeActive, change: at(10)},
		"rules gone, agents awaited":            {status: begun(restored(11)), now: 12, want: ModeExpired, change: at(21)},
		"without its expirationTime":            {status: begun(func(s *v1alpha1.AgentDisconnectStatus) { s.ExpirationTime = nil }), now: 0, want: ModeExpired},
		"aborted":                               {status: begun(aborted), now: 1, want: ModeAborted},
		"aborted, rules gone":                   {status: begun(aborted, restored(2)), now: 3, want: ModeAborted, change: at(12)},
		"aborted and expired":                   {status: begun(aborted), now: 11, want: ModeAborted},
		"aborted without startTime":             {status: v1alpha1.AgentDisconnectStatus{Abort: &v1alpha1.Abort{}}, want: ModeAborted},
		"finished":                              {status: begun(restored(11), completed), now: 13, want: ModeFinished},
		"finished, though its end is to come":   {status: begun(aborted, restored(2), completed), now: 3, want: ModeFinished},
		"finished without ever having begun":    {status: v1alpha1.AgentDisconnectStatus{CompletionTime: at(1)}, want: ModeFinished},
		"finished, but a rule turned up":        {status: begun(restored(11), completed, func(s *v1alpha1.AgentDisconnectStatus) { s.Rules = rules }), now: 13, want: ModeExpired},
		"finished, but never restored":          {status: begun(completed), now: 5, want: ModeExpired},
		"not begun, but with a rule":            {status: v1alpha1.AgentDisconnectStatus{Rules: rules}, want: ModeExpired},
		"restored, its start edited away":       {status: v1alpha1.AgentDisconnectStatus{RestoredTime: at(1)}, now: 2, want: ModeExpired, change: at(11)},
		"restored, but a rule turned up":        {status: begun(restored(11), func(s *v1alpha1.AgentDisconnectStatus) { s.Rules = rules }), now: 30, want: ModeExpired},
		"deleted before it began":               {deleting: true, want: ModeDeleting},
		"deleted while on":                      {status: begun(), deleting: true, now: 1, want: ModeDeleting},
		"deleted after it was aborted":          {status: begun(aborted), deleting: true, now: 1, want: ModeDeleting},
		"deleted after its end":                 {status: begun(), deleting: true, now: 11, want: ModeDeleting},
		"deleted after it finished":             {status: begun(completed), deleting: true, now: 13, want: ModeDeleting},
		"deleted, rules gone, agents not there": {status: begun(restored(11)), deleting: true, now: 12, want: ModeDeleting},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			obj := &v1alpha1.AgentDisconnect{Status: tc.status}
			if tc.deleting {
				obj.DeletionTimestamp = at(0)
			}
			mode, change := ModeAt(obj, at(tc.now).Time)
			g.Expect(mode).To(Equal(tc.want))
			if tc.change == nil {
				g.Expect(change).To(BeZero())
			} else {
				g.Expect(change).To(BeTemporally("==", tc.change.Time))
			}
		})
	}
}

// drawObject draws an object in any state, those that only a person's edit of the status can make included.
func drawObject(t *rapid.T) *v1alpha1.AgentDisconnect {
	maybe := func(name string) *metav1.Time {
		if !rapid.Bool().Draw(t, "has "+name) {
			return nil
		}
		return at(float64(rapid.IntRange(-30, 30).Draw(t, name)))
	}
	obj := &v1alpha1.AgentDisconnect{}
	obj.DeletionTimestamp = maybe("deletionTimestamp")
	status := &obj.Status
	status.StartTime, status.ExpirationTime = maybe("startTime"), maybe("expirationTime")
	status.RestoredTime, status.CompletionTime = maybe("restoredTime"), maybe("completionTime")
	if abort := maybe("abort"); abort != nil {
		status.Abort = &v1alpha1.Abort{Reason: v1alpha1.AbortSubnetLeft, Time: *abort}
	}
	if rapid.Bool().Draw(t, "has rules") {
		status.Rules = []v1alpha1.Rule{{NetworkACLID: testACL, RuleNumber: 80, CIDR: "192.0.2.1/32", State: v1alpha1.RuleInstalled}}
	}
	return obj
}

// modeByTheBook asks for the modes one after another, in the order that the design gives.
func modeByTheBook(obj *v1alpha1.AgentDisconnect, now time.Time) Mode {
	s := obj.Status
	over := s.ExpirationTime == nil || !s.ExpirationTime.After(now)
	left := len(s.Rules) > 0 || (s.StartTime != nil || s.Abort != nil) && s.RestoredTime == nil
	for _, m := range []struct {
		mode Mode
		is   bool
	}{
		{ModeDeleting, obj.DeletionTimestamp != nil},
		{ModeFinished, s.CompletionTime != nil && !left},
		{ModeAborted, s.Abort != nil},
		// A run whose expirationTime is missing ends at once, as long as it began: at its start.
		{ModeExpired, s.StartTime != nil && over && (s.ExpirationTime != nil || !s.StartTime.After(now))},
		// What may be in place is taken back, whatever else an edit of the status says.
		{ModeExpired, s.CompletionTime != nil || s.StartTime == nil && (len(s.Rules) > 0 || s.RestoredTime != nil)},
		{ModePending, s.StartTime == nil},
	} {
		if m.is {
			return m.mode
		}
	}
	return ModeActive
}

func TestModeAtKeepsToTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		obj := drawObject(t)
		now := at(float64(rapid.IntRange(-40, 40).Draw(t, "now"))).Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "ns")))
		mode, _ := ModeAt(obj, now)
		NewWithT(t).Expect(mode).To(Equal(modeByTheBook(obj, now)))
	})
}

func TestModeAtChangesByItselfOnlyWhenItSaid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		obj := drawObject(t)
		now := at(float64(rapid.IntRange(-40, 40).Draw(t, "now"))).Time
		later := now.Add(time.Duration(rapid.IntRange(0, 90*60).Draw(t, "later")) * time.Second)
		mode, change := ModeAt(obj, now)
		after, _ := ModeAt(obj, later)
		if change.IsZero() || later.Before(change) {
			g.Expect(after).To(Equal(mode), "at %s, %s later, and it said %s", now, later.Sub(now), change)
		}
		if mode == ModeActive {
			at, _ := ModeAt(obj, change)
			g.Expect(at).To(Equal(ModeExpired), "at %s", change)
		}
		if mode == ModeExpired {
			g.Expect(after).To(Equal(ModeExpired), "what is over stays over")
		}
	})
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
		"restored":                             {begun(func(s *v1alpha1.AgentDisconnectStatus) { s.RestoredTime = at(11) }), true},
		"restored, and then a line turned up":  {begun(func(s *v1alpha1.AgentDisconnectStatus) { s.RestoredTime, s.Rules = at(11), rules }), false},
	} {
		NewWithT(t).Expect(Restored(&tc.status)).To(Equal(tc.want), name)
	}
}
