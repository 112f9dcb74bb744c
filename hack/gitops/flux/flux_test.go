// SPDX-License-Identifier: Apache-2.0

package flux

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/pkg/ssa"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// patience bounds what would never come. No step depends on how fast the machine is.
const patience = 10 * time.Minute

// world is a manager, a Region, and kustomize-controller's way to apply.
type world struct {
	Gomega
	*stack.Stack
	flux   *ssa.ResourceManager
	drift  *drift
	before int // entries of the network ACL
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: run it through make test-gitops")
	}
	s, err := stack.Start(t.Context(), stack.Options{
		Simulator:   sim.Options{Scale: 15},
		ManagerArgs: []string{"--agent-poll-interval=250ms", "--network-acl-poll-interval=500ms", "--lookup-interval=100ms"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := &world{Gomega: NewWithT(t), Stack: s, drift: &drift{looked: map[string]int{}}}
	w.Expect(s.Sim.WaitForAgents(t.Context())).To(Succeed())
	poller := polling.NewStatusPoller(s.Client, s.Client.RESTMapper(), polling.Options{})
	w.flux = ssa.NewResourceManager(s.Client, poller, ssa.Owner{Field: "kustomize-controller", Group: "kustomize.toolkit.fluxcd.io"})
	w.before = w.entries()
	w.drift.watch(t, w)
	return w
}

// in has what fails in a subtest fail there.
func (w *world) in(t *testing.T) *world {
	sub := *w
	sub.Gomega = NewWithT(t)
	return &sub
}

// entries counts those of the subnet's network ACL.
func (w *world) entries() int {
	acl, found := w.Sim.Region().NetworkACL(simworld.DedicatedACL)
	w.Expect(found).To(BeTrue())
	return len(acl.Entries)
}

// manifest is an object as git has it.
func manifest(kind, name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": kind,
		"metadata": map[string]any{"name": name, "namespace": "default"},
		"spec":     spec,
	}}
}

// run is an AgentDisconnect with changes of its spec.
func run(change map[string]any) *unstructured.Unstructured {
	spec := map[string]any{"cluster": simworld.DefaultCluster, "subnetID": simworld.DedicatedSubnet, "duration": "30m", "runID": "one"}
	for field, value := range change {
		spec[field] = value
	}
	return manifest("AgentDisconnect", "from-git", spec)
}

