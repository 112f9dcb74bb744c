// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	configDir = "../../config"
	// system is the namespace that config/default makes.
	system  = "agentdisconnect-system"
	account = "agentdisconnect-controller-manager"
)

// documents are the objects of a YAML stream.
func documents(stream []byte) []*unstructured.Unstructured {
	GinkgoHelper()
	var all []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(stream), 4096); ; {
		u := &unstructured.Unstructured{}
		err := decoder.Decode(u)
		if errors.Is(err, io.EOF) {
			return all
		}
		Expect(err).NotTo(HaveOccurred())
		all = append(all, u)
	}
}

// built is what kustomize makes of a folder of config.
func built(ctx context.Context, folder string) []*unstructured.Unstructured {
	GinkgoHelper()
	build := exec.CommandContext(ctx, control.Kubectl(), "kustomize", filepath.Join(configDir, folder))
	build.Stderr = GinkgoWriter
	stream, err := build.Output()
	Expect(err).NotTo(HaveOccurred())
	return documents(stream)
}

func sample(name string) *unstructured.Unstructured {
	GinkgoHelper()
	stream, err := os.ReadFile(filepath.Join(configDir, "samples", name))
	Expect(err).NotTo(HaveOccurred())
	all := documents(stream)
	Expect(all).To(HaveLen(1))
	return all[0]
}

