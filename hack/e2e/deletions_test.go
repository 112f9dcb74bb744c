// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// What docs/uninstall.md promises for each thing that is deleted in the middle of a run.
var _ = Describe("In the middle of a run", func() {
	BeforeEach(func(ctx SpecContext) { current().deploy(ctx) })

	It("its namespace is deleted: the rules go, and then the namespace", func(ctx SpecContext) {
		obj, _ := block(ctx, 10*time.Minute)
		remove(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: obj.Namespace}})
		aws.audit(ctx)
	})

	It("the namespace of a run on a clone is deleted: the subnet returns, and then the namespace goes", func(ctx SpecContext) {
		spec := onSubnet(world.SharedSubnet, 10*time.Minute)
		spec.OtherClusters = v1alpha1.OtherClustersAllow
		obj := create(ctx, spec)
		untilBlocking(ctx, obj, 1)
		remove(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: obj.Namespace}})
		aws.audit(ctx)
	})

	It("the CRDs are deleted: the rules go, then the CRDs, and they may come back", func(ctx SpecContext) {
		block(ctx, 10*time.Minute)
		for _, crd := range crds {
			kubectl(ctx, "delete", "crd", crd, "--timeout=5m")
		}
		aws.audit(ctx)

		current().deploy(ctx)
		obj, _ := block(ctx, 10*time.Minute)
		remove(ctx, obj)
		aws.audit(ctx)
	})

	It("the manager's namespace is deleted: the next manager goes on with the run", func(ctx SpecContext) {
		obj, rules := block(ctx, 4*time.Minute)
		endWatch := aws.watch(ctx, rules, before(obj.Status.ExpirationTime.Time))
		deleteManager(ctx)
		current().deploy(ctx)
		endWatch()
		untilCompleted(ctx, obj)
		remove(ctx, obj)
	})

	It("the manager's namespace is deleted, and the object by force: the next manager's sweep removes the rules", func(ctx SpecContext) {
		obj, rules := block(ctx, 10*time.Minute)
		endWatch := aws.watch(ctx, rules, before(obj.Status.ExpirationTime.Time))
		deleteManager(ctx)
		Expect(cluster.Patch(ctx, obj, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
		remove(ctx, obj)
		endWatch()

		current().deploy(ctx)
		begun := time.Now()
		Eventually(ctx, func(g Gomega) {
			now, err := aws.survey(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(aws.before.lacking(now)).To(BeEmpty())
		}).WithTimeout(15 * time.Minute).Should(Succeed())
		AddReportEntry("swept after", time.Since(begun).Round(time.Second).String())
	})
})

// deleteManager deletes the manager's namespace, and waits until it is gone.
func deleteManager(ctx context.Context) {
	GinkgoHelper()
	remove(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
}
