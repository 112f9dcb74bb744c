// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// example reads a file of docs/examples/pipelines.
func example(name string) string {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "examples", "pipelines", name))
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// manifests are the objects of such a file, for the world's namespace.
func (w *world) manifests(name string) []*unstructured.Unstructured {
	GinkgoHelper()
	text := strings.ReplaceAll(example(name), "namespace: chaos", "namespace: "+w.namespace)
	var all []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewBufferString(text), 4096); ; {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return all
		}
		Expect(err).NotTo(HaveOccurred())
		u := &unstructured.Unstructured{}
		Expect(utiljson.Unmarshal(raw, &u.Object)).To(Succeed()) // numbers as Kubernetes has them
		all = append(all, u)
	}
}

// at gives what is in an object below some keys; a list has its first.
func at[T any](object any, keys ...string) T {
	GinkgoHelper()
	for _, key := range keys {
		object = object.(map[string]any)[key]
		if list, ok := object.([]any); ok {
			Expect(list).NotTo(BeEmpty(), key)
			object = list[0]
		}
	}
	return object.(T)
}

// typed has fields as a type of Kubernetes. A field that the type does not have is an error.
func typed[T any](object any, keys ...string) T {
	GinkgoHelper()
	var into T
	Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(at[map[string]any](object, keys...), &into, true)).To(Succeed())
	return into
}

// authenticate has the pipeline be a service account of the world's namespace.
func (p *pipeline) authenticate(ctx context.Context, namespace, account string) {
	GinkgoHelper()
	token := &authenticationv1.TokenRequest{}
	Expect(kube.SubResource("token").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account}}, token)).To(Succeed())
	file := filepath.Join(p.folder, "kubeconfig")
	config, err := clientcmd.LoadFromFile(file)
	Expect(err).NotTo(HaveOccurred())
	config.AuthInfos["test"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	Expect(clientcmd.WriteToFile(*config, file)).To(Succeed())
}

