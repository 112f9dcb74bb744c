// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

// passAt is a pass over an object a number of minutes after the start.
func passAt(obj *v1alpha1.AgentDisconnect, minute float64, phase run.Phase) Seen {
	return Seen{Object: obj, Now: runtest.At(minute).Time, Phase: phase}
}

// inState is an object that is on, in a state.
func inState(state, message string) *v1alpha1.AgentDisconnect {
	obj := &v1alpha1.AgentDisconnect{}
	obj.Status.StartTime, obj.Status.State = runtest.At(0), state
	obj.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionUnknown, Reason: state, Message: message}}
	return obj
}

func TestMessageIsCutBetweenCharacters(t *testing.T) {
	g := NewWithT(t)
	entries := Next(passAt(inState(v1alpha1.StateBlocking, strings.Repeat("é", 300)), 1, run.Active))
	g.Expect(entries).To(HaveLen(1))
	g.Expect(entries[0].Message).To(Equal(strings.Repeat("é", 255) + "…"))
}

func TestAbortHasTheTimeAtWhichItWasDecided(t *testing.T) {
	g := NewWithT(t)
	obj := inState(v1alpha1.StateBlocking, "")
	obj.Status.Timeline = Next(passAt(obj, 1, run.Active))
	obj.Status.State = v1alpha1.StateRestoring
	obj.Status.Abort = &v1alpha1.Abort{Reason: v1alpha1.AbortSubnetLeft, Message: "it was moved", Time: *runtest.At(3)}
	entries := Next(passAt(obj, 4, run.Aborted)) // the pass that decided it was cut off
	g.Expect(entries[1:]).To(Equal([]v1alpha1.TimelineEntry{
		{Time: *runtest.At(3), Type: v1alpha1.TimelineAborted, Reason: v1alpha1.AbortSubnetLeft, Message: "it was moved"},
		{Time: *runtest.At(4), Type: v1alpha1.TimelineState, Reason: v1alpha1.StateRestoring},
	}))
}

func TestRunThatIsOverAddsNothing(t *testing.T) {
	g := NewWithT(t)
	obj := inState(v1alpha1.StateCompleted, "all is well")
	obj.Status.RestoredTime, obj.Status.CompletionTime = runtest.At(10), runtest.At(12)
	obj.Status.Timeline = Next(passAt(obj, 12, run.Expired))
	g.Expect(obj.Status.Timeline).To(Equal([]v1alpha1.TimelineEntry{
		{Time: *runtest.At(12), Type: v1alpha1.TimelineVerdict, Reason: v1alpha1.StateCompleted, Message: "all is well"},
	}))

	verdict := obj.Status.Timeline
	obj.Status.State, obj.Status.DriftRepairs = v1alpha1.StatePlanned, 3
	for _, phase := range []run.Phase{run.Finished, run.Planning, run.Deleting} {
		g.Expect(Next(passAt(obj, 20, phase))).To(Equal(verdict), string(phase))
	}

	obj.Status.Timeline = nil // as an earlier version left it, or a person
	g.Expect(Next(passAt(obj, 20, run.Finished))).To(BeNil())
	g.Expect(Next(passAt(obj, 20, run.Planning))).To(BeNil())
}

func TestClockThatIsPutBackKeepsTheOrder(t *testing.T) {
	g := NewWithT(t)
	obj := inState(v1alpha1.StateInstalling, "")
	obj.Status.Timeline = Next(passAt(obj, 60, run.Active))
	obj.Status.State = v1alpha1.StateBlocking
	entries := Next(passAt(obj, 1, run.Active))
	g.Expect(entries).To(HaveLen(2))
	for i, state := range []string{v1alpha1.StateInstalling, v1alpha1.StateBlocking} {
		g.Expect(entries[i].Reason).To(Equal(state))
		g.Expect(entries[i].Time.Time).To(BeTemporally("==", runtest.At(1).Time))
	}
}

// A run whose agents come and go for hours keeps its beginning, its newest changes, and the rare
// things.
func TestWhatIsFrequentIsThinnedFirst(t *testing.T) {
	g := NewWithT(t)
	obj := inState(v1alpha1.StateBlocking, "")
	obj.Status.DriftRepairs = 1
	for i := range 600 {
		obj.Status.Agents = &v1alpha1.Agents{Total: new(int32(2)), Disconnected: new(int32(i % 2))}
		obj.Status.Timeline = Next(passAt(obj, float64(i), run.Active))
	}
	entries := obj.Status.Timeline
	g.Expect(entries).To(HaveLen(v1alpha1.MaxTimeline))
	g.Expect(history(entries).count(v1alpha1.TimelineAgents)).To(BeEquivalentTo(600))
	g.Expect(history(entries).count(v1alpha1.TimelineRulesRepaired)).To(BeEquivalentTo(1))
	g.Expect(entries[0].Time).To(Equal(*runtest.At(0)))
	g.Expect(entries[len(entries)-1].Time).To(Equal(*runtest.At(599)))
	for i := 1; i < len(entries); i++ {
		g.Expect(entries[i].Time.Sub(entries[i-1].Time.Time)).To(BeNumerically("<=", 20*time.Minute), "what is left out is spread evenly")
	}
}

func TestVerdictThatAPersonWroteDoesNotCloseTheTimeline(t *testing.T) {
	g := NewWithT(t)
	obj := inState(v1alpha1.StateRecovering, "")
	obj.Status.Timeline = []v1alpha1.TimelineEntry{{Time: *runtest.At(999), Type: v1alpha1.TimelineVerdict, Reason: "Nonsense"}}
	obj.Status.Timeline = Next(passAt(obj, 10, run.Expired))
	obj.Status.State, obj.Status.RestoredTime, obj.Status.CompletionTime = v1alpha1.StateCompleted, runtest.At(10), runtest.At(12)
	entries := Next(passAt(obj, 12, run.Expired))
	g.Expect(entries).To(HaveLen(3))
	g.Expect(entries[2].Reason).To(Equal(v1alpha1.StateCompleted))
}
