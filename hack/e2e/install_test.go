// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

var _ = Describe("Installed", func() {
	BeforeEach(func(ctx SpecContext) { current().deploy(ctx) })

	It("has its CRDs, a leader and a standby", func(ctx SpecContext) {
		for _, name := range crds {
			var crd apiextensionsv1.CustomResourceDefinition
			Expect(cluster.Get(ctx, client.ObjectKey{Name: name}, &crd)).To(Succeed())
			Expect(crd.Status.Conditions).To(ContainElement(And(
				HaveField("Type", apiextensionsv1.Established), HaveField("Status", apiextensionsv1.ConditionTrue))))
		}
		untilLed(ctx)
	})

	It("plans a run without a change", func(ctx SpecContext) {
		spec := onSubnet(world.DedicatedSubnet, time.Minute)
		spec.Mode = v1alpha1.ModePlan
		obj := create(ctx, spec)
		Eventually(ctx, func(g Gomega) {
			g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
			g.Expect(obj.Status.State).To(Equal(v1alpha1.StatePlanned), obj.Status.Reason)
		}).Should(Succeed())
		Expect(obj.Status.Plan.WouldStart).To(HaveValue(BeTrue()))
		Expect(obj.Status.Plan.Rules).To(HaveLen(6))
		remove(ctx, obj)
	})

	It("takes a run in place to Completed, and RunTask fails with AGENT", func(ctx SpecContext) {
		spec := onSubnet(world.DedicatedSubnet, 90*time.Second)
		spec.Probe = &v1alpha1.Probe{TaskDefinition: "demo"}
		obj := create(ctx, spec)
		untilBlocking(ctx, obj, 2)
		untilCompleted(ctx, obj)
		Expect(obj.Status.Probe.Outcomes).To(ContainElement(HaveField("Reason", "AGENT")))
		remove(ctx, obj)
	})

	It("takes a run on a clone to Completed", func(ctx SpecContext) {
		spec := onSubnet(world.SharedSubnet, 90*time.Second)
		spec.OtherClusters = v1alpha1.OtherClustersAllow
		obj := create(ctx, spec)
		untilBlocking(ctx, obj, 1)
		Expect(obj.Status.NetworkACL.Mode).To(Equal(v1alpha1.NetworkACLModeClone))
		untilCompleted(ctx, obj)
		remove(ctx, obj)
	})
})