var _ = Describe("The examples for pipelines", Serial, func() {
	// scripts takes the script out of each tool's manifest.
	scripts := map[string]func(*world) string{
		"argo-workflows.yaml": func(w *world) string {
			return at[string](w.manifests("argo-workflows.yaml")[0].Object, "spec", "templates", "script", "source")
		},
		"tekton-task.yaml": func(w *world) string {
			return at[string](w.manifests("tekton-task.yaml")[0].Object, "spec", "steps", "script")
		},
		"cronjob.yaml": func(w *world) string {
			return at[string](w.manifests("cronjob.yaml")[0].Object, "spec", "jobTemplate", "spec", "template", "spec", "containers", "args")
		},
		"github-actions.yaml": func(w *world) string {
			steps := at[map[string]any](w.manifests("github-actions.yaml")[0].Object, "jobs", "experiment")["steps"].([]any)
			return at[string](steps[len(steps)-1], "run")
		},
	}
	// tool is a world in which a tool's script runs as the service account of rbac.yaml, with a target that is there.
	tool := func(ctx context.Context, name, subnet string) (*world, *pipeline, string) {
		GinkgoHelper()
		w := recipeWorld(ctx)
		w.manage(ctx)
		for _, u := range w.manifests("rbac.yaml") {
			Expect(kube.Create(ctx, u, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed())
		}
		p := w.newPipeline("")
		p.authenticate(ctx, w.namespace, "experiment")
		script := scripts[name](w)
		Expect(script).To(ContainSubstring("subnet-0a1b2c3d4e5f67890"))
		return w, p, strings.ReplaceAll(script, "subnet-0a1b2c3d4e5f67890", subnet)
	}
	code := func(err error) int {
		GinkgoHelper()
		var exit *exec.ExitError
		Expect(errors.As(err, &exit)).To(BeTrue())
		return exit.ExitCode()
	}

	DescribeTable("end well with a run that completes, as a service account that may do no more", func(ctx context.Context, name string) {
		w, p, script := tool(ctx, name, subnetID)
		Expect(w.playBy(ctx, p, "sh", script, "")).To(Succeed(), p.output.String)
		Expect(p.output.String()).To(ContainSubstring("\nCompleted: "))
		Expect(w.objects(ctx)).To(ConsistOf(HaveField("DeletionTimestamp", BeNil())), "it stays, to be looked at")
		w.expectRestored()
	},
		Entry("Argo Workflows", "argo-workflows.yaml"),
		Entry("Tekton", "tekton-task.yaml"),
		Entry("a CronJob", "cronjob.yaml"),
		Entry("GitHub Actions", "github-actions.yaml"),
	)

	DescribeTable("fail with a run that is refused, and leave nothing that could begin later", func(ctx context.Context, name string) {
		w, p, script := tool(ctx, name, "subnet-0123456789abcdef0")
		Expect(code(p.runBy(ctx, "sh", script, nil))).To(Equal(2), p.output.String())
		Expect(p.output.String()).To(ContainSubstring("\nRefused: "))
		Expect(w.objects(ctx)).To(BeEmpty())
	},
		Entry("Argo Workflows", "argo-workflows.yaml"),
		Entry("Tekton", "tekton-task.yaml"),
		Entry("a CronJob", "cronjob.yaml"),
		Entry("GitHub Actions", "github-actions.yaml"),
	)

	// begun waits until the run of a script has rules.
	begun := func(ctx context.Context, w *world) {
		GinkgoHelper()
		Eventually(func() []v1alpha1.AgentDisconnect { return w.objects(ctx) }, patience).Should(ConsistOf(HaveField("Status.State", v1alpha1.StateBlocking)))
	}

	It("fail with a run that fails", func(ctx context.Context) {
		w, p, script := tool(ctx, "cronjob.yaml", subnetID)
		ended := make(chan error, 1)
		go func() { ended <- p.runBy(ctx, "sh", script, nil) }()
		begun(ctx, w)
		w.revoke(subnetID)
		var err error
		Eventually(ended, patience).Should(Receive(&err), func() string { return p.output.String() })
		Expect(code(err)).To(Equal(1))
		Expect(p.output.String()).To(ContainSubstring("\n" + v1alpha1.AbortConsentWithdrawn + ": "))
		w.expectRestored()
	})

	It("end the run where they are told to stop", func(ctx context.Context) {
		w, p, script := tool(ctx, "cronjob.yaml", subnetID)
		ended := make(chan error, 1)
		started := make(chan *os.Process, 1)
		go func() { ended <- p.runBy(ctx, "sh", script, started) }()
		begun(ctx, w)
		Expect((<-started).Signal(syscall.SIGTERM)).To(Succeed())
		var err error
		Eventually(ended, patience).Should(Receive(&err), func() string { return p.output.String() })
		Expect(code(err)).To(Equal(143))
		Eventually(func() []v1alpha1.AgentDisconnect { return w.objects(ctx) }, patience).Should(BeEmpty())
		w.expectRestored()
	})

	// instead has the script meet a kubectl that does something else for a verb, and calls the real one otherwise.
	instead := func(p *pipeline, verb, script string) {
		GinkgoHelper()
		Expect(os.Mkdir(filepath.Join(p.folder, "bin"), 0o700)).To(Succeed())
		text := fmt.Sprintf("#!/bin/sh\nkubectl=%s/kubectl\ncase $1 in %s) %s ;; esac\nexec $kubectl \"$@\"\n", os.Getenv("KUBEBUILDER_ASSETS"), verb, script)
		Expect(os.WriteFile(filepath.Join(p.folder, "bin", "kubectl"), []byte(text), 0o700)).To(Succeed())
	}

	It("leave no run that was being created when they were told to stop", func(ctx context.Context) {
		w, p, script := tool(ctx, "cronjob.yaml", subnetID)
		instead(p, "create", `$kubectl "$@"; sleep 2; exit`)
		ended, started := make(chan error, 1), make(chan *os.Process, 1)
		go func() { ended <- p.runBy(ctx, "sh", script, started) }()
		Eventually(func() []v1alpha1.AgentDisconnect { return w.objects(ctx) }, patience).Should(HaveLen(1))
		Expect((<-started).Signal(syscall.SIGTERM)).To(Succeed())
		var err error
		Eventually(ended, patience).Should(Receive(&err), func() string { return p.output.String() })
		Expect(code(err)).To(Equal(143), p.output.String())
		Eventually(func() []v1alpha1.AgentDisconnect { return w.objects(ctx) }, patience).Should(BeEmpty())
		w.expectRestored()
	})

	DescribeTable("keep their exit code, and leave no run", func(ctx context.Context, verb, kubectl string, change *strings.Replacer, want int) {
		w, p, script := tool(ctx, "cronjob.yaml", "subnet-0123456789abcdef0")
		instead(p, verb, kubectl)
		Expect(code(p.runBy(ctx, "sh", change.Replace(script), nil))).To(Equal(want), p.output.String())
		Eventually(func() []v1alpha1.AgentDisconnect { return w.objects(ctx) }, patience).Should(BeEmpty())
	},
		Entry("where the answer to its creation is lost", "create", `$kubectl "$@"; exit 1`, strings.NewReplacer(), 1),
		Entry("where its deletion fails twice", "delete", `echo >>tries; test $(wc -l <tries) = 3 || exit 1`, strings.NewReplacer(), 2),
		Entry("where their time is up", "get", `exit 1`, strings.NewReplacer("3300", "1"), 3),
	)

	It("have one script", func(ctx context.Context) {
		w := newWorld(ctx)
		for name, script := range scripts {
			Expect(script(w)).To(Equal(example("experiment.sh")), name)
			Expect(script(w)).NotTo(ContainSubstring("$$"), "Kubernetes makes one $ of it")
		}
	})

	It("are taken by the API server, in a namespace that restricts pods", func(ctx context.Context) {
		w := newWorld(ctx)
		namespace := &corev1.Namespace{}
		Expect(kube.Get(ctx, client.ObjectKey{Name: w.namespace}, namespace)).To(Succeed())
		namespace.Labels = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
		Expect(kube.Update(ctx, namespace)).To(Succeed())
		strict := client.FieldValidation(metav1.FieldValidationStrict)
		for _, u := range append(append(w.manifests("rbac.yaml"), w.manifests("cronjob.yaml")...), w.manifests("argo-workflows.yaml")[1:]...) {
			Expect(kube.Create(ctx, u, strict)).To(Succeed())
		}

		// What the tools' own kinds have of Kubernetes' types. The rest of them is read as YAML alone.
		cron := typed[batchv1.CronJob](w.manifests("cronjob.yaml")[0].Object)
		argo, tekton := w.manifests("argo-workflows.yaml")[0].Object, w.manifests("tekton-task.yaml")[0].Object
		script, step := at[map[string]any](argo, "spec", "templates", "script"), at[map[string]any](tekton, "spec", "steps")
		delete(script, "source")
		delete(step, "script")
		Expect(step).NotTo(HaveKey("timeout"), "Tekton ends it by SIGKILL, and the run is left")
		step["resources"] = step["computeResources"]
		delete(step, "computeResources")
		script["name"] = "main"
		argoPod := typed[corev1.PodSecurityContext](argo, "spec", "securityContext")
		for name, spec := range map[string]corev1.PodSpec{
			"cron":   cron.Spec.JobTemplate.Spec.Template.Spec,
			"argo":   {SecurityContext: &argoPod, Containers: []corev1.Container{typed[corev1.Container](script)}},
			"tekton": {Containers: []corev1.Container{typed[corev1.Container](step)}},
		} {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: spec}
			Expect(kube.Create(ctx, pod, client.DryRunAll, strict)).To(Succeed(), name)
			Expect(spec.Containers[0].Image).To(HavePrefix("docker.io/alpine/kubectl:"))
		}
	})
})
