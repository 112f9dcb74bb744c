// SPDX-License-Identifier: Apache-2.0

package run

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

// phaseByTheBook asks for the phases one after another, in the order that the design gives.
func phaseByTheBook(obj *v1alpha1.AgentDisconnect, now time.Time) Phase {
	spec, s := &obj.Spec, &obj.Status
	undo := s.NetworkACL != nil && s.NetworkACL.State != "" && s.NetworkACL.State != v1alpha1.CloneAdopted
	ended := s.ExpirationTime == nil || !s.ExpirationTime.After(now)
	left := len(s.Rules) > 0 || undo || (s.StartTime != nil || s.Abort != nil || s.NetworkACL != nil) && s.RestoredTime == nil
	tasks := s.Probe != nil && (len(s.Probe.Tasks) > 0 || ptr.Deref(s.Probe.Unanswered, false))
	over, begun := s.CompletionTime != nil && !left && !tasks, s.StartTime != nil
	suspended := ptr.Deref(spec.Suspend, false)
	recovered := !left && s.RestoredTime != nil && s.RecoveredTime != nil && !s.RecoveredTime.Before(s.RestoredTime)
	verifying := recovered && s.EnforcedTime != nil && s.StartedWith != nil && s.StartedWith.Callers != nil
	for _, m := range []struct {
		phase Phase
		is    bool
	}{
		{Deleting, obj.DeletionTimestamp != nil},
		{Planning, over && spec.Mode == v1alpha1.ModePlan},
		{Renewed, over && spec.RunID != "" && spec.RunID != s.RunID},
		{Finished, over},
		{Aborted, s.Abort != nil},
		// A run whose expirationTime is missing ends at once, as long as it began: at its start.
		{Expired, begun && ended && (s.ExpirationTime != nil || !s.StartTime.After(now))},
		// What may be in place is taken back, whatever else an edit of the status says.
		{Expired, s.CompletionTime != nil || !begun && (len(s.Rules) > 0 || s.NetworkACL != nil || s.RestoredTime != nil)},
		// Its rules are gone and only its callers are looked at: no clock that is set back makes it active again.
		{Expired, begun && verifying},
		{Suspended, begun && suspended},
		{Active, begun},
		{Planning, spec.Mode == v1alpha1.ModePlan},
		{Renewed, s.Plan != nil},
		{Missed, !now.Before(deadlineByTheBook(obj))},
		{Suspended, suspended},
		{Waiting, spec.StartAfter != nil && spec.StartAfter.Sub(now) > 10*time.Minute},
	} {
		if m.is {
			return m.phase
		}
	}
	return Pending
}

// deadlineByTheBook is when a run that has not begun never will.
func deadlineByTheBook(obj *v1alpha1.AgentDisconnect) time.Time {
	if at := obj.Spec.StartDeadline; at != nil {
		return at.Time
	}
	from := obj.CreationTimestamp.Time
	for _, later := range []*metav1.Time{obj.Status.RequestTime, obj.Spec.StartAfter} {
		if later != nil {
			from = later.Time
		}
	}
	return from.Add(time.Hour)
}

func TestPhaseAtKeepsToTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		obj := runtest.DrawObject(t)
		now := at(float64(rapid.IntRange(-40, 40).Draw(t, "now"))).Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "ns")))
		phase, _ := PhaseAt(obj, now)
		NewWithT(t).Expect(phase).To(Equal(phaseByTheBook(obj, now)))
	})
}

func TestPhaseAtChangesByItselfOnlyWhenItSaid(t *testing.T) {
	// What a phase can turn into by itself at the time that PhaseAt gave; all others stay.
	turns := map[Phase][]Phase{
		Active:    {Expired},
		Suspended: {Expired, Missed},
		Waiting:   {Pending, Missed},
		Pending:   {Pending, Missed},
	}
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		obj := runtest.DrawObject(t)
		now := at(float64(rapid.IntRange(-40, 40).Draw(t, "now"))).Time
		later := now.Add(time.Duration(rapid.IntRange(0, 90*60).Draw(t, "later")) * time.Second)
		phase, change := PhaseAt(obj, now)
		after, _ := PhaseAt(obj, later)
		if change.IsZero() || later.Before(change) {
			g.Expect(after).To(Equal(phase), "at %s, %s later, and it said %s", now, later.Sub(now), change)
		}
		if into, turns := turns[phase]; turns {
			g.Expect(change).NotTo(BeZero(), "%s lasts for ever", phase)
			at, _ := PhaseAt(obj, change)
			g.Expect(at).To(BeElementOf(into), "at %s", change)
		} else {
			g.Expect(after).To(Equal(phase), "what is so stays so")
		}
	})
}
