// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

var _ = Describe("Two runs that share what they read", func() {
	// both are a run in place and one on a clone, whose looks are due at different times at first.
	both := func(ctx context.Context, apart time.Duration) (w *world, first, second *v1alpha1.AgentDisconnect) {
		w, _ = audited(ctx)
		w.consenting()
		w.evict(otherARN, sharedSubnet)
		first = w.settled(ctx)
		w.run(ctx, apart, first)
		second = w.settled(ctx, withSubnet(sharedSubnet))
		w.run(ctx, 2*time.Minute, first, second)
		return w, first, second
	}

	for _, apart := range []time.Duration{time.Second, 7 * time.Second, 14 * time.Second} {
		It(fmt.Sprintf("make hardly more calls than one, begun %s apart", apart), func(ctx context.Context) {
			w, first, second := both(ctx, apart)
			calls := func(minutes int, objects ...*v1alpha1.AgentDisconnect) map[string]int {
				before := len(w.sim.Calls())
				w.run(ctx, time.Duration(minutes)*time.Minute, objects...)
				made := map[string]int{}
				for _, call := range w.sim.Calls()[before:] {
					made[call.Name()]++
				}
				return made
			}
			together := calls(10, first, second)
			Expect(together["ecs:DescribeContainerInstances"]).To(BeNumerically("<=", 42), "every 15 seconds, for both")
			Expect(together["ec2:DescribeNetworkAcls"]).To(BeNumerically("<=", 22), "every 30 seconds, for both")
			Expect(together["ec2:DescribeSubnets"]).To(BeNumerically("<=", 22))
			Expect(together["ecs:ListContainerInstances"]).To(BeNumerically("<=", 22+11), "and every minute those of the other cluster")
			Expect(together["ecs:ListClusters"]).To(BeNumerically("<=", 11))
			for _, obj := range []*v1alpha1.AgentDisconnect{first, second} {
				seen := w.get(ctx, obj)
				Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(seen))
				Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Status).To(BeEquivalentTo("True"), describe(seen))
				Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Status).To(BeEquivalentTo("False"), describe(seen))
			}
		})

		It(fmt.Sprintf("see what happens to each, begun %s apart", apart), func(ctx context.Context) {
			w, first, second := both(ctx, apart)
			w.revoke(sharedSubnet)
			w.run(ctx, 70*time.Second, first, second)
			Expect(w.get(ctx, second).Status.Abort).To(HaveField("Reason", v1alpha1.AbortConsentWithdrawn), describe(w.get(ctx, second)))
			Expect(w.state(ctx, first)).To(Equal(v1alpha1.StateBlocking))
			Expect(w.denies(aclID)).To(HaveLen(6))

			Expect(w.sim.Region().DeleteNetworkACLEntry(aclID, 80, true)).To(Succeed())
			w.run(ctx, 70*time.Second, first, second)
			Expect(w.denies(aclID)).To(HaveLen(6), "it was repaired: %s", describe(w.get(ctx, first)))
			w.setAgents(false)
			w.run(ctx, time.Minute, first, second)
			Expect(condition(w.get(ctx, first), v1alpha1.ConditionAgentsDisconnected).Status).To(BeEquivalentTo("True"), describe(w.get(ctx, first)))
			w.setAgents(true)
			Expect(kube.Delete(ctx, first)).To(Succeed())
			w.run(ctx, time.Minute, first, second)
			w.expectRestored()
		})
	}
})
