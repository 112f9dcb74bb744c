// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const controller = "argocd-controller"

// Run applies on the server without effect, which is what Argo CD's server-side diff asks of the cluster.
func (c *cluster) Run(ctx context.Context, obj *unstructured.Unstructured, manager string) (string, error) {
	obj = obj.DeepCopy()
	if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(obj), client.FieldOwner(manager), client.ForceOwnership, client.DryRunAll); err != nil {
		return "", err
	}
	text, err := obj.MarshalJSON()
	return string(text), err
}

// differs reports whether Argo CD shows an object as out of sync, by its three-way diff and by its server-side diff.
func (c *cluster) differs(ctx context.Context, config, live *unstructured.Unstructured) (threeWay, serverSide bool) {
	c.Expect(c.Get(ctx, client.ObjectKeyFromObject(live), live)).To(Succeed())
	applied := live.DeepCopy()
	text, err := json.Marshal(config.Object)
	c.Expect(err).NotTo(HaveOccurred())
	applied.SetAnnotations(map[string]string{corev1.LastAppliedConfigAnnotation: string(text)}) // as a client-side sync leaves it
	result, err := diff.Diff(config, applied)
	c.Expect(err).NotTo(HaveOccurred())
	server, err := diff.Diff(config, live, diff.WithServerSideDiff(true), diff.WithServerSideDryRunner(c), diff.WithManager(controller), diff.WithIgnoreMutationWebhook(false))
	c.Expect(err).NotTo(HaveOccurred())
	return result.Modified, server.Modified
}

func TestNoStateOfAnObjectIsDrift(t *testing.T) {
	states, c := keptStates(t), newCluster(t)
	n := 0
	for name, each := range states {
		n++
		config, live := c.restore(t.Context(), controller, fmt.Sprintf("run-%d", n), each.Object)
		threeWay, serverSide := c.differs(t.Context(), config, live)
		c.Expect([]bool{threeWay, serverSide}).To(Equal([]bool{false, false}), name)
	}
	t.Log(n, "objects, none of them out of sync")
}

// A tool that heals itself reverts what is out of sync.
func TestWhichActionsSelfHealReverts(t *testing.T) {
	states, vm, c := keptStates(t), engine(t), newCluster(t)
	blocking, isKept := states["AgentDisconnect-Blocking.json"]
	c.Expect(isKept).To(BeTrue())
	spec := func(change func(spec map[string]any)) map[string]any {
		object := (&unstructured.Unstructured{Object: blocking.Object}).DeepCopy()
		change(object.Object["spec"].(map[string]any))
		return object.Object
	}
	for _, each := range []struct {
		name, action string
		git          func(spec map[string]any)
		reverted     bool
	}{
		{"suspend-unset", "suspend", func(map[string]any) {}, false},
		{"suspend-false", "suspend", func(spec map[string]any) { spec["suspend"] = false }, true},
		{"resume", "resume", func(spec map[string]any) { spec["suspend"] = true }, true},
		{"stop", "stop", func(map[string]any) {}, true},
	} {
		config, live := c.restore(t.Context(), controller, each.name, spec(each.git))
		c.act(t.Context(), vm, each.action, live)
		threeWay, serverSide := c.differs(t.Context(), config, live)
		c.Expect([]bool{threeWay, serverSide}).To(Equal([]bool{each.reverted, each.reverted}), each.name)
	}
}
