// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// The agents are asked about while their container instances are still being listed.
var _ = Describe("The second poll before a start", func() {
	var (
		w   *world
		obj *v1alpha1.AgentDisconnect
	)
	BeforeEach(func(ctx context.Context) {
		w = newWorld(ctx)
		obj = w.create(ctx)
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
	})
	counted := func(ctx context.Context) (arns []string, uncounted int32) {
		agents := w.get(ctx, obj).Status.Agents
		for _, instance := range agents.ContainerInstances {
			arns = append(arns, instance.ARN)
		}
		return arns, ptr.Deref(agents.Uncounted, 0)
	}

	It("is of a container instance that joined since the first, too", func(ctx context.Context) {
		w.setAgents(false)
		joined, err := w.sim.Region().AddContainerInstance(clusterName, "", region.ContainerInstance{SubnetID: subnetID, AgentConnected: true})
		Expect(err).NotTo(HaveOccurred())
		w.clock.Step(w.options.AgentPollInterval)
		_, err = w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateDiscovering), "one agent is connected: %s", describe(w.get(ctx, obj)))

		w.clock.Step(w.options.AgentPollInterval)
		_, err = w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.denies(aclID)).To(HaveLen(6))
		arns, uncounted := counted(ctx)
		Expect(arns).To(Equal([]string{joined}))
		Expect(uncounted).To(BeEquivalentTo(2))
	})

	It("counts no container instance that left since the first", func(ctx context.Context) {
		left := w.agents()
		Expect(w.sim.Region().RemoveContainerInstance(left[0])).To(Succeed())
		w.clock.Step(w.options.AgentPollInterval)
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.denies(aclID)).To(HaveLen(6))
		arns, uncounted := counted(ctx)
		Expect(arns).To(Equal(left[1:]))
		Expect(uncounted).To(BeZero())
	})
})
