// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
)

// lasting gives a run another duration.
func lasting(d time.Duration) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Duration = metav1.Duration{Duration: d} }
}

// edit changes the spec of an object as kubectl edit does.
func (w *world) edit(ctx context.Context, obj *v1alpha1.AgentDisconnect, change func(*v1alpha1.AgentDisconnect)) {
	GinkgoHelper()
	fresh := w.get(ctx, obj)
	change(fresh)
	Expect(kube.Update(ctx, fresh)).To(Succeed())
}

var _ = DescribeTable("A duration of", func(ctx context.Context, d time.Duration, short bool) {
	w := newWorld(ctx)
	obj := w.blocking(ctx, lasting(d))
	warning := "a run of less than 5 minutes proves little, since agents take 1 to 4 minutes to notice"
	message := condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message
	told := w.told("Warning")
	if short {
		Expect(message).To(HaveSuffix("; " + warning))
		Expect(told).To(Equal([]string{"Warning ShortDuration " + warning}))
	} else {
		Expect(message).NotTo(ContainSubstring("proves little"))
		Expect(told).To(BeEmpty())
	}
	w.discard(ctx, obj)
},
	Entry("1 minute warns", time.Minute, true),
	Entry("a second less than 5 minutes warns", 5*time.Minute-time.Second, true),
	Entry("5 minutes does not", 5*time.Minute, false),
	Entry("12 hours does not", 12*time.Hour, false),
)

var _ = DescribeTable("While a run is on a change of", func(ctx context.Context, field string, before, change func(*v1alpha1.AgentDisconnect)) {
	w := newWorld(ctx)
	obj := w.blocking(ctx, before)
	denies, writes := w.denies(aclID), len(w.writes())
	w.edit(ctx, obj, change)
	w.run(ctx, time.Minute, obj)

	By("having no effect, and saying so")
	seen := w.get(ctx, obj)
	Expect(w.denies(aclID)).To(Equal(denies))
	Expect(w.writes()).To(HaveLen(writes))
	Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), "%s", describe(seen))
	Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(HaveSuffix("; changed after the start and without effect on this run: " + field))
	Expect(seen.Status.ObservedGeneration).To(Equal(seen.Generation))

	By("saying nothing once it is taken back")
	w.edit(ctx, obj, func(o *v1alpha1.AgentDisconnect) { o.Spec = *obj.Spec.DeepCopy() })
	w.run(ctx, time.Second, obj)
	Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).NotTo(ContainSubstring("without effect"))

	By("keeping nothing from being given back")
	w.edit(ctx, obj, change)
	expires := w.get(ctx, obj).Status.ExpirationTime.Time
	w.run(ctx, expires.Sub(w.clock.Now()), obj)
	w.expectRestored()
},
	Entry("sessions, to one of them", "sessions", lasting(5*time.Minute), func(o *v1alpha1.AgentDisconnect) { o.Spec.Sessions = []v1alpha1.Session{v1alpha1.SessionTCS} }),
	Entry("networkACLMode, to InPlace", "networkACLMode", lasting(5*time.Minute), func(o *v1alpha1.AgentDisconnect) { o.Spec.NetworkACLMode = v1alpha1.NetworkACLModeInPlace }),
	Entry("networkACLMode, to none", "networkACLMode", func(o *v1alpha1.AgentDisconnect) {
		lasting(5 * time.Minute)(o)
		o.Spec.NetworkACLMode = v1alpha1.NetworkACLModeInPlace
	}, func(o *v1alpha1.AgentDisconnect) { o.Spec.NetworkACLMode = "" }),
	Entry("additionalEndpoints, with a host that doesn't exist", "additionalEndpoints", lasting(5*time.Minute), withEndpoints([]string{"missing.example.com"})),
	Entry("additionalEndpoints, with a range", "additionalEndpoints", lasting(5*time.Minute), withEndpoints(nil, "198.51.100.0/24")),
	Entry("additionalEndpoints, to none, though a range of it is denied", "additionalEndpoints", func(o *v1alpha1.AgentDisconnect) {
		lasting(5 * time.Minute)(o)
		withEndpoints(nil, "198.51.100.0/24", "203.0.113.0/24")(o)
	}, func(o *v1alpha1.AgentDisconnect) { o.Spec.AdditionalEndpoints = nil }),
	Entry("all of them", "sessions, networkACLMode, additionalEndpoints", lasting(5*time.Minute), func(o *v1alpha1.AgentDisconnect) {
		o.Spec.Sessions = []v1alpha1.Session{v1alpha1.SessionACS}
		o.Spec.NetworkACLMode = v1alpha1.NetworkACLModeInPlace
		withEndpoints([]string{"missing.example.com"}, "198.51.100.0/24")(o)
	}),
)

