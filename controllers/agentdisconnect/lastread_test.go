// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

var _ = Describe("The last read of the network ACL before a start", func() {
	It("that shows another one takes the finalizer back, and the run begins on that one later", func(ctx context.Context) {
		w := newWorld(ctx)
		other := w.anotherACL()
		// The clock stands still in a pass, and only the one that begins a run reads twice.
		var last atomic.Int64
		var moved atomic.Bool
		w.sim.Faults().Before("ec2:DescribeNetworkAcls", func(c call.Call) {
			if c.Param("Filter.1.Name") != "association.subnet-id" || moved.Load() {
				return
			}
			if now := w.clock.Now().UnixNano(); last.Swap(now) == now {
				moved.Store(true)
				w.move(subnetID, other)
			}
		})

		obj := w.create(ctx)
		seen := w.until(ctx, obj, time.Minute, func(*v1alpha1.AgentDisconnect) bool { return moved.Load() })
		Expect(seen.Status.StartTime).To(BeNil(), describe(seen))
		Expect(seen.Finalizers).To(BeEmpty(), "there is nothing to clean up")
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("the network ACL of subnet " + subnetID + " changed just now"))
		Expect(w.writes()).To(BeEmpty())

		seen = w.until(ctx, obj, time.Minute, func(o *v1alpha1.AgentDisconnect) bool { return o.Status.StartTime != nil })
		Expect(seen.Status.NetworkACL.ID).To(Equal(other))
		Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
	})
})
