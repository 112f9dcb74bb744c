// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	appv1 "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"agentdisconnect.dev/agentdisconnect/hack/controlplane"
)

// kept is an object of a state, with what the specs of the manager expect of it. They write it, see keepForGitOps.
type kept struct {
	Object  map[string]any `json:"object"`
	KStatus string         `json:"kstatus"`
	Health  string         `json:"health"`
	Actions string         `json:"actions"`
}

// keptStates are all of them, by what brought them about.
func keptStates(t *testing.T) map[string]kept {
	t.Helper()
	folder := os.Getenv("AGENTDISCONNECT_STATES")
	if folder == "" {
		t.Skip("AGENTDISCONNECT_STATES names no folder with objects of each state: run it through make test-gitops")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d objects of states in %s, less than there are states (%v)", len(files), folder, err)
	}
	all := map[string]kept{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var each kept
		// As client-go reads objects: whole numbers are int64.
		u := &unstructured.Unstructured{}
		if err := json.Unmarshal(text, &each); err != nil {
			t.Fatal(err)
		}
		object, err := json.Marshal(each.Object)
		if err != nil {
			t.Fatal(err)
		}
		if err := u.UnmarshalJSON(object); err != nil {
			t.Fatal(err)
		}
		each.Object = u.Object
		all[filepath.Base(file)] = each
	}
	return all
}

// engine is Argo CD's, with the product's patch of its ConfigMap. Its overrides are read as Argo CD's settings manager does.
func engine(t *testing.T) lua.VM {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "config", "argocd", "argocd-cm.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var patch corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &patch); err != nil {
		t.Fatal(err)
	}
	overrides := map[string]appv1.ResourceOverride{}
	for _, kind := range []string{"AgentDisconnect", "AgentDisconnectSchedule"} {
		overrides["chaos.agentdisconnect.dev/"+kind] = appv1.ResourceOverride{
			HealthLua: patch.Data["resource.customizations.health.chaos.agentdisconnect.dev_"+kind],
			Actions:   patch.Data["resource.customizations.actions.chaos.agentdisconnect.dev_"+kind],
		}
	}
	return lua.VM{ResourceOverrides: overrides}
}

// cluster is an API server with the CRDs, and a namespace for this test.
type cluster struct {
	Gomega
	client.WithWatch
	namespace string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: run it through make test-gitops")
	}
	plane, err := controlplane.Start(controlplane.Options{SpareCPU: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = plane.Close() })
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "chaos"}}
	if err := plane.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return &cluster{Gomega: NewWithT(t), WithWatch: plane.Client, namespace: namespace.Name}
}

// restore creates an object as an owner applied it, with the status and the finalizer that the manager gave it, and returns what
// is in git of it, and what is in the cluster.
func (c *cluster) restore(ctx context.Context, owner, name string, was map[string]any) (config, live *unstructured.Unstructured) {
	object := &unstructured.Unstructured{Object: was}
	config = &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": object.GetAPIVersion(), "kind": object.GetKind(),
		"metadata": map[string]any{"name": name, "namespace": c.namespace},
		"spec":     was["spec"],
	}}
	config = config.DeepCopy()
	config.SetLabels(object.GetLabels())
	c.Expect(c.Apply(ctx, client.ApplyConfigurationFromUnstructured(config.DeepCopy()), client.FieldOwner(owner))).To(Succeed())
	if finalizers := object.GetFinalizers(); len(finalizers) > 0 {
		held := &unstructured.Unstructured{Object: map[string]any{"apiVersion": config.GetAPIVersion(), "kind": config.GetKind(),
			"metadata": map[string]any{"name": name, "namespace": c.namespace}}}
		held.SetFinalizers(finalizers)
		c.Expect(c.Apply(ctx, client.ApplyConfigurationFromUnstructured(held), client.FieldOwner("agentdisconnect"))).To(Succeed())
	}

	live = config.DeepCopy()
	c.Expect(c.Get(ctx, client.ObjectKeyFromObject(config), live)).To(Succeed())
	status, _, err := unstructured.NestedMap(was, "status")
	c.Expect(err).NotTo(HaveOccurred())
	live.Object["status"] = status
	if object.GetGeneration() == status["observedGeneration"] {
		status["observedGeneration"] = live.GetGeneration()
	}
	c.Expect(c.Status().Update(ctx, live, client.FieldOwner("agentdisconnect"))).To(Succeed())
	return config, live
}

// act has Argo CD's engine run an action, and does with the result what Argo CD's server does.
func (c *cluster) act(ctx context.Context, vm lua.VM, action string, live *unstructured.Unstructured) *unstructured.Unstructured {
	script, err := vm.GetResourceAction(live, action)
	c.Expect(err).NotTo(HaveOccurred())
	all, err := vm.ExecuteResourceAction(live, script.ActionLua, nil)
	c.Expect(err).NotTo(HaveOccurred(), action)
	c.Expect(all).To(HaveLen(1))
	made := all[0].UnstructuredObj
	switch all[0].K8SOperation {
	case lua.CreateOperation:
		c.Expect(c.Create(ctx, made.DeepCopy(), client.DryRunAll)).To(Succeed(), action)
		c.Expect(c.Create(ctx, made, client.FieldOwner("argocd-server"))).To(Succeed(), action)
	case lua.PatchOperation:
		patch := client.MergeFrom(live)
		text, err := patch.Data(made)
		c.Expect(err).NotTo(HaveOccurred())
		c.Expect(string(text)).NotTo(ContainSubstring(`"status"`), "the status is the manager's")
		c.Expect(c.Patch(ctx, made, patch, client.FieldOwner("argocd-server"))).To(Succeed(), "%s: %s", action, text)
	default:
		c.Expect(fmt.Sprint(all[0].K8SOperation)).To(BeEmpty())
	}
	return made
}
