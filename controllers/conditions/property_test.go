// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

// drawFacts draws a pass over an object that may be in any state, those that people's edits make
// included.
func drawFacts(t *rapid.T) Input {
	obj := runtest.DrawObject(t)
	obj.Generation = 3
	f := Input{Object: obj, Now: runtest.Start.Add(time.Duration(rapid.IntRange(-40, 40).Draw(t, "minute")) * time.Minute)}
	f.Phase, _ = run.PhaseAt(obj, f.Now)
	if rapid.Bool().Draw(t, "known") {
		rapid.SampledFrom([]happened{discovered, named}).Draw(t, "endpoints")(&f)
	}
	if rapid.Bool().Draw(t, "counted") {
		obj.Status.Agents = &v1alpha1.Agents{}
		for i := range rapid.IntRange(0, 6).Draw(t, "agents") {
			instance := v1alpha1.ContainerInstance{ARN: strings.Repeat("x", 400) + fmt.Sprint(i)}
			maybe := func(name string) *bool {
				return rapid.SampledFrom([]*bool{nil, new(true), new(false)}).Draw(t, name)
			}
			instance.Connected, instance.Gone = maybe("connected"), maybe("gone")
			if rapid.Bool().Draw(t, "was disconnected") {
				instance.DisconnectedTime = at(3)
			}
			obj.Status.Agents.ContainerInstances = append(obj.Status.Agents.ContainerInstances, instance)
		}
		run.CountAgents(obj.Status.Agents)
	}
	f.Problem = rapid.SampledFrom([]*problem.Problem{nil, aPerson, theWeight, problem.Refuse(v1alpha1.ReasonHostNotResolved, "%s", strings.Repeat("y", 400))}).Draw(t, "trouble")
	drawLook := func(name string) run.Look {
		return run.LookedAt(rapid.SampledFrom([]time.Time{{}, f.Now, f.Now.Add(-time.Minute)}).Draw(t, name), 0)
	}
	f.ACLSeen, f.AgentsSeen, f.HostsSeen, f.EndpointsSeen = drawLook("ACL read"), drawLook("polled"), drawLook("looked up"), drawLook("VPC endpoints")
	f.Open = rapid.SliceOfN(rapid.Just("192.0.2.1/32"), 0, 5).Draw(t, "open")
	f.Unsettled = rapid.SliceOfN(rapid.Just(strings.Repeat("z", 253)), 0, 5).Draw(t, "unsettled")
	f.PathMismatch = rapid.SampledFrom([]string{"", strings.Repeat("m", 400)}).Draw(t, "mismatch")
	f.Own, f.Foreign = rapid.IntRange(0, 2).Draw(t, "own"), rapid.IntRange(0, 2).Draw(t, "foreign")
	f.Elsewhere = rapid.SampledFrom([]string{"", strings.Repeat("e", 200)}).Draw(t, "elsewhere")
	f.Suspected = rapid.SliceOfN(rapid.Just(strings.Repeat("s", 200)), 0, 5).Draw(t, "suspected")
	f.Failing = rapid.SliceOfN(rapid.Just(strings.Repeat("f", 300)), 0, 5).Draw(t, "failing")
	f.Unasked = rapid.SliceOfN(rapid.Just(strings.Repeat("x", 400)), 0, 5).Draw(t, "unasked")
	if rapid.Bool().Draw(t, "in force") {
		f.EnforcedSince = runtest.Start
	}
	f.PrivateInSubnet = rapid.SliceOfN(rapid.Just("eni-1 of vpce-1"), 0, 5).Draw(t, "private at home")
	return f
}

