// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

var _ = Describe("A run", func() {
	It("denies the agents' addresses, sees them disconnect, and gives everything back", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)

		By("having the six addresses denied, and saying so")
		Expect(w.denies(aclID)).To(Equal(map[int]string{
			80: "52.119.219.115/32", 81: "52.119.220.39/32", 82: "52.119.223.69/32",
			90: "52.119.219.118/32", 91: "52.119.221.107/32", 92: "52.119.223.82/32",
		}))
		seen := w.get(ctx, obj)
		Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
		Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionTrue))
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Status).To(Equal(metav1.ConditionFalse))
		Expect(*seen.Status.Agents.Total).To(BeEquivalentTo(2))

		By("believing ECS after two polls that the agents are gone")
		w.setAgents(false)
		w.run(ctx, 31*time.Second, obj)
		seen = w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Status).To(Equal(metav1.ConditionTrue), describe(seen))
		Expect(*seen.Status.Agents.Disconnected).To(BeEquivalentTo(2))

		By("removing the rules at expiry, to the second")
		expires := seen.Status.ExpirationTime.Time
		w.run(ctx, expires.Sub(w.clock.Now())-time.Millisecond, obj)
		Expect(w.denies(aclID)).To(HaveLen(6))
		w.run(ctx, time.Millisecond, obj)
		w.expectRestored()
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRecovering))

		By("waiting for the agents, then being over")
		w.setAgents(true)
		w.run(ctx, time.Minute, obj)
		seen = w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Status).To(Equal(metav1.ConditionTrue), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted))
		Expect(seen.Finalizers).To(BeEmpty())
	})
})
