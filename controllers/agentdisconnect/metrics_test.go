// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// metric is the sum of a metric's values, with the labels given; -1: there is none.
func metric(name string, labels map[string]string) float64 {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	sum := -1.
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			matching := len(labels)
			for _, label := range m.GetLabel() {
				if labels[label.GetName()] == label.GetValue() {
					matching--
				}
			}
			if matching == 0 {
				sum = max(sum, 0) + m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

var _ = Describe("Metrics", func() {
	failures := func() float64 { return metric("agentdisconnect_restore_failures_total", nil) }
	late := func() float64 { return metric("agentdisconnect_rules_past_end_seconds", nil) }
	leader := func() float64 { return metric("leader_election_master_status", map[string]string{"name": leaseName}) }

	It("count the passes of a clean-up that AWS keeps from its end, and no others", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx, within(4*time.Minute))
		before := failures()
		read := w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Error: "InternalError"})
		w.run(ctx, time.Minute, obj)
		Expect(failures()).To(Equal(before), "the run is on")
		read()

		deleted := w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Error: "InternalError"})
		w.run(ctx, 4*time.Minute, obj)
		Expect(w.denies(aclID)).NotTo(BeEmpty())
		during := failures()
		Expect(during).To(BeNumerically(">", before+10))

		deleted()
		w.run(ctx, 12*time.Minute, obj)
		Expect(w.get(ctx, obj).Status.CompletionTime).NotTo(BeNil())
		Expect(failures()).To(Equal(during))
		w.expectRestored()
	})

	It("count a clean-up that waits for a person", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		before := failures()
		permit := w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Denied: true})
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(failures()).To(BeNumerically(">", before+3))
		permit()
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
	})

	It("tell by how long rules outlast a run's end, in a replica that isn't leader too, and which one is", func(ctx context.Context) {
		w := newWorldAt(ctx, clocktesting.NewFakeClock(time.Now().Add(-time.Hour).Truncate(time.Second)))
		obj := w.settled(ctx)
		lease := &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: leaseName},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: new("another"), LeaseDurationSeconds: new(int32(3600)), RenewTime: &metav1.MicroTime{Time: time.Now()},
			},
		}
		Expect(kube.Create(ctx, lease)).To(Succeed())
		w.standBy(ctx)
		Eventually(late).Should(BeZero())
		Eventually(leader).Should(BeZero())

		Expect(kube.Delete(ctx, obj)).To(Succeed())
		Eventually(late).Should(BeNumerically(">", 1))
		Expect(w.denies(aclID)).NotTo(BeEmpty())
		Expect(leader()).To(BeZero())

		lease.Spec.HolderIdentity = new("")
		Expect(kube.Update(ctx, lease)).To(Succeed())
		Eventually(func() bool { return w.gone(ctx, obj) }).Should(BeTrue())
		Eventually(late).Should(BeZero())
		Expect(leader()).To(Equal(1.))
		w.expectRestored()
	})
})

// leaseName is that of cmd/manager, by which the alerts know the leader's metric.
const leaseName = "agentdisconnect.chaos.agentdisconnect.dev"

// standBy runs a manager that waits for its lease.
func (w *world) standBy(ctx context.Context) {
	GinkgoHelper()
	mgr, err := ctrl.NewManager(control.RESTConfig, ctrl.Options{
		Scheme: kube.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"},
		Cache:          cache.Options{Scheme: objects.Scheme(), DefaultNamespaces: map[string]cache.Config{w.namespace: {}}},
		Controller:     config.Controller{SkipNameValidation: new(true)}, // one process runs several
		LeaderElection: true, LeaderElectionID: leaseName, LeaderElectionNamespace: w.namespace,
		RetryPeriod: new(100 * time.Millisecond),
	})
	Expect(err).NotTo(HaveOccurred())
	sessions := aws.NewSessions(w.sim.Config(), "agentdisconnect", "test")
	reconciler := agentdisconnect.New(mgr.GetClient(), mgr.GetAPIReader(), w.events, sessions, clock.RealClock{}, w.options)
	Expect(reconciler.SetupWithManager(mgr)).To(Succeed())

	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	DeferCleanup(func() {
		cancel()
		Expect(<-ended).To(Or(Succeed(), MatchError("leader election lost"))) // as it says of a stop as well
	})
}
