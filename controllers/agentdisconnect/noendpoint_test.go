// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// names has ECS name these endpoints to every container instance.
func names(change func(*simworld.Endpoints)) func(*sim.Options) {
	return func(o *sim.Options) {
		o.World = simworld.Default()
		change(&o.World.Endpoints)
	}
}

var (
	noTCS = names(func(e *simworld.Endpoints) { e.TCS = "" })
	noACS = names(func(e *simworld.Endpoints) { e.ACS = "" })
)

var _ = Describe("An agent to which ECS names no endpoint of one session", func() {
	DescribeTable("has the other session denied", func(ctx context.Context, endpoints func(*sim.Options), sessions []v1alpha1.Session, numbers []int, noted bool) {
		w := newWorld(ctx, endpoints)
		const note = "ECS names no TCS endpoint for 2 container instances"
		plan := w.planned(ctx, only(sessions...))
		if noted {
			Expect(plan.Status.Plan.Notes).To(ContainElement(HavePrefix(note)))
		} else {
			Expect(plan.Status.Plan.Notes).NotTo(ContainElement(ContainSubstring("names no")))
		}

		obj := w.blocking(ctx, only(sessions...))
		Expect(w.sessionNumbers(aclID)).To(Equal(numbers))
		if noted {
			Expect(w.told("Warning TargetNote")).To(ContainElement(ContainSubstring(note)))
		}
		w.discard(ctx, obj)
	},
		Entry("no TCS, ACS alone is denied", noTCS, []v1alpha1.Session{v1alpha1.SessionACS}, []int{80, 81, 82}, false),
		Entry("no TCS, both are denied", noTCS, []v1alpha1.Session{v1alpha1.SessionACS, v1alpha1.SessionTCS}, []int{80, 81, 82}, true),
		Entry("no TCS, no session is named", noTCS, nil, []int{80, 81, 82}, true),
		Entry("no ACS, TCS alone is denied", noACS, []v1alpha1.Session{v1alpha1.SessionTCS}, []int{90, 91, 92}, false),
	)

	DescribeTable("keeps a run from beginning that needs it", func(ctx context.Context, b badInput) { b.check(ctx) },
		Entry("no TCS, TCS alone is denied", badInput{
			simulator: noTCS, object: only(v1alpha1.SessionTCS),
			reason: v1alpha1.ReasonInvalidEndpoint, message: invalid("", v1alpha1.SessionTCS, "it is empty"),
		}),
		Entry("no ACS, both are denied", badInput{
			simulator: noACS,
			reason:    v1alpha1.ReasonInvalidEndpoint, message: invalid("", v1alpha1.SessionACS, "it is empty"),
		}),
	)

	It("is judged anew when the spec names other sessions", func(ctx context.Context) {
		w := newWorld(ctx, noTCS)
		later := w.clock.Now().Add(5 * time.Minute)
		obj := w.create(ctx, only(v1alpha1.SessionACS), startingAfter(later))
		w.run(ctx, 30*time.Second, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateWaiting), describe(w.get(ctx, obj)))

		w.edit(ctx, obj, only(v1alpha1.SessionTCS))
		w.run(ctx, 30*time.Second, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled)).To(HaveField("Reason", v1alpha1.ReasonInvalidEndpoint), describe(w.get(ctx, obj)))
	})
})
