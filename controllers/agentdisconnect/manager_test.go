// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// manage runs a manager as cmd/manager does, on the world's namespace, until it is stopped.
func (w *world) manage(ctx context.Context, change ...func(*options.Options)) (stop func()) {
	GinkgoHelper()
	return w.manageAs(ctx, control.RESTConfig, change...)
}

// manageAs does so with a configuration of its own for the API server.
func (w *world) manageAs(ctx context.Context, cfg *rest.Config, change ...func(*options.Options)) (stop func()) {
	GinkgoHelper()
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme:     kube.Scheme(),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Cache:      cache.Options{Scheme: objects.Scheme(), DefaultNamespaces: map[string]cache.Config{w.namespace: {}}},
		Controller: config.Controller{SkipNameValidation: new(true)}, // one process runs several
	})
	Expect(err).NotTo(HaveOccurred())
	opts := options.Defaults()
	opts.MaxDuration, opts.MaxActiveRuns = options.LongestDuration, 0
	opts.DNSServer = w.sim.DNSAddr()
	opts.AgentPollInterval, opts.ACLPollInterval, opts.LookupInterval = 100*time.Millisecond, 200*time.Millisecond, 100*time.Millisecond
	for _, c := range change {
		c(&opts)
	}
	sessions := aws.NewSessions(w.sim.Config(), "agentdisconnect", "test", agentdisconnect.CountCalls)
	reconciler := agentdisconnect.New(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder("agentdisconnect"), sessions, clock.RealClock{}, opts)
	Expect(reconciler.SetupWithManager(mgr)).To(Succeed())
	Expect(mgr.Add(manager.RunnableFunc(func(ctx context.Context) error { return reconciler.Halts.Watch(ctx, mgr.GetCache()) }))).To(Succeed())

	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			Expect(<-ended).To(Succeed())
		}
	}
	DeferCleanup(stop)
	return stop
}

var _ = Describe("The manager, with real agents and real time", func() {
	// A minute of agents and of ECS passes in 0.3 seconds.
	fast := func(o *sim.Options) { o.NoAgents, o.Scale = false, 200 }

	connected := func(w *world) (n int) {
		for _, arn := range w.agents() {
			if instance, _ := w.sim.Region().ContainerInstance(arn); instance.AgentConnected {
				n++
			}
		}
		return n
	}
	status := func(ctx context.Context, w *world, obj *v1alpha1.AgentDisconnect, conditionType string) func() metav1.ConditionStatus {
		return func() metav1.ConditionStatus { return condition(w.get(ctx, obj), conditionType).Status }
	}
	start := func(ctx context.Context) (*world, *v1alpha1.AgentDisconnect) {
		w := newWorld(ctx, fast)
		waiting, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		Expect(w.sim.WaitForAgents(waiting)).To(Succeed())
		return w, w.create(ctx, within(4*time.Minute))
	}

	It("cuts the agents off, sees their sessions end, and has them back after the deletion", func(ctx context.Context) {
		w, obj := start(ctx)
		w.manage(ctx)
		Eventually(status(ctx, w, obj, v1alpha1.ConditionRulesInstalled)).Should(Equal(metav1.ConditionTrue))
		Eventually(status(ctx, w, obj, v1alpha1.ConditionAgentsDisconnected)).Should(Equal(metav1.ConditionTrue))
		Expect(connected(w)).To(BeZero())

		Eventually(func() []string {
			var list eventsv1.EventList
			Expect(kube.List(ctx, &list, client.InNamespace(w.namespace))).To(Succeed())
			var reasons []string
			for _, event := range list.Items {
				Expect(event.Regarding.Name).To(Equal(obj.Name))
				Expect(event.Note).NotTo(BeEmpty())
				reasons = append(reasons, event.Type+" "+event.Reason)
			}
			return reasons
		}).Should(ContainElements("Normal Discovering", "Warning ShortDuration", "Normal Blocking", "Normal AgentsDisconnected"))

		Expect(kube.Delete(ctx, obj)).To(Succeed())
		Eventually(func() bool { return w.gone(ctx, obj) }).Should(BeTrue())
		w.expectRestored()
		Eventually(func() int { return connected(w) }).Should(Equal(2))
	})

	It("is stopped during a run, and the next one takes the run over and ends it", func(ctx context.Context) {
		w, obj := start(ctx)
		stop := w.manage(ctx)
		Eventually(status(ctx, w, obj, v1alpha1.ConditionRulesInstalled)).Should(Equal(metav1.ConditionTrue))
		stop()
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		Expect(w.denies(aclID)).To(HaveLen(6))
		w.manage(ctx)
		Eventually(func() bool { return w.gone(ctx, obj) }).Should(BeTrue())
		w.expectRestored()
	})

	It("ends a run as soon as its duration is cut short, and waits for the agents", func(ctx context.Context) {
		w, obj := start(ctx)
		w.manage(ctx)
		Eventually(status(ctx, w, obj, v1alpha1.ConditionAgentsDisconnected)).Should(Equal(metav1.ConditionTrue))
		started := w.get(ctx, obj).Status.StartTime.Time
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) {
			status.StartTime = &metav1.Time{Time: started.Add(-time.Minute)}
		})
		Expect(kube.Patch(ctx, w.get(ctx, obj), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"duration":"1m"}}`)))).To(Succeed())
		Eventually(status(ctx, w, obj, v1alpha1.ConditionSucceeded)).Should(Equal(metav1.ConditionTrue), func() string { return describe(w.get(ctx, obj)) })
		w.expectRestored()
		Expect(connected(w)).To(Equal(2))
		Eventually(func() []string { return w.get(ctx, obj).Finalizers }).Should(BeEmpty())
	})
})
