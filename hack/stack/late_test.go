// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// A manager that ended because the API server is away would be started again after waits that grow to five minutes, and the end
// of a run would wait for the longest.
func TestAManagerWaitsForAnAPIServerThatComesLater(t *testing.T) {
	g, ctx, s := withoutManager(t)

	// While the manager is away a run's time is over.
	run := &v1alpha1.AgentDisconnect{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "overdue"},
		Spec: v1alpha1.AgentDisconnectSpec{
			Cluster: world.DefaultCluster, SubnetID: world.DedicatedSubnet, Duration: metav1.Duration{Duration: time.Minute},
		},
	}
	g.Expect(s.Client.Create(ctx, run)).To(Succeed())
	fast := []string{"--agent-poll-interval=100ms", "--network-acl-poll-interval=200ms", "--leader-elect", "--leader-election-namespace=default"}
	first, err := s.AddManager(ctx, fast...)
	g.Expect(err).NotTo(HaveOccurred())
	state := func() v1alpha1.AgentDisconnectStatus {
		g.Expect(s.Client.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
		return run.Status
	}
	g.Eventually(state).Should(HaveField("Rules", And(HaveLen(6), HaveEach(HaveField("State", v1alpha1.RuleInstalled)))))
	g.Expect(first.Kill()).To(Succeed())
	status := state()
	status.ExpirationTime = &metav1.Time{Time: time.Now().Add(-time.Second)}
	run.Status = status
	g.Expect(s.Client.Status().Update(ctx, run)).To(Succeed())
	g.Expect(errors.Join(s.ControlPlane.StopAPIServer(), s.ControlPlane.StopEtcd())).To(Succeed())

	waiting, err := s.LaunchManager(ctx, fast...)
	g.Expect(err).NotTo(HaveOccurred())
	lives := func(g Gomega) {
		g.Expect(waiting.Err()).NotTo(HaveOccurred())
		g.Expect(waiting.Probe(ctx, "/healthz")).To(Equal(http.StatusOK))
		g.Expect(waiting.Probe(ctx, "/readyz")).NotTo(Equal(http.StatusOK))
	}
	log := func() string { return strings.Join(waiting.LogTail(1000), "\n") }
	g.Eventually(log).Should(ContainSubstring("Waiting for the API server"))
	lives(g)

	g.Expect(errors.Join(s.ControlPlane.StartEtcd(), s.ControlPlane.StartAPIServer())).To(Succeed())
	g.Expect(waiting.WaitUntilReady(ctx)).To(Succeed())
	g.Eventually(state).Should(HaveField("Rules", BeEmpty()))
	g.Expect(waiting.Err()).NotTo(HaveOccurred(), "the same process ended it")
	g.Expect(log()).NotTo(ContainSubstring("controller-runtime/pkg"), "no stack traces")
}

func TestAManagerWaitsForACRDThatComesLater(t *testing.T) {
	g, ctx, s := withoutManager(t)
	g.Expect(removeCRD(ctx, s, "agentdisconnects")).To(Succeed())
	g.Eventually(func() bool {
		return apierrors.IsNotFound(s.Client.List(ctx, &v1alpha1.AgentDisconnectList{}))
	}).Should(BeTrue())

	waiting, err := s.LaunchManager(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() string { return strings.Join(waiting.LogTail(1000), "\n") }).Should(ContainSubstring("Waiting for the API server"))
	g.Expect(waiting.Probe(ctx, "/healthz")).To(Equal(http.StatusOK))
	g.Expect(waiting.Probe(ctx, "/readyz")).NotTo(Equal(http.StatusOK))

	g.Expect(s.ControlPlane.InstallCRD()).To(Succeed())
	g.Expect(waiting.WaitUntilReady(ctx)).To(Succeed())
	g.Expect(waiting.Err()).NotTo(HaveOccurred())
}

// After an upgrade of the image alone there is no CRD of schedules, or no permission to list them. All controllers share a cache.
func TestAManagerRunsWithoutSchedulesUntilThereAreSome(t *testing.T) {
	g, ctx, s := withoutManager(t)
	g.Expect(removeCRD(ctx, s, "agentdisconnectschedules")).To(Succeed())
	g.Eventually(func() bool {
		return apierrors.IsNotFound(s.Client.List(ctx, &v1alpha1.AgentDisconnectScheduleList{}))
	}).Should(BeTrue())

	manager, err := s.AddManager(ctx, "--agent-poll-interval=100ms", "--network-acl-poll-interval=200ms")
	g.Expect(err).NotTo(HaveOccurred())
	spec := v1alpha1.AgentDisconnectSpec{
		Cluster: world.DefaultCluster, SubnetID: world.DedicatedSubnet, Duration: metav1.Duration{Duration: time.Minute},
	}
	run := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "alone"}, Spec: spec}
	g.Expect(s.Client.Create(ctx, run)).To(Succeed())
	g.Eventually(func() v1alpha1.AgentDisconnectStatus {
		g.Expect(s.Client.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
		return run.Status
	}).Should(HaveField("Rules", And(HaveLen(6), HaveEach(HaveField("State", v1alpha1.RuleInstalled)))))
	g.Expect(strings.Join(manager.LogTail(1000), "\n")).To(ContainSubstring("Waiting for schedules"))

	g.Expect(s.ControlPlane.InstallCRD()).To(Succeed())
	schedule := &v1alpha1.AgentDisconnectSchedule{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "yearly"},
		Spec:       v1alpha1.AgentDisconnectScheduleSpec{Schedule: "0 0 1 1 *", Template: v1alpha1.AgentDisconnectTemplate{Spec: spec}},
	}
	g.Eventually(func() error { return s.Client.Create(ctx, schedule) }).Should(Succeed())
	g.Eventually(func() *metav1.Time {
		g.Expect(s.Client.Get(ctx, client.ObjectKeyFromObject(schedule), schedule)).To(Succeed())
		return schedule.Status.NextScheduleTime
	}).ShouldNot(BeNil())
	g.Expect(manager.Err()).NotTo(HaveOccurred())
}

// withoutManager is a stack whose managers a test starts itself.
func withoutManager(t *testing.T) (*WithT, context.Context, *stack.Stack) {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: run it through make test")
	}
	g, ctx := NewWithT(t), t.Context()
	g.SetDefaultEventuallyTimeout(2 * time.Minute)
	s, err := stack.Start(ctx, stack.Options{Simulator: sim.Options{NoAgents: true}, NoManager: true})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = s.Close() })
	return g, ctx, s
}

func removeCRD(ctx context.Context, s *stack.Stack, resources string) error {
	extensions, err := client.New(s.ControlPlane.RESTConfig, client.Options{})
	if err != nil {
		return err
	}
	crd := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: resources + "." + v1alpha1.GroupVersion.Group}}
	crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	return extensions.Delete(ctx, crd)
}
