// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("Uninstalling", func() {
	BeforeEach(func(ctx SpecContext) { current().deploy(ctx) })

	It("is refused while a run is on, and then leaves nothing in the cluster nor in AWS", func(ctx SpecContext) {
		obj, rules := block(ctx, 10*time.Minute)
		endWatch := aws.watch(ctx, rules, before(obj.Status.ExpirationTime.Time))
		said, err := try(ctx, "make", "undeploy", "KUBECTL="+set.kubectl)
		Expect(err).To(HaveOccurred())
		Expect(said).To(ContainSubstring(obj.Namespace + "/" + obj.Name))
		Expect(cluster.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
		Expect(obj.DeletionTimestamp).To(BeNil())
		endWatch()

		removeObjects(ctx)
		aws.audit(ctx)
		uninstall(ctx)
		Expect(installed(ctx)).To(BeEmpty())

		run(ctx, "make", "plugin")
		Expect(run(ctx, "env", "AWS_ACCESS_KEY_ID="+set.key, "AWS_SECRET_ACCESS_KEY="+set.secret, "AWS_ENDPOINT_URL="+set.endpoint,
			"bin/kubectl-agentdisconnect", "sweep", "--region", set.region)).To(ContainSubstring("Runs left nothing here"))
	})
})

// uninstall removes the product as docs/uninstall.md says, once there are no objects.
func uninstall(ctx context.Context) {
	GinkgoHelper()
	run(ctx, "make", "undeploy", "KUBECTL="+set.kubectl)
}
