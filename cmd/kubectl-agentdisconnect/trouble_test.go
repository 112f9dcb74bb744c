// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

func TestManifestsThatAreWrongCreateNothing(t *testing.T) {
	replaced := func(was, is string) string { return strings.Replace(manifest, was, is, 1) }
	for name, tc := range map[string]struct{ text, want string }{
		"no YAML":           {"a: [", "run.yaml is neither YAML nor JSON"},
		"nothing":           {"", "run.yaml has 0 objects"},
		"two":               {manifest + "---\n" + manifest, "run.yaml has 2 objects"},
		"another kind":      {replaced("kind: AgentDisconnect", "kind: Pod"), `kind "Pod": they must be chaos.agentdisconnect.dev/v1alpha1 and AgentDisconnect`},
		"another namespace": {replaced("metadata:", "metadata:\n  namespace: other"), `the manifest has namespace "other", and --namespace is "test-`},
		"an unknown field":  {replaced("duration:", "durration: 1m\n  duration:"), `unknown field "spec.durration"`},
		"a wrong value":     {replaced("subnet-0c2e4a6b8d1f35790", "my-subnet"), "must be the id of a subnet, such as"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRuns(t)
			r.Expect(r.run("run", "-f", r.file(tc.text))).To(Equal(exitUsage))
			r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring(tc.want), ContainSubstring("Error: ")))
			r.Expect(r.out.String()).To(BeEmpty())
			r.Expect(r.objects()).To(BeEmpty())
		})
	}
}

func TestAManifestOnStandardInput(t *testing.T) {
	r := newRuns(t)
	r.program.in = strings.NewReader("# a comment\n---\n" + manifest)
	r.begin("run", "-f", "-")
	r.write(r.only(), yes, v1alpha1.StateCompleted, "x", "")
	r.Expect(r.end()).To(Equal(exitDone), r.said())
}

func TestANameThatIsThere(t *testing.T) {
	r := newRuns(t)
	r.create("taken")
	r.Expect(r.run("run", "taken", "--cluster", "demo", "--subnet", "subnet-0c2e4a6b8d1f35790", "--duration", "10m")).To(Equal(exitRefused))
	r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("AgentDisconnect "+r.namespace+"/taken is there already, and was not changed"), ContainSubstring("spec.runID")))
}

func TestWhatIsNotThere(t *testing.T) {
	r := newRuns(t)
	for _, command := range []string{"wait", "watch", "plan", "stop"} {
		r.Expect(r.run(command, "nothing")).To(Equal(exitError))
		r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("get AgentDisconnect "+r.namespace+"/nothing: there is none of that name"), ContainSubstring("kubectl agentdisconnect list --namespace "+r.namespace)))
	}
	r.namespace = "no-such-namespace"
	r.Expect(r.run("run", "-f", r.file(manifest))).To(Equal(exitError))
	r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring(`namespaces "no-such-namespace" not found`), ContainSubstring("--namespace")))
}

func TestAUserWithoutAccess(t *testing.T) {
	r := newRuns(t)
	config, err := apiServer.AddUser("outsider-" + r.namespace)
	r.Expect(err).NotTo(HaveOccurred())
	r.kubeconfig = r.kubeconfigOf(config)
	for verb, each := range map[string]struct {
		args []string
		role string
	}{
		"create": {[]string{"run", "-f", r.file(manifest)}, "agentdisconnect-editor"},
		"get":    {[]string{"wait", "demo"}, "agentdisconnect-viewer"},
		"list":   {[]string{"list", "--namespace", r.namespace}, "agentdisconnect-viewer"},
	} {
		r.errOut.b.Reset()
		r.Expect(r.run(each.args...)).To(Equal(exitError))
		r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring(verb+" AgentDisconnect "), ContainSubstring("Have the ClusterRole "+each.role+" bound"),
			ContainSubstring("kubectl auth can-i "+verb+" agentdisconnects.chaos.agentdisconnect.dev --namespace "+r.namespace)))
	}
}

func TestNoClusterThere(t *testing.T) {
	r := newRuns(t)
	r.kubeconfig = r.kubeconfigOf(&rest.Config{Host: "https://127.0.0.1:1"})
	r.Expect(r.run("wait", "demo")).To(Equal(exitError))
	r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("https://127.0.0.1:1 can't be reached"), ContainSubstring("--context")))

	r.kubeconfig = r.TempDir() + "/none"
	r.Expect(r.run("wait", "demo")).To(Equal(exitError))
	r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("no Kubernetes cluster"), ContainSubstring("--kubeconfig")))
}

func TestAClusterWithoutTheKind(t *testing.T) {
	r := newRuns(t)
	deleteCRD(r)
	r.Cleanup(func() {
		r.Expect(apiServer.InstallCRD()).To(Succeed())
		r.Eventually(r.listing).Should(Succeed())
	})
	for _, args := range [][]string{{"run", "-f", r.file(manifest)}, {"wait", "demo"}, {"list", "--namespace", r.namespace}} {
		r.Expect(r.run(args...)).To(Equal(exitError))
		r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("does not know the kind AgentDisconnect (chaos.agentdisconnect.dev/v1alpha1)"), ContainSubstring("make install")))
	}
}

// deleteCRD removes the kind, and all of its objects, and waits until it is gone.
func deleteCRD(r *runs) {
	r.Helper()
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	crd.SetName("agentdisconnects.chaos.agentdisconnect.dev")
	r.Expect(r.kube.Delete(r.Context(), crd)).To(Succeed())
	r.Eventually(func() error { return r.kube.Get(r.Context(), client.ObjectKeyFromObject(crd), crd) }).Should(MatchError(apierrors.IsNotFound, "not found"))
	r.Eventually(r.listing).Should(MatchError(apierrors.IsNotFound, "not found"))
}

func (r *runs) listing() error {
	return r.kube.List(context.WithoutCancel(r.Context()), &v1alpha1.AgentDisconnectList{})
}
