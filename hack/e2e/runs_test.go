// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// experiments makes a namespace for the objects of a spec.
func experiments(ctx context.Context) string {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-"}}
	Expect(cluster.Create(ctx, ns)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		Expect(client.IgnoreNotFound(cluster.Delete(ctx, ns))).To(Succeed())
		untilGone(ctx, ns)
	})
	return ns.Name
}

// onSubnet is a run of the demo cluster's agents in a subnet.
func onSubnet(subnet string, duration time.Duration) v1alpha1.AgentDisconnectSpec {
	return v1alpha1.AgentDisconnectSpec{Cluster: world.DefaultCluster, SubnetID: subnet, Duration: metav1.Duration{Duration: duration}}
}

// create creates a run in a new namespace.
func create(ctx context.Context, spec v1alpha1.AgentDisconnectSpec) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	obj := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: experiments(ctx), Name: "run"}, Spec: spec}
	Expect(cluster.Create(ctx, obj)).To(Succeed())
	return obj
}

// block creates a run in place, and waits until its rules stand and its agents are disconnected.
func block(ctx context.Context, duration time.Duration) (*v1alpha1.AgentDisconnect, landscape) {
	GinkgoHelper()
	obj := create(ctx, onSubnet(world.DedicatedSubnet, duration))
	return obj, untilBlocking(ctx, obj, 2)
}

// untilBlocking waits until a run has its rules and all agents are disconnected, and gives the rules.
func untilBlocking(ctx context.Context, obj *v1alpha1.AgentDisconnect, agents int32) (rules landscape) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
		g.Expect(obj.Status.State).To(Equal(v1alpha1.StateBlocking), obj.Status.Reason)
		g.Expect(obj.Status.Agents).NotTo(BeNil())
		g.Expect(obj.Status.Agents.Disconnected).To(HaveValue(Equal(agents)))
		rules = aws.rules(ctx, g)
		g.Expect(len(rules)).To(BeNumerically(">=", len(obj.Status.Rules)))
	}).Should(Succeed())
	Expect(obj.Status.Rules).NotTo(BeEmpty())
	return rules
}

// late is how much later than its time a run may be restored. The manager is given up for lost and
// another one leads within half a minute; the rest is for slow machines.
const late = 2 * time.Minute

// untilCompleted waits for a run's end, and checks that it came in time and left nothing.
func untilCompleted(ctx context.Context, obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
		g.Expect(obj.Status.CompletionTime).NotTo(BeNil(), obj.Status.State)
	}).WithTimeout(obj.Spec.Duration.Duration + 5*time.Minute).Should(Succeed())
	Expect(obj.Status.State).To(Equal(v1alpha1.StateCompleted), obj.Status.Reason)
	Expect(obj.Status.RestoredTime.Time).To(BeTemporally("<", obj.Status.ExpirationTime.Add(late)))
	AddReportEntry("restored after its time", obj.Status.RestoredTime.Sub(obj.Status.ExpirationTime.Time).String())
	aws.audit(ctx)
}

// remove deletes an object, and waits until it is gone.
func remove(ctx context.Context, obj client.Object, options ...client.DeleteOption) {
	GinkgoHelper()
	Expect(cluster.Delete(ctx, obj, options...)).To(Succeed())
	untilGone(ctx, obj)
}

func untilGone(ctx context.Context, obj client.Object) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		g.Expect(apierrors.IsNotFound(cluster.Get(ctx, client.ObjectKeyFromObject(obj), obj))).To(BeTrue(), "%s is there still", obj.GetName())
	}).Should(Succeed())
}

// removeObjects deletes all schedules and runs, as docs/uninstall.md says.
func removeObjects(ctx context.Context) {
	GinkgoHelper()
	for _, kind := range crds {
		kubectl(ctx, "delete", kind, "--all", "--all-namespaces", "--timeout=5m")
	}
}
