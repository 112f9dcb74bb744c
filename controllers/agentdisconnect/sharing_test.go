// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/priority"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// silentRegion is a way to AWS on which the Region does not answer while silent is set. The calls that get no answer are counted.
type silentRegion struct {
	silent atomic.Bool
	calls  atomic.Int32
	via    awssdk.HTTPClient
}

// Do implements the SDK's HTTP client.
func (s *silentRegion) Do(request *http.Request) (*http.Response, error) {
	if s.silent.Load() {
		s.calls.Add(1)
		return nil, errors.New("dial tcp: no route to host")
	}
	return s.via.Do(request)
}

// silence has the Region no longer answer a new manager, which repeats no call within a pass.
func (w *world) silence() *silentRegion {
	silent := &silentRegion{}
	silent.silent.Store(true)
	w.restartWith(func(cfg *awssdk.Config) {
		if silent.via = cfg.HTTPClient; silent.via == nil {
			silent.via = http.DefaultClient
		}
		cfg.HTTPClient = silent
		cfg.APIOptions = append(cfg.APIOptions, withoutRetries)
	})
	return silent
}

var _ = Describe("A Region that does not answer", func() {
	It("is looked into by one object for all that have not begun, and all say so", func(ctx context.Context) {
		w := newWorld(ctx)
		silent := w.silence()
		var objects []*v1alpha1.AgentDisconnect
		for range 10 {
			objects = append(objects, w.create(ctx))
		}
		once := int32(3) // a call to each of STS, EC2 and ECS

		for _, obj := range objects {
			result, err := w.pass(ctx, obj)
			Expect(err).NotTo(HaveOccurred())
			Expect(result.RequeueAfter).To(BeNumerically(">=", time.Second), "no loop")
		}
		Expect(silent.calls.Load()).To(Equal(once))
		var said []string
		for _, obj := range objects {
			said = append(said, condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message)
		}
		Expect(slices.Compact(said)).To(ConsistOf(ContainSubstring("no route to host")))

		By("looking less and less often")
		w.run(ctx, 10*time.Minute, objects...)
		looks := silent.calls.Load() / once
		Expect(looks).To(And(BeNumerically(">", 10), BeNumerically("<", 40)))

		By("going on for all once it answers")
		silent.silent.Store(false)
		w.run(ctx, 90*time.Second, objects...)
		for _, obj := range objects {
			Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).NotTo(ContainSubstring("no route"))
		}
	})

	It("is tried by a run that is on, whatever others found", func(ctx context.Context) {
		w := newWorld(ctx)
		silent := w.silence()
		silent.silent.Store(false)
		running := w.blocking(ctx)

		silent.silent.Store(true)
		waiting := w.create(ctx, shared)
		w.run(ctx, 5*time.Second, waiting)
		before := silent.calls.Load()
		Expect(kube.Delete(ctx, running)).To(Succeed())
		_, err := w.pass(ctx, running)
		Expect(err).NotTo(HaveOccurred())
		Expect(silent.calls.Load()).To(BeNumerically(">", before))

		silent.silent.Store(false)
		w.run(ctx, 15*time.Second, running)
		Expect(w.gone(ctx, running)).To(BeTrue())
		w.expectRestored()
	})
})

var _ = Describe("A run that is refused", func() {
	// calls are those that AWS got.
	calls := func(w *world) (reads, dryRuns []string) {
		for _, c := range w.sim.Calls() {
			if c.DryRun {
				dryRuns = append(dryRuns, c.Action)
			} else {
				reads = append(reads, c.Action)
			}
		}
		return reads, dryRuns
	}

	It("for want of consent costs one call to each service, before anything else is asked", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.create(ctx, withSubnet(plainSubnet))
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonNoConsent))
		reads, dryRuns := calls(w)
		Expect(reads).To(ConsistOf("GetCallerIdentity", "DescribeSubnets", "DescribeClusters"))
		Expect(dryRuns).To(BeEmpty())
	})

	It("for want of consent costs 5 calls a minute at most, and begins within a minute of the consent", func(ctx context.Context) {
		w := newWorld(ctx)
		w.revoke(subnetID)
		obj := w.create(ctx)
		w.run(ctx, 10*time.Minute, obj)
		reads, dryRuns := calls(w)
		Expect(len(reads)+len(dryRuns)).To(BeNumerically("<=", 50), "%v", reads)

		result, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(BeNumerically("<=", time.Minute))
		w.tagSubnet(w.options.ConsentTagKey, "true")
		w.clock.Step(result.RequeueAfter)
		w.run(ctx, 2*w.options.AgentPollInterval, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
	})

	It("is looked at less and less often, and begins within two minutes once nothing stands against it", func(ctx context.Context) {
		w := newWorld(ctx)
		w.setAgents(false)
		obj := w.create(ctx)
		w.run(ctx, 10*time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonNoConnectedAgents))
		reads, dryRuns := calls(w)
		looks := 0
		for _, action := range reads {
			if action == "DescribeSubnets" {
				looks++
			}
		}
		Expect(looks).To(BeNumerically("<=", 10), "waits of 10 s that double up to two minutes, each up to a quarter shorter")
		Expect(len(reads)).To(BeNumerically("<=", 12*looks), "%v", reads)
		Expect(dryRuns).To(HaveLen(4), "what the end takes is asked once")

		result, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(And(BeNumerically(">", time.Minute), BeNumerically("<=", 2*time.Minute)))
		w.setAgents(true)
		w.clock.Step(result.RequeueAfter)
		w.run(ctx, 2*w.options.AgentPollInterval, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
	})

	It("is looked at by the end of a wait that the spec names, whatever its own wait has grown to", func(ctx context.Context) {
		w := newWorld(ctx)
		w.setAgents(false)
		begins := w.clock.Now().Add(5*time.Minute + 7*time.Second)
		obj := w.create(ctx, startingAfter(begins))
		w.run(ctx, 5*time.Minute, obj)
		result, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.clock.Now().Add(result.RequeueAfter)).NotTo(BeTemporally(">", begins))
	})
})

