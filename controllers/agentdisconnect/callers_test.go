// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"encoding/json"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// Two roles that call RunTask.
const (
	batch   = "ASIABATCH"
	nightly = "ASIANIGHTLY"

	batchRole   = "arn:aws:iam::123456789012:role/batch"
	nightlyRole = "arn:aws:iam::123456789012:role/nightly"
)

// verifying has a run look at its callers.
func verifying(obj *v1alpha1.AgentDisconnect) { obj.Spec.Callers = &v1alpha1.Callers{} }

// requiring has the verdict depend on them.
func requiring(obj *v1alpha1.AgentDisconnect) {
	obj.Spec.Callers = &v1alpha1.Callers{Require: v1alpha1.RequireRecovery}
}

// withCallers grants the manager what config/iam has for the look at callers, and adds callers.
func withCallers(o *sim.Options) {
	bindPolicies(o)
	documents, err := policies.For(o.World, policies.Values{}, policies.Callers)
	Expect(err).NotTo(HaveOccurred())
	for i := range o.World.AccessKeys {
		o.World.AccessKeys[i].Policies = append(o.World.AccessKeys[i].Policies, documents...)
	}

	all := []json.RawMessage{json.RawMessage(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)}
	o.World.AccessKeys = append(o.World.AccessKeys,
		simworld.AccessKey{ID: batch, Secret: "x", Role: batchRole, Session: "pod-1", Account: o.World.Account, Policies: all},
		simworld.AccessKey{ID: nightly, Secret: "x", Role: nightlyRole, Session: "run-7", Account: o.World.Account, Policies: all})
	o.World.Trail = simworld.Trail{Delay: "2m", Jitter: "10m", Duplicates: "20%"}
}

// newCallerWorld is a world with callers, whose CloudTrail goes by its clock.
func newCallerWorld(ctx context.Context, change ...func(*sim.Options)) *world {
	clock := clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
	options := append([]func(*sim.Options){withCallers, func(o *sim.Options) { o.Clock = clock }}, change...)
	return newWorldAt(ctx, clock, options...)
}

// calls has a caller run a task in the subnet, and reports how many started.
func (w *world) calls(ctx context.Context, caller string) int {
	GinkgoHelper()
	out, err := ecs.NewFromConfig(w.sim.ConfigFor(caller)).RunTask(ctx, &ecs.RunTaskInput{
		Cluster: awssdk.String(clusterName), TaskDefinition: awssdk.String("demo"), LaunchType: types.LaunchTypeEc2,
		PlacementConstraints: []types.PlacementConstraint{{Type: types.PlacementConstraintTypeMemberOf, Expression: awssdk.String("attribute:ecs.subnet-id == " + subnetID)}},
	})
	Expect(err).NotTo(HaveOccurred())
	if len(out.Tasks) == 0 {
		Expect(out.Failures).To(ContainElement(HaveField("Reason", HaveValue(Equal("AGENT")))))
	}
	return len(out.Tasks)
}

// withoutAgents is a run whose agents are disconnected, 2 minutes before its end.
func (w *world) withoutAgents(ctx context.Context, change ...func(*v1alpha1.AgentDisconnect)) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	obj := w.blocking(ctx, change...)
	w.setAgents(false)
	w.run(ctx, w.get(ctx, obj).Status.ExpirationTime.Sub(w.clock.Now())-2*time.Minute, obj)
	return obj
}

// verified takes a run whose agents are disconnected to where it looks at its callers.
func (w *world) verified(ctx context.Context, obj *v1alpha1.AgentDisconnect) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	w.expired(ctx, obj)
	w.setAgents(true)
	w.run(ctx, 2*time.Minute, obj)
	seen := w.get(ctx, obj)
	Expect(seen.Status.State).To(Equal(v1alpha1.StateVerifying), describe(seen))
	Expect(seen.Status.RecoveredTime).NotTo(BeNil())
	Expect(condition(seen, v1alpha1.ConditionCallersRecovered)).To(And(HaveField("Status", metav1.ConditionUnknown), HaveField("Reason", v1alpha1.StateVerifying)))
	Expect(condition(seen, v1alpha1.ConditionReconciling).Status).To(Equal(metav1.ConditionTrue))
	return seen
}

// lookups counts the calls of LookupEvents.
func (w *world) lookups() int {
	n := 0
	for _, c := range w.sim.Calls() {
		if c.Name() == "cloudtrail:LookupEvents" {
			n++
		}
	}
	return n
}

