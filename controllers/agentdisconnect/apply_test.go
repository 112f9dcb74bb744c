// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// manifest is an object as a repository has it.
func (w *world) manifest(spec map[string]any) *unstructured.Unstructured {
	all := map[string]any{"cluster": clusterName, "subnetID": subnetID, "duration": "1m"}
	maps.Copy(all, spec)
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "AgentDisconnect",
		"metadata": map[string]any{
			"namespace": w.namespace, "name": "from-git",
			"labels": map[string]any{"app.kubernetes.io/instance": "chaos"}, "annotations": map[string]any{"example.com/owner": "platform"},
		},
		"spec": all,
	}}
}

// apply applies a manifest on the server as an owner does. Without force, a conflict over a field is an error.
func (w *world) apply(ctx context.Context, owner string, manifest *unstructured.Unstructured, opts ...client.ApplyOption) (*v1alpha1.AgentDisconnect, error) {
	opts = append(opts, client.FieldOwner(owner))
	err := kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(manifest.DeepCopy()), opts...)
	return &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: manifest.GetName()}}, err
}

// fields are what a manager owns of an object, by subresource: the top of the tree, and what is below metadata.
func fields(obj *v1alpha1.AgentDisconnect, manager string) map[string][]string {
	owned := map[string][]string{}
	for _, entry := range obj.ManagedFields {
		if entry.Manager != manager {
			continue
		}
		var tree map[string]map[string]any
		Expect(json.Unmarshal(entry.FieldsV1.GetRawBytes(), &tree)).To(Succeed())
		for top, below := range tree {
			if top != "f:metadata" {
				owned[entry.Subresource] = append(owned[entry.Subresource], top)
				continue
			}
			for field := range below {
				owned[entry.Subresource] = append(owned[entry.Subresource], top+" "+field)
			}
		}
		slices.Sort(owned[entry.Subresource])
	}
	return owned
}

var _ = Describe("An owner that applies the object on the server", func() {
	for _, owner := range []string{"kubectl", "argocd-controller", "kustomize-controller"} {
		It("as "+owner+" again before each pass never fights with the controller over a field, in a whole run", func(ctx context.Context) {
			w, a := followed(ctx)
			manifest := w.manifest(map[string]any{"runID": "a"})
			obj, err := w.apply(ctx, owner, manifest)
			Expect(err).NotTo(HaveOccurred())
			w.beforePass = func() {
				_, err := w.apply(ctx, owner, manifest)
				Expect(err).NotTo(HaveOccurred(), "a conflict, without force")
				_, err = w.apply(ctx, owner, manifest, client.ForceOwnership)
				Expect(err).NotTo(HaveOccurred())
			}
			w.run(ctx, 20*time.Second, obj)
			seen := w.get(ctx, obj)
			Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), describe(seen))
			Expect(seen.Generation).To(BeEquivalentTo(1), "the spec is not written")

			By("owning what is its own alone")
			Expect(fields(seen, "agentdisconnect")).To(Equal(map[string][]string{"": {"f:metadata f:finalizers"}, "status": {"f:status"}}))
			Expect(fields(seen, owner)).To(Equal(map[string][]string{"": {"f:metadata f:annotations", "f:metadata f:labels", "f:spec"}}))
			Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer), "a manifest without finalizers keeps it")

			Expect(w.shortfall(w.finish(ctx, obj, 15*time.Minute), a)).To(BeEmpty())
			seen = w.get(ctx, obj)
			Expect(seen.Labels).To(Equal(manifest.GetLabels()))
			Expect(seen.Annotations).To(Equal(manifest.GetAnnotations()))
			Expect(fields(seen, "agentdisconnect")).To(Equal(map[string][]string{"status": {"f:status"}}))
			calls := len(w.sim.Calls())
			w.run(ctx, time.Hour, obj)
			Expect(w.get(ctx, obj).ResourceVersion).To(Equal(seen.ResourceVersion), "applying what is there writes nothing")
			Expect(w.sim.Calls()).To(HaveLen(calls), "AWS was called")

			By("running again when the repository says so")
			manifest = w.manifest(map[string]any{"runID": "b"})
			w.run(ctx, 20*time.Second, obj)
			w.run(ctx, 20*time.Second, obj)
			Expect(w.get(ctx, obj).Status.RunID).To(Equal("b"))
			Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		})
	}

	It("takes a field out of the spec by leaving it out", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj, err := w.apply(ctx, "kustomize-controller", w.manifest(map[string]any{"suspend": true}))
		Expect(err).NotTo(HaveOccurred())
		w.run(ctx, 20*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateSuspended))
		_, err = w.apply(ctx, "kustomize-controller", w.manifest(nil))
		Expect(err).NotTo(HaveOccurred())
		w.run(ctx, 20*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
	})
})

var _ = Describe("A user who replaces the whole object during a run", func() {
	It("finds the finalizer put back, and all else as it was left", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx)
		fresh := w.get(ctx, obj)
		fresh.Finalizers, fresh.Labels = nil, map[string]string{"team": "a"}
		fresh.Status = v1alpha1.AgentDisconnectStatus{} // as a file has it: the API server leaves the status alone
		Expect(kube.Update(ctx, fresh)).To(Succeed())
		Expect(w.get(ctx, obj).Finalizers).To(BeEmpty())
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		seen := w.get(ctx, obj)
		Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
		Expect(seen.Labels).To(Equal(map[string]string{"team": "a"}))
		Expect(seen.Status.Rules).To(HaveLen(6))
		w.discard(ctx, obj)
	})

	It("keeps finalizers of its own", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx, within(time.Minute))
		const theirs = "example.com/theirs"
		Expect(kube.Patch(ctx, w.get(ctx, obj), client.RawPatch(types.JSONPatchType,
			[]byte(`[{"op":"replace","path":"/metadata/finalizers","value":["`+theirs+`"]}]`)))).To(Succeed())
		w.run(ctx, 20*time.Second, obj)
		Expect(w.get(ctx, obj).Finalizers).To(ConsistOf(theirs, v1alpha1.Finalizer))
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(seen.Finalizers).To(ConsistOf(theirs))
	})
})