var _ = Describe("The samples", func() {
	DescribeTable("are accepted as they are", func(ctx context.Context, name string) {
		u := sample(name)
		if u.GetNamespace() == "" {
			u.SetNamespace("default")
		}
		Expect(kube.Create(ctx, u, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed())
		if u.GetKind() == "AgentDisconnect" {
			_, err := decoded(u)
			Expect(err).NotTo(HaveOccurred())
		}
	},
		Entry("the least", "minimal.yaml"),
		Entry("every field", "all-fields.yaml"),
		Entry("a pipeline's", "pipeline.yaml"),
		Entry("on a copy of the network ACL", "clone.yaml"),
		Entry("one that is only planned", "plan.yaml"),
		Entry("one for a git repository", "gitops.yaml"),
		Entry("one that is repeated", "schedule.yaml"),
	)

	It("are all of these", func() {
		Expect(filepath.Glob(filepath.Join(configDir, "samples", "*"))).To(HaveLen(7))
	})

	It("show every field of the spec in one, and only the required ones in another", func() {
		spec := sample("all-fields.yaml").Object["spec"].(fields)
		Expect(spec).To(HaveLen(reflect.TypeFor[v1alpha1.AgentDisconnectSpec]().NumField()))
		Expect(spec["additionalEndpoints"]).To(HaveLen(reflect.TypeFor[v1alpha1.AdditionalEndpoints]().NumField()))
		Expect(sample("minimal.yaml").Object["spec"]).To(And(HaveLen(3), HaveKey("cluster"), HaveKey("subnetID"), HaveKey("duration")))
	})
})

var _ = Describe("The manifests of config/default", Ordered, func() {
	var objects []*unstructured.Unstructured
	deployment := &appsv1.Deployment{}

	BeforeAll(func(ctx context.Context) {
		objects = built(ctx, "default")
		for _, u := range objects {
			By(u.GetKind() + " " + u.GetName())
			Expect(kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(u.DeepCopy()), client.FieldOwner("kubectl"), client.ForceOwnership)).To(Succeed())
		}
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: system, Name: account}, deployment)).To(Succeed())
	})

	It("are applied whole, and all of them belong to the project by their name", func() {
		Expect(objects).NotTo(BeEmpty())
		for _, u := range objects {
			Expect(u.GetName()).To(HavePrefix("agentdisconnect"))
			Expect(u.GetNamespace()).To(BeElementOf("", system))
		}
	})

	It("are strictly valid", func(ctx context.Context) {
		for _, u := range objects {
			By(u.GetKind() + " " + u.GetName())
			u = u.DeepCopy()
			Expect(kube.Get(ctx, client.ObjectKeyFromObject(u), u)).To(Succeed())
			Expect(kube.Update(ctx, u, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed())
		}
	})

	It("run two managers, one of which may be away, of the image that an overlay can replace", func() {
		Expect(deployment.Spec.Replicas).To(HaveValue(Equal(int32(2))))
		Expect(deployment.Spec.Template.Spec.Containers).To(HaveLen(1))
		manager := deployment.Spec.Template.Spec.Containers[0]
		Expect(manager.Image).To(Equal("agentdisconnect:dev"))
		Expect(manager.Args).To(ContainElement("--leader-elect"))
		Expect(deployment.Spec.Template.Spec.TerminationGracePeriodSeconds).To(HaveValue(BeNumerically(">", 20)), "the manager's own grace period")
	})

	It("prefer nodes and zones of their own for the two managers, by a term each, so that one missing label voids no other", func() {
		pod := deployment.Spec.Template.Spec
		Expect(pod.TopologySpreadConstraints).To(BeEmpty(), "a node that lacks one of their keys is left out of all of them")
		Expect(pod.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution).To(BeEmpty(), "a cluster may have one node")

		var keys []string
		for _, term := range pod.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
			keys = append(keys, term.PodAffinityTerm.TopologyKey)
			Expect(term.Weight).To(BeNumerically(">", 0))
			Expect(term.PodAffinityTerm.LabelSelector.MatchLabels).To(Equal(deployment.Spec.Selector.MatchLabels))
			Expect(term.PodAffinityTerm.MatchLabelKeys).To(ConsistOf("pod-template-hash"))
		}
		Expect(keys).To(ConsistOf(corev1.LabelHostname, corev1.LabelTopologyZone))
	})

	Context("under pod security", func() {
		pod := func(spec corev1.PodSpec) *corev1.Pod {
			return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Namespace: system}, Spec: spec}
		}

		It("make pods that a restricted namespace admits", func(ctx context.Context) {
			namespace := &corev1.Namespace{}
			Expect(kube.Get(ctx, client.ObjectKey{Name: system}, namespace)).To(Succeed())
			Expect(namespace.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"))
			Expect(kube.Create(ctx, pod(deployment.Spec.Template.Spec), client.DryRunAll)).To(Succeed())
		})

		// So that the one above is known to say something.
		DescribeTable("would not be admitted", func(ctx context.Context, change func(*corev1.PodSpec)) {
			spec := deployment.Spec.Template.Spec.DeepCopy()
			change(spec)
			Expect(kube.Create(ctx, pod(*spec), client.DryRunAll)).To(MatchError(ContainSubstring(`violates PodSecurity "restricted:latest"`)))
		},
			Entry("as root", func(s *corev1.PodSpec) { s.SecurityContext.RunAsNonRoot = nil }),
			Entry("with capabilities", func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.Capabilities = nil }),
			Entry("without seccomp", func(s *corev1.PodSpec) { s.SecurityContext.SeccompProfile = nil }),
		)

		It("don't let the manager write to its own file system", func() {
			Expect(deployment.Spec.Template.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem).To(Equal(new(true)))
		})
	})

	DescribeTable("let the manager", func(ctx context.Context, may bool, verbs, group, resource, namespace, name string) {
		for verb := range strings.SplitSeq(verbs, ",") {
			resource, sub, _ := strings.Cut(resource, "/")
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User:   "system:serviceaccount:" + system + ":" + account,
				Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + system, "system:authenticated"},
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: verb, Group: group, Resource: resource, Subresource: sub, Namespace: namespace, Name: name,
				},
			}}
			// The authorizer learns of a new binding by a watch.
			decision := func(g Gomega) bool {
				g.Expect(kube.Create(ctx, review)).To(Succeed())
				return review.Status.Allowed
			}
			Eventually(decision).Should(Equal(may), verb)
		}
	},
		Entry("watch and patch objects everywhere, and delete those whose time to live is over", true, "get,list,watch,patch,delete", "chaos.agentdisconnect.dev", "agentdisconnects", "any", ""),
		Entry("patch their status", true, "get,patch", "chaos.agentdisconnect.dev", "agentdisconnects/status", "any", ""),
		Entry("record events about them", true, "create,patch", "events.k8s.io", "events", "any", ""),
		Entry("hold its lease", true, "get,update", "coordination.k8s.io", "leases", system, "agentdisconnect.chaos.agentdisconnect.dev"),
		Entry("create its lease", true, "create", "coordination.k8s.io", "leases", system, ""),
		Entry("record who leads", true, "create,patch", "", "events", system, ""),
		Entry("ask who reads its metrics", true, "create", "authentication.k8s.io", "tokenreviews", "", ""),
		Entry("ask whether they may", true, "create", "authorization.k8s.io", "subjectaccessreviews", "", ""),
		Entry("create objects, for schedules", true, "create", "chaos.agentdisconnect.dev", "agentdisconnects", "any", ""),
		Entry("watch schedules", true, "get,list,watch", "chaos.agentdisconnect.dev", "agentdisconnectschedules", "any", ""),
		Entry("patch the status of schedules", true, "get,patch", "chaos.agentdisconnect.dev", "agentdisconnectschedules/status", "any", ""),
		Entry("but not change or delete schedules", false, "create,update,patch,delete,deletecollection", "chaos.agentdisconnect.dev", "agentdisconnectschedules", "any", ""),
		Entry("watch halts", true, "get,list,watch", "chaos.agentdisconnect.dev", "agentdisconnecthalts", "", ""),
		Entry("but not pull or release them", false, "create,update,patch,delete,deletecollection", "chaos.agentdisconnect.dev", "agentdisconnecthalts", "", ""),
		Entry("but not replace objects, nor delete them all at once", false, "update,deletecollection", "chaos.agentdisconnect.dev", "agentdisconnects", "any", ""),
		Entry("but not hold another's lease", false, "get,update", "coordination.k8s.io", "leases", system, "another"),
		Entry("but not touch leases elsewhere", false, "create,get,update", "coordination.k8s.io", "leases", "kube-system", ""),
		Entry("but not read secrets", false, "get,list,watch", "", "secrets", system, ""),
	)

	// The component config/components/aggregate does; package hack/chart tests it.
	It("give users roles that join none of Kubernetes", func(ctx context.Context) {
		for _, name := range []string{"editor", "viewer"} {
			role := &unstructured.Unstructured{}
			role.SetAPIVersion("rbac.authorization.k8s.io/v1")
			role.SetKind("ClusterRole")
			Expect(kube.Get(ctx, client.ObjectKey{Name: "agentdisconnect-" + name}, role)).To(Succeed())
			for label := range role.GetLabels() {
				Expect(label).NotTo(ContainSubstring("aggregate-to"))
			}
			// The status holds the ledger of what to undo.
			rules, _, err := unstructured.NestedSlice(role.Object, "rules")
			Expect(err).NotTo(HaveOccurred())
			Expect(rules).To(ContainElement(fields{
				"apiGroups": list("chaos.agentdisconnect.dev"), "resources": list("agentdisconnects/status", "agentdisconnectschedules/status"), "verbs": list("get"),
			}))
		}
	})

	It("give the permission to halt and to resume to roles of their own", func(ctx context.Context) {
		for name, want := range map[string][]any{
			"halter": list("create", "get", "list", "watch"), "resumer": list("delete", "get", "list", "watch"), "editor": nil, "viewer": nil,
		} {
			role := &rbacv1.ClusterRole{}
			Expect(kube.Get(ctx, client.ObjectKey{Name: "agentdisconnect-" + name}, role)).To(Succeed())
			Expect(role.Labels).NotTo(HaveKey(ContainSubstring("aggregate-to")))
			var verbs []any
			for _, rule := range role.Rules {
				if slices.Contains(rule.Resources, "agentdisconnecthalts") {
					for _, verb := range rule.Verbs {
						verbs = append(verbs, verb)
					}
				}
			}
			Expect(verbs).To(Equal(want), name)
		}
	})

	It("send the services' traffic to the manager's ports", func() {
		for _, u := range objects {
			if u.GetKind() != "Service" {
				continue
			}
			service := &corev1.Service{}
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, service)).To(Succeed())
			Expect(service.Spec.Selector).NotTo(BeEmpty())
			for key, value := range service.Spec.Selector {
				Expect(deployment.Spec.Template.Labels).To(HaveKeyWithValue(key, value))
			}
			for _, port := range service.Spec.Ports {
				Expect(deployment.Spec.Template.Spec.Containers[0].Ports).To(ContainElement(HaveField("Name", port.TargetPort.StrVal)))
			}
		}
	})
})
