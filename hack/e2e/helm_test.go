// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var _ = Describe("The Helm chart", func() {
	BeforeEach(func(ctx SpecContext) {
		uninstall(ctx)
		Expect(cluster.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
		Expect(cluster.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "aws"},
			StringData: map[string]string{"AWS_ACCESS_KEY_ID": set.key, "AWS_SECRET_ACCESS_KEY": set.secret},
		})).To(Succeed())
	})

	It("installs, is upgraded to another flag in the middle of a run, and leaves the CRDs", func(ctx SpecContext) {
		helm(ctx, "install")
		during(ctx, func(ctx context.Context) {
			former := names(managers(ctx, Default))
			helm(ctx, "upgrade", "--set", "flags.max-duration=30m")
			untilLed(ctx, former...)
		})

		run(ctx, helmPath(), "uninstall", "agentdisconnect", "-n", namespace)
		Eventually(ctx, installed).Should(ConsistOf( // pods end a little later
			"customresourcedefinition.apiextensions.k8s.io/"+crds[0], "customresourcedefinition.apiextensions.k8s.io/"+crds[1]))
		run(ctx, "make", "uninstall", "KUBECTL="+set.kubectl)
		deleteManager(ctx)
	})
})

func helmPath() string { return filepath.Join(set.root, "bin", "tools", "helm") }

// helm installs or upgrades the release, and waits until it serves.
func helm(ctx context.Context, verb string, args ...string) {
	GinkgoHelper()
	at := strings.LastIndex(set.image, ":")
	Expect(at).To(BeNumerically(">", 0), "IMG has no tag")
	args = append([]string{
		verb, "agentdisconnect", "config/chart", "-n", namespace, "--wait", "--timeout", "5m",
		"--set", "image.repository=" + set.image[:at], "--set", "image.tag=" + set.image[at+1:],
		"--set", "aws.region=" + set.region, "--set", "aws.endpointURL=" + set.podEndpoint, "--set", "aws.credentials.secretName=aws",
		"--set", "flags.agent-poll-interval=5s", "--set", "flags.dns-server=" + set.dnsServer,
	}, args...)
	run(ctx, helmPath(), args...)
}