var reasonPattern = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`)

func TestConditionsAreWholeAndBoundedWhateverTheFacts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		f := drawFacts(t)
		if f.Phase == run.Finished && f.Object.Status.Plan == nil {
			t.Skip("nothing is computed")
		}
		Set(f)
		conditions := f.Object.Status.Conditions
		for _, always := range []string{
			v1alpha1.ConditionSucceeded, v1alpha1.ConditionEndpointsDiscovered, v1alpha1.ConditionRulesInstalled, v1alpha1.ConditionAgentsDisconnected,
		} {
			g.Expect(meta.FindStatusCondition(conditions, always)).NotTo(BeNil(), always)
		}
		for _, c := range conditions {
			g.Expect(c.Reason).To(MatchRegexp(reasonPattern.String()), c.Type)
			g.Expect(c.Message).NotTo(BeEmpty(), c.Type)
			g.Expect(len(c.Message)).To(BeNumerically("<", 4096), c.Type)
			g.Expect(c.Message).NotTo(ContainSubstring("%!"), c.Type)
			g.Expect(c.ObservedGeneration).To(BeEquivalentTo(3), c.Type)
			g.Expect(c.LastTransitionTime.Nanosecond()).To(BeZero(), c.Type)
		}
		succeeded := meta.FindStatusCondition(conditions, v1alpha1.ConditionSucceeded)
		reconciling := meta.FindStatusCondition(conditions, v1alpha1.ConditionReconciling)
		stalled := meta.FindStatusCondition(conditions, v1alpha1.ConditionStalled)
		g.Expect(reconciling != nil && stalled != nil).To(BeFalse(), "in progress and failed at once")
		for _, c := range []*metav1.Condition{reconciling, stalled} {
			g.Expect(c == nil || c.Status == metav1.ConditionTrue).To(BeTrue(), "there only while true")
		}
		if succeeded.Status == metav1.ConditionFalse {
			g.Expect(stalled).NotTo(BeNil(), "a failed run is stalled")
		}
		if succeeded.Status == metav1.ConditionTrue {
			g.Expect(stalled).To(BeNil())
		}
		switch {
		case f.Phase == run.Planning:
			expected := metav1.ConditionUnknown
			switch succeeded.Reason {
			case v1alpha1.StatePlanned:
				expected = metav1.ConditionTrue
			case v1alpha1.StatePlanRefused:
				expected = metav1.ConditionFalse
			}
			g.Expect(succeeded.Status).To(Equal(expected), "a plan says nothing of a run")
		case succeeded.Status != metav1.ConditionUnknown:
			g.Expect(f.Object.Status.CompletionTime).NotTo(BeNil(), "terminal only when it is over")
			g.Expect(run.IsRestored(&f.Object.Status)).To(BeTrue(), "terminal only when nothing is left")
			g.Expect(run.HasTasksLeft(&f.Object.Status)).To(BeFalse(), "terminal only when no task is left")
		}
		if meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionRulesInstalled) {
			g.Expect(f.Phase).To(Equal(run.Active), "only while the run is on")
			g.Expect(f.ACLSeen.Fresh(f.Now) && f.Own > 0 && f.Elsewhere == "" && len(f.Open) == 0).To(BeTrue(), "only what was read back")
			acl := f.Object.Status.NetworkACL
			g.Expect(acl == nil || acl.Mode == v1alpha1.NetworkACLModeInPlace || acl.State == v1alpha1.CloneServing).To(BeTrue(), "only where it acts on the subnet")
		}
		if succeeded.Status != metav1.ConditionUnknown {
			g.Expect(meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionAgentsDisconnected)).To(BeFalse(), "nothing is disconnected by a run that is over")
		}
		if meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionAgentsDisconnected) {
			g.Expect(f.AgentsSeen.Fresh(f.Now)).To(BeTrue(), "ECS was not asked lately")
			g.Expect(f.Phase != run.Active || f.ACLSeen.Fresh(f.Now) && !f.EnforcedSince.IsZero()).To(BeTrue(), "only by rules of the run")
		}
		if f.Phase == run.Active {
			byRules := run.DisconnectedByRules(&f.Object.Status, f.ACLSeen, f.AgentsSeen, f.EnforcedSince, f.Now)
			g.Expect(meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionAgentsDisconnected)).To(Equal(byRules), "RunTask is called while it is True")
		}
		if succeeded.Reason == v1alpha1.StateCompleted && run.HasProbe(&f.Object.Status) && !run.IsTelemetryRun(&f.Object.Status) {
			g.Expect(run.AgentFailureSeen(&f.Object.Status)).To(BeTrue(), "a probe has to see AGENT")
		}
		if succeeded.Reason == v1alpha1.StateSuspended && f.Object.Status.StartTime != nil {
			g.Expect(run.IsLifted(&f.Object.Status)).To(BeTrue(), "suspended only when the rules are lifted")
		}
	})
}

func TestConditionsDependOnTheFactsAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		f := drawFacts(t)
		other := f
		other.Object = f.Object.DeepCopy()
		if agents := other.Object.Status.Agents; agents != nil {
			random := rand.New(rand.NewPCG(1, uint64(rapid.IntRange(0, 1000).Draw(t, "order"))))
			random.Shuffle(len(agents.ContainerInstances), func(i, j int) {
				c := agents.ContainerInstances
				c[i], c[j] = c[j], c[i]
			})
		}
		Set(f)
		Set(other)
		g.Expect(other.Object.Status.Conditions).To(Equal(f.Object.Status.Conditions), "whatever the order of the agents")
		again := slices.Clone(f.Object.Status.Conditions)
		Set(f)
		g.Expect(f.Object.Status.Conditions).To(Equal(again), "a second time")
	})
}
