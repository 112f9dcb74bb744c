// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

var (
	set     settings
	cluster client.Client
	aws     *region
)

func TestSpecs(t *testing.T) {
	RegisterFailHandler(Fail)
	// Bounds of what hangs: no spec depends on how fast the cluster is.
	SetDefaultEventuallyTimeout(5 * time.Minute)
	SetDefaultEventuallyPollingInterval(500 * time.Millisecond)
	RunSpecs(t, "End to end")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	set, err = readSettings()
	Expect(err).NotTo(HaveOccurred())
	aws = newRegion(set)

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		Expect(add(scheme)).To(Succeed())
	}
	config, err := ctrl.GetConfig()
	Expect(err).NotTo(HaveOccurred())
	cluster, err = client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())

	// `make install` puts the CRDs there without labels.
	found := append(installed(ctx), strings.Fields(kubectl(ctx, append([]string{"get", "crd", "--ignore-not-found", "-o", "name"}, crds...)...))...)
	Expect(found).To(BeEmpty(), "this suite deletes CRDs and namespaces and drains nodes: give it a cluster that has no agentdisconnect")
	DeferCleanup(uninstall) // only from here on is the product in the cluster the suite's own
})

var _ = BeforeEach(func(ctx SpecContext) {
	var err error
	aws.before, err = aws.survey(ctx)
	Expect(err).NotTo(HaveOccurred())
})

// The next spec finds the Region as this one found it, also where this one failed.
var _ = AfterEach(func(ctx SpecContext) {
	if CurrentSpecReport().Failed() {
		explain(ctx)
		current().deploy(ctx)
		removeObjects(ctx)
	}
	aws.audit(ctx)
})

// run runs a command in the root of the repository, fails unless it succeeds, and gives its output.
func run(ctx context.Context, name string, args ...string) string {
	GinkgoHelper()
	said, err := try(ctx, name, args...)
	Expect(err).NotTo(HaveOccurred())
	return said
}

// try is run without the failure.
func try(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = set.root
	said, err := cmd.Output()
	GinkgoWriter.Printf("$ %s %s\n%s", name, strings.Join(args, " "), said)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, exit.Stderr)
	}
	return string(said), err
}

func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	return run(ctx, set.kubectl, args...)
}

// explain prints what a person looks at first.
func explain(ctx context.Context) {
	for _, args := range [][]string{
		{"get", "agentdisconnects,agentdisconnectschedules", "--all-namespaces", "-o", "yaml"},
		{"get", "pods,leases,events", "-n", namespace, "-o", "wide"},
		{"logs", "-n", namespace, "-l", "app.kubernetes.io/component=controller-manager", "--prefix", "--tail=100"},
	} {
		_, _ = try(ctx, set.kubectl, args...)
	}
}
