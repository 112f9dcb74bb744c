// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"context"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// createRun creates a run of 10 minutes, and gives what reads its status.
func createRun(ctx context.Context, g *WithT, s *stack.Stack, name string) func() v1alpha1.AgentDisconnectStatus {
	obj := &v1alpha1.AgentDisconnect{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: v1alpha1.AgentDisconnectSpec{
			Cluster: world.DefaultCluster, SubnetID: world.DedicatedSubnet, Duration: metav1.Duration{Duration: 10 * time.Minute},
		},
	}
	g.Expect(s.Client.Create(ctx, obj)).To(Succeed())
	return func() v1alpha1.AgentDisconnectStatus {
		g.Expect(s.Client.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
		return obj.Status
	}
}

// blocks is the status of a run whose rules are all in place.
func blocks() types.GomegaMatcher {
	return HaveField("Rules", And(HaveLen(6), HaveEach(HaveField("State", v1alpha1.RuleInstalled))))
}

func TestAHaltReachesTheManagerByAWatch(t *testing.T) {
	g, ctx, s := withoutManager(t)
	// Without a change of the halts no pass comes for half a minute.
	_, err := s.AddManager(ctx, "--agent-poll-interval=30s", "--network-acl-poll-interval=1m", "--lookup-interval=1m")
	g.Expect(err).NotTo(HaveOccurred())
	first := createRun(ctx, g, s, "first")
	g.Eventually(first).Should(blocks())
	g.Eventually(first).Should(HaveField("State", v1alpha1.StateBlocking))

	halt := &v1alpha1.AgentDisconnectHalt{ObjectMeta: metav1.ObjectMeta{Name: "incident"}}
	begun := time.Now()
	g.Expect(s.Client.Create(ctx, halt)).To(Succeed())
	g.Eventually(first).WithPolling(10 * time.Millisecond).Should(HaveField("RestoredTime", Not(BeNil())))
	took := time.Since(begun)
	t.Logf("From the halt until the last rule was gone: %s", took.Round(time.Millisecond))
	g.Expect(first().Abort).To(HaveField("Reason", v1alpha1.AbortHalted))
	g.Expect(took).To(BeNumerically("<", 20*time.Second))

	second := createRun(ctx, g, s, "second")
	g.Eventually(second).Should(HaveField("Reason", v1alpha1.ReasonHalted))
	g.Consistently(second, 2*time.Second).Should(HaveField("StartTime", BeNil()))
	g.Expect(s.Client.Delete(ctx, halt)).To(Succeed())
	g.Eventually(second).ShouldNot(HaveField("Reason", v1alpha1.ReasonHalted))
}

// After an upgrade of the image alone there is no CRD of halts. All controllers share a cache.
func TestAManagerRunsWithoutHaltsUntilThereAreSome(t *testing.T) {
	g, ctx, s := withoutManager(t)
	g.Expect(removeCRD(ctx, s, "agentdisconnecthalts")).To(Succeed())
	g.Eventually(func() bool {
		return apierrors.IsNotFound(s.Client.List(ctx, &v1alpha1.AgentDisconnectHaltList{}))
	}).Should(BeTrue())

	manager, err := s.AddManager(ctx, "--agent-poll-interval=100ms", "--network-acl-poll-interval=200ms")
	g.Expect(err).NotTo(HaveOccurred())
	run := createRun(ctx, g, s, "alone")
	g.Eventually(run).Should(blocks())
	g.Expect(strings.Join(manager.LogTail(1000), "\n")).To(ContainSubstring("Waiting for halts"))

	g.Expect(s.ControlPlane.InstallCRD()).To(Succeed())
	halt := &v1alpha1.AgentDisconnectHalt{ObjectMeta: metav1.ObjectMeta{Name: "later"}}
	g.Eventually(func() error { return s.Client.Create(ctx, halt) }).Should(Succeed())
	g.Eventually(run).Should(And(HaveField("Abort", HaveField("Reason", v1alpha1.AbortHalted)), HaveField("Rules", BeEmpty())))
	g.Expect(manager.Err()).NotTo(HaveOccurred())
}
