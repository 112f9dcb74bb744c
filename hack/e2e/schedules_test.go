// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// The cluster's garbage collector deletes the runs of a schedule that is gone.
var _ = Describe("A schedule with a run that is on", func() {
	BeforeEach(func(ctx SpecContext) { current().deploy(ctx) })

	DescribeTable("is deleted", func(ctx SpecContext, policy metav1.DeletionPropagation, runGoes bool) {
		schedule := &v1alpha1.AgentDisconnectSchedule{
			ObjectMeta: metav1.ObjectMeta{Namespace: experiments(ctx), Name: "minutely"},
			Spec: v1alpha1.AgentDisconnectScheduleSpec{
				Schedule: "* * * * *", Template: v1alpha1.AgentDisconnectTemplate{Spec: onSubnet(world.DedicatedSubnet, 10*time.Minute)},
			},
		}
		Expect(cluster.Create(ctx, schedule)).To(Succeed())
		created := time.Now()

		var runs v1alpha1.AgentDisconnectList
		Eventually(ctx, func(g Gomega) {
			g.Expect(cluster.List(ctx, &runs, client.InNamespace(schedule.Namespace), client.MatchingLabels{v1alpha1.LabelSchedule: schedule.Name})).To(Succeed())
			g.Expect(runs.Items).To(HaveLen(1))
		}).Should(Succeed())
		obj := &runs.Items[0]
		AddReportEntry("first run created after", time.Since(created).Round(time.Second).String())
		rules := untilBlocking(ctx, obj, 2)

		remove(ctx, schedule, client.PropagationPolicy(policy))
		if runGoes {
			untilGone(ctx, obj)
			aws.audit(ctx)
			return
		}

		endWatch := aws.watch(ctx, rules, before(obj.Status.ExpirationTime.Time))
		Eventually(ctx, func(g Gomega) {
			g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
			g.Expect(obj.OwnerReferences).To(BeEmpty())
		}).Should(Succeed())
		Expect(obj.DeletionTimestamp).To(BeNil())
		endWatch()
		remove(ctx, obj)
	},
		Entry("in the background: its run ends and goes", metav1.DeletePropagationBackground, true),
		Entry("in the foreground: its run ends and goes first", metav1.DeletePropagationForeground, true),
		Entry("as an orphan's owner: its run goes on", metav1.DeletePropagationOrphan, false),
	)
})
