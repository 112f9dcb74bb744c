// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// While managers come and go, the rules of a run stay, and it ends in time with its verdict.
var _ = Describe("A run goes on", func() {
	BeforeEach(func(ctx SpecContext) { current().deploy(ctx) })

	DescribeTable("while", during,
		Entry("the leader is killed", func(ctx context.Context) {
			former := leader(ctx, Default)
			kubectl(ctx, "delete", "pod", "-n", namespace, former, "--grace-period=0", "--force")
			untilLed(ctx, former)
		}),
		Entry("the managers are restarted", func(ctx context.Context) {
			former := names(managers(ctx, Default))
			kubectl(ctx, "rollout", "restart", "-n", namespace, "deployment/"+deployment)
			kubectl(ctx, "rollout", "status", "-n", namespace, "deployment/"+deployment, "--timeout=5m")
			untilLed(ctx, former...)
		}),
		Entry("the managers get another flag", func(ctx context.Context) {
			former := names(managers(ctx, Default))
			current("--max-duration=1h").deploy(ctx)
			untilLed(ctx, former...)
		}),
		Entry("the leader's node is drained", drain),
	)

	It("and ends when the API server was away past its time, and managers started meanwhile", func(ctx SpecContext) {
		if set.stopAPI == "" {
			Skip("E2E_API_SERVER_STOP and E2E_API_SERVER_START are not set: this cluster's API server can't be stopped")
		}
		obj, rules := block(ctx, 90*time.Second)
		endWatch := aws.watch(ctx, rules, before(obj.Status.ExpirationTime.Time))

		run(ctx, "sh", "-c", set.stopAPI)
		gone := time.Now()
		start := sync.OnceFunc(func() { run(context.WithoutCancel(ctx), "sh", "-c", set.startAPI) })
		DeferCleanup(start)
		// The leader gives up its lease after 10 s, ends, and is started again by its kubelet.
		Expect(sleep(ctx, time.Until(obj.Status.ExpirationTime.Add(time.Minute)))).To(Succeed())
		start()
		back := time.Now()
		endWatch()

		Eventually(ctx, func(g Gomega) { g.Expect(startedWithin(ctx, g, gone, back)).NotTo(BeEmpty()) }).Should(Succeed())
		Eventually(ctx, func(g Gomega) {
			g.Expect(cluster.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
			g.Expect(obj.Status.CompletionTime).NotTo(BeNil(), obj.Status.State)
		}).Should(Succeed())
		Expect(obj.Status.RestoredTime.Time).To(BeTemporally("<", back.Add(late)))
		AddReportEntry("restored after the API server came back", obj.Status.RestoredTime.Sub(back).String())
		aws.audit(ctx)
		untilLed(ctx)
		remove(ctx, obj)
	})
})

// during makes a change in the middle of a run, and lets the run come to its end.
func during(ctx context.Context, change func(context.Context)) {
	GinkgoHelper()
	obj, rules := block(ctx, 2*time.Minute)
	endWatch := aws.watch(ctx, rules, before(obj.Status.ExpirationTime.Time))
	begun := time.Now()
	change(ctx)
	AddReportEntry("another manager leads, and all are ready, after", time.Since(begun).Round(time.Second).String())
	endWatch()
	untilCompleted(ctx, obj)
	remove(ctx, obj)
}

// before leaves room for clocks of nodes that differ.
func before(t time.Time) time.Time { return t.Add(-2 * time.Second) }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// startedWithin are the managers whose container started in a span of time.
func startedWithin(ctx context.Context, g Gomega, from, to time.Time) (started []string) {
	GinkgoHelper()
	for _, pod := range managers(ctx, g) {
		for _, container := range pod.Status.ContainerStatuses {
			for _, state := range []corev1.ContainerState{container.State, container.LastTerminationState} {
				if s := startOf(state); s.After(from) && s.Before(to) {
					started = append(started, pod.Name)
				}
			}
		}
	}
	return started
}

func startOf(state corev1.ContainerState) time.Time {
	switch {
	case state.Running != nil:
		return state.Running.StartedAt.Time
	case state.Terminated != nil:
		return state.Terminated.StartedAt.Time
	}
	return time.Time{}
}

// drain empties the leader's node, and lets pods return to it when the spec is over.
func drain(ctx context.Context) {
	GinkgoHelper()
	var nodes corev1.NodeList
	Expect(cluster.List(ctx, &nodes)).To(Succeed())
	free := 0
	for _, node := range nodes.Items {
		if !node.Spec.Unschedulable && len(node.Spec.Taints) == 0 {
			free++
		}
	}
	if free < 2 {
		Skip("the cluster has fewer than two nodes that take pods: none can be drained")
	}

	former := leader(ctx, Default)
	var pod corev1.Pod
	Expect(cluster.Get(ctx, client.ObjectKey{Namespace: namespace, Name: former}, &pod)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { kubectl(ctx, "uncordon", pod.Spec.NodeName) })
	kubectl(ctx, "drain", pod.Spec.NodeName, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=5m")
	untilLed(ctx, former)
}