var _ = Describe("A change of the spec that changes nothing", func() {
	It("is not called a change", func(ctx context.Context) {
		w := newWorld(ctx)
		w.sim.SetHost(agents.ACS, "a.example.com", netip.MustParseAddr("192.0.2.6"))
		w.sim.SetHost(agents.ACS, "b.example.com", netip.MustParseAddr("192.0.2.7"))
		obj := w.blocking(ctx, withEndpoints([]string{"a.example.com", "b.example.com"}, "203.0.113.0/24", "198.51.100.0/24"))
		w.edit(ctx, obj, func(o *v1alpha1.AgentDisconnect) {
			o.Spec.Sessions = []v1alpha1.Session{v1alpha1.SessionTCS, v1alpha1.SessionACS} // unset means both
			withEndpoints([]string{"b.example.com", "a.example.com"}, "198.51.100.0/24", "203.0.113.0/24")(o)
		})
		w.run(ctx, time.Second, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).NotTo(ContainSubstring("without effect"))
		w.discard(ctx, obj)
	})

	It("before the run begins is simply followed", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.create(ctx, withEndpoints([]string{"missing.example.com"}, "198.51.100.0/24"), lasting(time.Hour))
		w.run(ctx, time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRefused))
		w.edit(ctx, obj, func(o *v1alpha1.AgentDisconnect) {
			o.Spec.Sessions = []v1alpha1.Session{v1alpha1.SessionACS}
			withEndpoints(nil, "203.0.113.0/24")(o)
			lasting(10 * time.Minute)(o)
		})
		w.run(ctx, 45*time.Second, obj)
		Expect(w.denies(aclID)).To(Equal(map[int]string{80: "52.119.219.115/32", 81: "52.119.220.39/32", 82: "52.119.223.69/32", 99: "203.0.113.0/24"}))
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).NotTo(ContainSubstring("without effect"))
		Expect(seen.Status.ExpirationTime.Sub(seen.Status.StartTime.Time)).To(Equal(10 * time.Minute))
		w.discard(ctx, obj)
	})
})

var _ = Describe("A duration that is changed while the run is on", func() {
	It("moves the end, counted from the start", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		start := w.get(ctx, obj).Status.StartTime.Time
		expectEnd := func(d time.Duration) {
			GinkgoHelper()
			w.edit(ctx, obj, lasting(d))
			w.run(ctx, time.Second, obj)
			Expect(w.get(ctx, obj).Status.ExpirationTime.Time).To(BeTemporally("==", start.Add(d)))
		}
		expectEnd(20 * time.Minute)
		w.run(ctx, 12*time.Minute, obj)
		Expect(w.denies(aclID)).To(HaveLen(6), "the first duration is over, the second is not")
		expectEnd(15 * time.Minute)
		w.run(ctx, start.Add(15*time.Minute).Sub(w.clock.Now())-time.Millisecond, obj)
		Expect(w.denies(aclID)).To(HaveLen(6))
		w.run(ctx, time.Millisecond, obj)
		w.expectRestored()

		By("not beginning anew once it is over")
		w.edit(ctx, obj, lasting(time.Hour))
		w.run(ctx, time.Minute, obj)
		w.expectRestored()
		Expect(w.get(ctx, obj).Status.ExpirationTime.Time).To(BeTemporally("==", start.Add(15*time.Minute)))
	})

	It("to one that is already past ends the run at once", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		w.run(ctx, 3*time.Minute, obj)
		w.edit(ctx, obj, lasting(2*time.Minute))
		w.run(ctx, time.Millisecond, obj)
		w.expectRestored()
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateRecovering), "%s", describe(seen))
		Expect(seen.Status.ExpirationTime.Time).To(BeTemporally("==", seen.Status.StartTime.Add(2*time.Minute)))
	})

	It("to one that was over before the manager came back still ends the run at once", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		w.clock.Step(4 * time.Minute)
		w.edit(ctx, obj, lasting(2*time.Minute))
		w.restart()
		w.run(ctx, time.Millisecond, obj)
		w.expectRestored()
	})
})
