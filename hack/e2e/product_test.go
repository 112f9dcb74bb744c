// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// What config/default calls things.
const (
	namespace  = "agentdisconnect-system"
	deployment = "agentdisconnect-controller-manager"
	lease      = "agentdisconnect.chaos.agentdisconnect.dev"
)

// crds are the product's, in the order in which they can be deleted.
var crds = []string{"agentdisconnectschedules.chaos.agentdisconnect.dev", "agentdisconnects.chaos.agentdisconnect.dev", "agentdisconnecthalts.chaos.agentdisconnect.dev"}

// release is a version of the product, with its settings.
type release struct {
	config, image string
	args          []string
}

// current is the version to try. Its managers look more often than by default, which saves minutes.
func current(args ...string) release {
	return release{set.config, set.image, append([]string{"--agent-poll-interval=5s", "--network-acl-poll-interval=10s"}, args...)}
}

// deploy installs the release or changes what is installed to it, and waits until all of it serves.
func (r release) deploy(ctx context.Context) {
	GinkgoHelper()
	if r.config == set.config {
		run(ctx, "make", "deploy", "KUBECTL="+set.kubectl, "OVERLAY="+r.overlay(), "IMG="+r.image)
	} else {
		kubectl(ctx, "apply", "--server-side", "-k", r.overlay())
	}
	kubectl(ctx, "rollout", "status", "-n", namespace, "deployment/"+deployment, "--timeout=5m")
	Eventually(ctx, func(g Gomega) {
		g.Expect(managers(ctx, g)).To(HaveLen(2), "pods of the roll-out before are there still")
		g.Expect(names(managers(ctx, g))).To(ContainElement(leader(ctx, g)))
	}).Should(Succeed())
}

// overlay writes what a user keeps in a repository: where AWS is, and flags.
func (r release) overlay() (folder string) {
	GinkgoHelper()
	bin := filepath.Join(set.root, "bin")
	Expect(os.MkdirAll(bin, 0o755)).To(Succeed())
	folder, err := os.MkdirTemp(bin, "e2e-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, folder)

	config := r.config
	if filepath.IsAbs(config) { // kustomize takes no absolute path
		config, err = filepath.Rel(folder, config)
		Expect(err).NotTo(HaveOccurred())
	}

	args := r.args
	if set.dnsServer != "" {
		args = append(args, "--dns-server="+set.dnsServer)
	}
	const container = "/spec/template/spec/containers/0"
	operations := []map[string]any{
		{"op": "replace", "path": container + "/image", "value": r.image},
		{"op": "add", "path": container + "/envFrom", "value": []any{map[string]any{"secretRef": map[string]any{"name": "aws"}}}},
	}
	for _, arg := range args {
		operations = append(operations, map[string]any{"op": "add", "path": container + "/args/-", "value": arg})
	}
	patch, err := yaml.Marshal(operations)
	Expect(err).NotTo(HaveOccurred())

	text, err := yaml.Marshal(map[string]any{
		"resources": []string{config},
		"patches":   []any{map[string]any{"target": map[string]any{"kind": "Deployment"}, "patch": string(patch)}},
		"secretGenerator": []any{map[string]any{
			"name": "aws", "namespace": namespace, "options": map[string]any{"disableNameSuffixHash": true},
			"literals": []string{
				"AWS_ENDPOINT_URL=" + set.podEndpoint, "AWS_REGION=" + set.region,
				"AWS_ACCESS_KEY_ID=" + set.key, "AWS_SECRET_ACCESS_KEY=" + set.secret,
			},
		}},
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(filepath.Join(folder, "kustomization.yaml"), text, 0o600)).To(Succeed())
	return folder
}

// installed lists what the cluster has of the product, whatever its kind.
func installed(ctx context.Context) []string {
	GinkgoHelper()
	kinds := strings.Fields(kubectl(ctx, "api-resources", "--verbs=list", "-o", "name"))
	kinds = slices.DeleteFunc(kinds, func(kind string) bool { return strings.HasPrefix(kind, "events") || kind == "componentstatuses" })
	return strings.Fields(kubectl(ctx, "get", strings.Join(kinds, ","), "--all-namespaces", "--ignore-not-found",
		"-l", "app.kubernetes.io/part-of=agentdisconnect", "-o", "name"))
}

// managers are the pods of the manager.
func managers(ctx context.Context, g Gomega) []corev1.Pod {
	GinkgoHelper()
	var list corev1.PodList
	g.Expect(cluster.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{"app.kubernetes.io/component": "controller-manager"})).To(Succeed())
	return list.Items
}

func names(pods []corev1.Pod) (all []string) {
	for _, pod := range pods {
		all = append(all, pod.Name)
	}
	return all
}

// leader is the pod that has the lease; empty: none.
func leader(ctx context.Context, g Gomega) string {
	GinkgoHelper()
	var held coordinationv1.Lease
	g.Expect(cluster.Get(ctx, client.ObjectKey{Namespace: namespace, Name: lease}, &held)).To(Succeed())
	if held.Spec.HolderIdentity == nil {
		return ""
	}
	pod, _, _ := strings.Cut(*held.Spec.HolderIdentity, "_")
	return pod
}

// untilLed waits for a leader that is none of the given pods, beside a standby.
func untilLed(ctx context.Context, former ...string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		g.Expect(former).NotTo(ContainElement(leader(ctx, g)))
		g.Expect(names(managers(ctx, g))).To(ContainElement(leader(ctx, g)))
		var d appsv1.Deployment
		g.Expect(cluster.Get(ctx, client.ObjectKey{Namespace: namespace, Name: deployment}, &d)).To(Succeed())
		g.Expect(d.Status.ReadyReplicas).To(BeEquivalentTo(2))
	}).Should(Succeed())
}