var _ = Describe("The workers of the manager", func() {
	const patience = time.Minute

	// manageWith runs a manager of so many workers whose reads past the cache go through a function.
	manageWith := func(ctx context.Context, w *world, workers int, get func(ctx context.Context, key client.ObjectKey) error) {
		GinkgoHelper()
		mgr, err := ctrl.NewManager(control.RESTConfig, ctrl.Options{
			Scheme:     kube.Scheme(),
			Metrics:    metricsserver.Options{BindAddress: "0"},
			Cache:      cache.Options{Scheme: objects.Scheme(), DefaultNamespaces: map[string]cache.Config{w.namespace: {}}},
			Controller: config.Controller{SkipNameValidation: new(true)},
		})
		Expect(err).NotTo(HaveOccurred())
		api, err := client.NewWithWatch(control.RESTConfig, client.Options{Scheme: kube.Scheme(), Mapper: kube.RESTMapper()})
		Expect(err).NotTo(HaveOccurred())
		reader := interceptor.NewClient(api, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
				if err := get(ctx, key); err != nil {
					return err
				}
				return c.Get(ctx, key, obj, opts...)
			},
		})
		opts := w.options
		opts.MaxConcurrentReconciles = workers
		sessions := aws.NewSessions(w.sim.Config(), "agentdisconnect", "test", agentdisconnect.CountCalls)
		sessions.Clock = w.clock
		reconciler := agentdisconnect.New(mgr.GetClient(), reader, mgr.GetEventRecorder("agentdisconnect"), sessions, w.clock, opts)
		Expect(reconciler.SetupWithManager(mgr)).To(Succeed())
		running, cancel := context.WithCancel(context.WithoutCancel(ctx))
		ended := make(chan error, 1)
		go func() { ended <- mgr.Start(running) }()
		DeferCleanup(func() {
			cancel()
			Expect(<-ended).To(Succeed())
		})
	}

	DescribeTable("are kept for runs that are on or ending, however many passes of others get stuck", func(ctx context.Context, flag, most int) {
		w := newWorld(ctx)
		run := w.blocking(ctx)
		w.clock.Step(run.Spec.Duration.Duration) // its end falls into a restart

		others := map[string]bool{}
		for range 3 * max(flag, 2) {
			others[w.create(ctx, withSubnet(plainSubnet)).Name] = true
		}
		var stuck atomic.Int32
		manageWith(ctx, w, flag, func(ctx context.Context, key client.ObjectKey) error {
			if others[key.Name] {
				stuck.Add(1)
				<-ctx.Done() // until the manager is stopped
			}
			return ctx.Err()
		})

		Eventually(func() int { return len(w.denies(aclID)) }, patience).Should(BeZero())
		Eventually(stuck.Load, patience).Should(BeEquivalentTo(most), "half of the workers do begin what has not begun")
		Consistently(stuck.Load, time.Second).Should(BeEquivalentTo(most), "the rest don't wait behind those")
	},
		Entry("with one worker, which is taken for two", 1, 1),
		Entry("with two", 2, 1),
		Entry("with three", 3, 1),
		Entry("with four", 4, 2),
		Entry("with eight", 8, 4),
	)

	It("have a priority for each pass, which follows from the object and not from why the pass is due", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.create(ctx)
		result, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Priority).To(HaveValue(Equal(priority.NotBegun)))

		w.run(ctx, 20*time.Second, obj)
		result, err = w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		Expect(result.Priority).To(HaveValue(Equal(priority.On)))

		w.clock.Step(obj.Spec.Duration.Duration)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Error: "InternalError"}) // an end that AWS holds up
		result, err = w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Priority).To(HaveValue(Equal(priority.Ending)))
	})
})
