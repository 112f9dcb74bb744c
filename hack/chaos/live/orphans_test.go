// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// blocking begins a run of each scenario in a namespace, and waits until both have all of their rules.
func (st *stage) blocking(ctx context.Context, g *WithT, namespace string) []*v1alpha1.AgentDisconnect {
	g.Expect(st.awaitAgents(ctx)).To(Succeed())
	objects := []*v1alpha1.AgentDisconnect{inPlace.object(namespace), clone.object(namespace)}
	for _, obj := range objects {
		g.Expect(st.Client.Create(ctx, obj)).To(Succeed())
	}
	for _, obj := range objects {
		g.Expect(st.untilStatus(ctx, obj, "all rules", installed)).To(Succeed())
	}
	g.Expect(st.unharmed()).NotTo(Succeed())
	return objects
}

// abandon takes finalizers and objects away, as an impatient user does.
func (st *stage) abandon(ctx context.Context, g *WithT, objects []*v1alpha1.AgentDisconnect) {
	for _, obj := range objects {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		g.Expect(st.Client.Patch(ctx, obj, patch)).To(Succeed())
		g.Expect(st.end(ctx, obj)).To(Succeed())
		g.Expect(st.untilGone(ctx, obj)).To(Succeed())
	}
}

// dateBack has the ownership tags say that their runs were over an hour ago. Nothing else tells when, once the objects are
// gone.
func (st *stage) dateBack(g *WithT) (dated int) {
	region := st.Sim.Region()
	for _, acl := range region.View(time.Time{}).NetworkACLs() {
		for key, value := range acl.Tags {
			words := strings.Split(value, " ")
			if !strings.HasPrefix(key, ownership.TagDomain) || words[0] != "v1" || len(words) < 5 {
				continue
			}
			for i, ago := range map[int]time.Duration{1: 2 * time.Hour, 2: time.Hour} {
				words[i] = time.Now().Add(-ago).UTC().Format(time.RFC3339)
			}
			g.Expect(region.CreateTags([]string{acl.ID}, map[string]string{key: strings.Join(words, " ")})).To(Succeed())
			dated++
		}
	}
	return dated
}

func TestWhateverIsTakenAwayInTheWrongOrderTheRegionIsRestored(t *testing.T) {
	g := live(t)
	st, err := newStage(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = st.Close() })
	t.Run("the namespace, beside a manager that runs", func(t *testing.T) { st.testNamespace(t) })
	t.Run("finalizers and objects, while no manager runs", func(t *testing.T) { st.testFinalizers(t) })
	t.Run("the CRD, while no manager runs", func(t *testing.T) { st.testCRD(t) })
}

// manager starts one that ends with the test.
func (st *stage) manager(t *testing.T, g *WithT) *stack.Manager {
	m, err := st.AddManager(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = m.Kill() })
	return m
}

func (st *stage) testFinalizers(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	first := st.manager(t, g)
	objects := st.blocking(ctx, g, namespace)
	g.Expect(first.Kill()).To(Succeed())
	st.abandon(ctx, g, objects)
	g.Expect(st.unharmed()).NotTo(Succeed())

	begun := time.Now()
	st.manager(t, g)
	g.Expect(st.untilRestored(ctx)).To(Succeed())
	t.Logf("restored %.1f s after the next manager was started", time.Since(begun).Seconds())
}

// Without the CRD the manager is not ready, and waits for it. What is past its time goes at its start all the same.
func (st *stage) testCRD(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	first := st.manager(t, g)
	objects := st.blocking(ctx, g, namespace)
	g.Expect(first.Kill()).To(Succeed())
	st.abandon(ctx, g, objects)
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	crd.SetName("agentdisconnects." + v1alpha1.GroupVersion.Group)
	g.Expect(st.Client.Delete(ctx, crd)).To(Succeed())
	g.Expect(until(ctx, "the CRD to be gone", func(ctx context.Context) (bool, string) {
		err := st.Client.Get(ctx, client.ObjectKeyFromObject(crd), crd)
		return apierrors.IsNotFound(err), fmt.Sprint(err)
	})).To(Succeed())
	t.Cleanup(func() { g.Expect(st.ControlPlane.InstallCRD()).To(Succeed()) })
	g.Expect(st.unharmed()).NotTo(Succeed())
	g.Expect(st.dateBack(g)).To(BeNumerically(">=", len(objects)))

	begun := time.Now()
	next, err := st.LaunchManager(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = next.Kill() })
	g.Expect(st.untilRestored(ctx)).To(Succeed(), "the end of its log:\n%s", strings.Join(next.LogTail(10), "\n"))
	t.Logf("restored %.1f s after the next manager was started; it has ended: %v", time.Since(begun).Seconds(), next.Err() != nil)
}

// There is no namespace controller without kube-controller-manager. The test does what it does: it deletes all that is in a
// namespace that is being deleted, and lets the namespace go once that is gone.
func (st *stage) testNamespace(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	st.manager(t, g)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "live-"}}
	g.Expect(st.Client.Create(ctx, ns)).To(Succeed())
	objects := st.blocking(ctx, g, ns.Name)
	g.Expect(st.Client.Delete(ctx, ns)).To(Succeed())
	g.Expect(st.Client.Get(ctx, client.ObjectKeyFromObject(ns), ns)).To(Succeed())
	g.Expect(ns.Status.Phase).To(Equal(corev1.NamespaceTerminating))
	begun := time.Now()
	g.Expect(st.Client.DeleteAllOf(ctx, &v1alpha1.AgentDisconnect{}, client.InNamespace(ns.Name))).To(Succeed())
	for _, obj := range objects {
		g.Expect(st.untilGone(ctx, obj)).To(Succeed())
	}
	g.Expect(st.unharmed()).To(Succeed())
	ns.Spec.Finalizers = nil
	g.Expect(st.Client.SubResource("finalize").Update(ctx, ns)).To(Succeed())
	t.Logf("the namespace was free %.1f s after its deletion", time.Since(begun).Seconds())
}