// commit applies what git has as kustomize-controller does, and waits for health as `wait: true` has it wait.
func (w *world) commit(ctx context.Context, git *unstructured.Unstructured) (ssa.Action, error) {
	w.drift.expect(nil)
	w.flux.SetOwnerLabels([]*unstructured.Unstructured{git}, "runs", "chaos")
	o := ssa.DefaultApplyOptions()
	// What was written by kubectl is taken from it, as kustomize-controller does.
	o.Cleanup.FieldManagers = []ssa.FieldManager{
		{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
		{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
	}
	changes, err := w.flux.ApplyAll(ctx, []*unstructured.Unstructured{git.DeepCopy()}, o)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(changes.Entries).To(HaveLen(1))
	w.drift.expect(git)

	wait := ssa.DefaultWaitOptions()
	wait.Interval, wait.Timeout, wait.FailFast = 500*time.Millisecond, patience, true
	return changes.Entries[0].Action, w.flux.Wait([]*unstructured.Unstructured{git}, wait)
}

// healthy commits what is to become healthy.
func (w *world) healthy(ctx context.Context, git *unstructured.Unstructured) ssa.Action {
	action, err := w.commit(ctx, git)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(w.drift.look(ctx, w)).To(Succeed())
	return action
}

// prune deletes what is not in git any more, and waits until it is gone.
func (w *world) prune(ctx context.Context, git *unstructured.Unstructured) {
	w.drift.expect(nil)
	o := ssa.DefaultDeleteOptions()
	o.Inclusions = w.flux.GetOwnerLabels("runs", "chaos")
	_, err := w.flux.DeleteAll(ctx, []*unstructured.Unstructured{git}, o)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(w.flux.WaitForTermination([]*unstructured.Unstructured{git}, ssa.WaitOptions{Interval: time.Second, Timeout: patience})).To(Succeed())
}

// live is the run in the cluster.
func (w *world) live(ctx context.Context) *v1alpha1.AgentDisconnect {
	obj := &v1alpha1.AgentDisconnect{}
	w.Expect(w.Client.Get(ctx, client.ObjectKey{Namespace: "default", Name: "from-git"}, obj)).To(Succeed())
	return obj
}

func (w *world) state(ctx context.Context) string { return w.live(ctx).Status.State }

func TestALifeFromGit(t *testing.T) {
	w, ctx := newWorld(t), t.Context()

	w.Expect(w.healthy(ctx, run(nil))).To(Equal(ssa.CreatedAction))
	w.Expect(w.state(ctx)).To(Equal(v1alpha1.StateBlocking), "a wait is over when the rules are in place")
	w.Expect(w.entries()).To(BeNumerically(">", w.before))
	w.Expect(w.healthy(ctx, run(nil))).To(Equal(ssa.UnchangedAction))

	w.Expect(w.healthy(ctx, run(map[string]any{"suspend": true}))).To(Equal(ssa.ConfiguredAction))
	w.Expect(w.state(ctx)).To(Equal(v1alpha1.StateSuspended))
	w.Expect(w.entries()).To(Equal(w.before))
	w.Expect(w.healthy(ctx, run(nil))).To(Equal(ssa.ConfiguredAction))
	w.Expect(w.state(ctx)).To(Equal(v1alpha1.StateBlocking))

	// What kubectl changed is reverted at the next interval, though git says nothing of it.
	w.drift.expect(nil)
	patch := exec.CommandContext(ctx, w.Kubectl, "--kubeconfig", w.Kubeconfig, "patch", "agd/from-git", "--type=merge", `--patch={"spec":{"suspend":true}}`)
	said, err := patch.CombinedOutput()
	w.Expect(err).NotTo(HaveOccurred(), "%s", said)
	w.Eventually(func() string { return w.state(ctx) }, patience).Should(Equal(v1alpha1.StateSuspended))
	w.healthy(ctx, run(nil))
	w.Expect(w.live(ctx).Spec.Suspend).To(BeNil())

	w.waitByHelm(run(nil), "")
	w.Eventually(func() bool {
		return meta.IsStatusConditionTrue(w.live(ctx).Status.Conditions, v1alpha1.ConditionAgentsDisconnected)
	}, patience).Should(BeTrue())
	short := map[string]any{"duration": "1m"}
	w.healthy(ctx, run(short))
	w.Eventually(func() string { return w.state(ctx) }, patience).Should(Equal(v1alpha1.StateCompleted))
	w.Expect(w.entries()).To(Equal(w.before))
	w.Expect(w.healthy(ctx, run(short))).To(Equal(ssa.UnchangedAction))
	w.Expect(w.state(ctx)).To(Equal(v1alpha1.StateCompleted), "a run that is over stays inert")

	w.Expect(w.healthy(ctx, run(map[string]any{"runID": "two"}))).To(Equal(ssa.ConfiguredAction))
	w.Expect(w.live(ctx).Status.RunID).To(Equal("two"))
	w.Expect(w.state(ctx)).To(Equal(v1alpha1.StateBlocking))
	w.prune(ctx, run(nil))
	w.Expect(w.entries()).To(Equal(w.before), "an object is gone once all is restored")

	looked, found := w.drift.seen()
	t.Log("looked for drift, by state:", looked)
	w.Expect(found).To(BeEmpty())
	w.Expect(looked).To(And(HaveKey(v1alpha1.StateBlocking), HaveKey(v1alpha1.StateSuspended), HaveKey(v1alpha1.StateCompleted)))

	t.Run("what fails ends the wait", func(t *testing.T) {
		w := w.in(t)
		refused := run(map[string]any{"startDeadline": "2026-01-02T15:04:05Z"})
		_, err := w.commit(ctx, refused)
		w.Expect(err).To(MatchError(ContainSubstring("Failed")))
		w.Expect(w.state(ctx)).To(Equal(v1alpha1.AbortStartDeadlineExceeded))
		w.waitByHelm(refused, "Failed")
		w.prune(ctx, refused)
	})

	t.Run("a schedule", func(t *testing.T) {
		w := w.in(t)
		spec := map[string]any{
			"schedule": "0 0 1 1 *",
			"template": map[string]any{"spec": map[string]any{"cluster": simworld.DefaultCluster, "subnetID": simworld.DedicatedSubnet, "duration": "5m"}},
		}
		git := manifest("AgentDisconnectSchedule", "yearly", spec)
		w.Expect(w.healthy(ctx, git)).To(Equal(ssa.CreatedAction))
		w.Expect(w.healthy(ctx, git)).To(Equal(ssa.UnchangedAction))
		w.waitByHelm(git, "")
		spec["suspend"] = true
		w.Expect(w.healthy(ctx, manifest("AgentDisconnectSchedule", "yearly", spec))).To(Equal(ssa.ConfiguredAction))
		w.prune(ctx, git)
	})
}