var _ = Describe("Callers", func() {
	It("that recover, and that give up, are told apart from what CloudTrail shows late", func(ctx context.Context) {
		w := newCallerWorld(ctx)
		obj := w.withoutAgents(ctx, verifying)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionCallersRecovered).Reason).To(Equal("NotRead"))
		Expect(w.calls(ctx, batch)).To(BeZero())
		w.clock.Step(time.Second)
		Expect(w.calls(ctx, nightly)).To(BeZero())
		before := w.lookups()
		seen := w.verified(ctx, obj)
		w.expectRestored()
		Expect(seen.Status.CompletionTime).To(BeNil())
		Expect(w.calls(ctx, batch)).To(Equal(1), "the agents are back")
		Expect(seen.Status.Agents.ReconnectedTime).NotTo(BeNil())

		w.run(ctx, 40*time.Minute, obj)
		seen = w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
		Expect(seen.Status.CompletionTime.Sub(seen.Status.RecoveredTime.Time)).To(BeNumerically("<=", 30*time.Minute))
		Expect(condition(seen, v1alpha1.ConditionCallersRecovered)).To(And(HaveField("Status", metav1.ConditionFalse),
			HaveField("Reason", v1alpha1.StateCallersDidNotRecover), HaveField("Message", ContainSubstring(nightlyRole+" for family demo"))))
		callers := seen.Status.Callers
		Expect([]int32{callers.Calls, callers.MetCalls, callers.Met, callers.Recovered, callers.NotRecovered, callers.NotKnown}).To(Equal([]int32{2, 2, 2, 1, 1, 0}))
		Expect(callers.Callers).To(HaveExactElements(
			And(HaveField("Principal", nightlyRole), HaveField("Family", "demo"), HaveField("Outcome", v1alpha1.CallerNotRecovered), HaveField("RecoveredTime", BeNil())),
			And(HaveField("Principal", batchRole), HaveField("Outcome", v1alpha1.CallerRecovered), HaveField("StartedTasks", BeEquivalentTo(1)))))
		Expect(seen.Finalizers).To(BeEmpty())
		minutes := seen.Status.CompletionTime.Sub(seen.Status.RecoveredTime.Time).Minutes()
		Expect(float64(w.lookups()-before)).To(BeNumerically("<=", 2*(minutes+2)), "two names a minute")
	})

	It("are judged as soon as CloudTrail shows all by the manager's setting at the start, which is said", func(ctx context.Context) {
		w := newCallerWorld(ctx, func(o *sim.Options) { o.World.Trail = simworld.Trail{Delay: "20s", Jitter: "10s", Duplicates: "20%"} })
		usual := w.options.CloudTrailDelay
		w.options.CloudTrailDelay = 30 * time.Second
		w.restart()
		obj := w.withoutAgents(ctx, verifying)
		Expect(w.calls(ctx, batch)).To(BeZero())
		Expect(w.calls(ctx, nightly)).To(BeZero())
		w.options.CloudTrailDelay = usual
		w.restart()
		w.verified(ctx, obj)
		Expect(w.calls(ctx, batch)).To(Equal(1))

		w.run(ctx, 10*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.State).To(Equal(v1alpha1.StateCompleted), describe(seen))
		Expect(seen.Status.StartedWith.CloudTrailDelay).To(Equal(&metav1.Duration{Duration: 30 * time.Second}))
		Expect(seen.Status.CompletionTime.Sub(seen.Status.Agents.ReconnectedTime.Time)).To(BeNumerically("~", 10*time.Minute+35*time.Second, 10*time.Second))
		Expect(seen.Status.Callers.ObservedTime.Sub(seen.Status.Callers.CompleteUntil.Time)).To(Equal(30 * time.Second))
		Expect([]int32{seen.Status.Callers.Recovered, seen.Status.Callers.NotRecovered}).To(Equal([]int32{1, 1}))
		Expect(condition(seen, v1alpha1.ConditionCallersRecovered).Message).To(ContainSubstring("CloudTrail is taken to be 30s late at most (--cloudtrail-delay)"))
	})

	It("let a run succeed that requires their recovery, once all have recovered", func(ctx context.Context) {
		w := newCallerWorld(ctx)
		obj := w.withoutAgents(ctx, requiring)
		Expect(w.calls(ctx, batch)).To(BeZero())
		w.verified(ctx, obj)
		Expect(w.calls(ctx, batch)).To(Equal(1))
		w.run(ctx, 40*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded)).To(And(HaveField("Reason", v1alpha1.StateCompleted),
			HaveField("Message", ContainSubstring("1 caller met AGENT, and 1 recovered within 10m0s"))), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionCallersRecovered)).To(And(HaveField("Status", metav1.ConditionTrue), HaveField("Reason", "AllRecovered")))
	})

	It("fail a run that requires their recovery when one does not recover, also with another manager", func(ctx context.Context) {
		w := newCallerWorld(ctx)
		obj := w.withoutAgents(ctx, requiring)
		Expect(w.calls(ctx, batch)).To(BeZero())
		w.verified(ctx, obj)
		w.run(ctx, 12*time.Minute, obj)
		w.restart()
		w.run(ctx, 30*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded)).To(And(HaveField("Status", metav1.ConditionFalse),
			HaveField("Reason", v1alpha1.StateCallersDidNotRecover), HaveField("Message", ContainSubstring(batchRole))), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.StateCallersDidNotRecover))
	})

	DescribeTable("that met nothing prove nothing", func(ctx context.Context, change func(*v1alpha1.AgentDisconnect), state string) {
		w := newCallerWorld(ctx)
		obj := w.withoutAgents(ctx, change)
		w.verified(ctx, obj)
		Expect(w.calls(ctx, batch)).To(Equal(1))
		w.run(ctx, 40*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.State).To(Equal(state), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionCallersRecovered)).To(And(HaveField("Status", metav1.ConditionUnknown), HaveField("Reason", "NoCallerMet")))
	},
		Entry("which is reported", verifying, v1alpha1.StateCompleted),
		Entry("which fails a run that requires recovery", requiring, v1alpha1.StateNoCallerMetAgent),
	)

	DescribeTable("are not known where CloudTrail is denied after the start", func(ctx context.Context, change func(*v1alpha1.AgentDisconnect), state string) {
		w := newCallerWorld(ctx)
		obj := w.withoutAgents(ctx, change)
		Expect(w.calls(ctx, batch)).To(BeZero())
		w.sim.Faults().Add(faults.Fault{Action: "cloudtrail:LookupEvents", Denied: true})
		w.verified(ctx, obj)
		w.run(ctx, 40*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.State).To(Equal(state), describe(seen))
		Expect(seen.Status.CompletionTime.Sub(seen.Status.RecoveredTime.Time)).To(BeNumerically("~", 35*time.Minute, time.Minute))
		Expect(condition(seen, v1alpha1.ConditionCallersRecovered)).To(And(HaveField("Status", metav1.ConditionUnknown),
			HaveField("Reason", "NotKnown"), HaveField("Message", ContainSubstring("cloudtrail:LookupEvents"))), describe(seen))
		Expect(seen.Status.Callers.ObservedTime).To(BeNil())
	},
		Entry("which is reported", verifying, v1alpha1.StateCompleted),
		Entry("which fails a run that requires recovery", requiring, v1alpha1.StateCallersNotObserved),
	)

	It("are not waited for when the object is deleted", func(ctx context.Context) {
		w := newCallerWorld(ctx)
		obj := w.withoutAgents(ctx, verifying)
		w.verified(ctx, obj)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
	})

	It("of a run that was aborted are looked at too, and the abort stays the verdict", func(ctx context.Context) {
		w := newCallerWorld(ctx)
		obj := w.withoutAgents(ctx, requiring, func(o *v1alpha1.AgentDisconnect) { o.Spec.OnDrift = v1alpha1.OnDriftAbort })
		Expect(w.calls(ctx, batch)).To(BeZero())
		for number := range w.denies(aclID) {
			Expect(w.sim.Region().DeleteNetworkACLEntry(aclID, number, true)).To(Succeed())
		}
		w.run(ctx, time.Minute, obj)
		w.setAgents(true)
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateVerifying), describe(w.get(ctx, obj)))
		w.run(ctx, 40*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.State).To(Equal(v1alpha1.AbortDriftDetected), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionCallersRecovered).Reason).To(Equal(v1alpha1.StateCallersDidNotRecover))
	})

	It("of two runs cost as many calls as those of one, and hold up no third", func(ctx context.Context) {
		w := newCallerWorld(ctx)
		obj := w.withoutAgents(ctx, verifying)
		w.verified(ctx, obj)
		second := w.create(ctx, verifying, within(2*time.Minute))
		w.run(ctx, 20*time.Second, obj, second)
		Expect(w.state(ctx, second)).To(Equal(v1alpha1.StateBlocking), "the first only looks at its callers")
		w.run(ctx, 4*time.Minute, obj, second)
		Expect(w.state(ctx, second)).To(Equal(v1alpha1.StateVerifying), describe(w.get(ctx, second)))
		before := w.lookups()
		w.run(ctx, 10*time.Minute, obj, second)
		Expect(w.lookups()-before).To(BeNumerically("<=", 2*12), "two names a minute")
	})

	It("are refused before the start where CloudTrail is denied, also by a plan", func(ctx context.Context) {
		w := newCallerWorld(ctx)
		w.sim.Faults().Add(faults.Fault{Action: "cloudtrail:LookupEvents", Denied: true})
		obj := w.create(ctx, verifying)
		plan := w.create(ctx, verifying, func(o *v1alpha1.AgentDisconnect) { o.Spec.Mode = v1alpha1.ModePlan })
		w.run(ctx, 20*time.Second, obj, plan)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionStalled)).To(And(HaveField("Reason", v1alpha1.ReasonAccessDenied), HaveField("Message", ContainSubstring("cloudtrail:LookupEvents"))), describe(seen))
		Expect(seen.Status.StartTime).To(BeNil())
		Expect(w.get(ctx, plan).Status.Plan.Refusals).To(ContainElement(HaveField("Reason", v1alpha1.ReasonAccessDenied)))
	})
})
