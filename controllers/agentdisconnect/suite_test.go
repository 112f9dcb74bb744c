// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

var (
	environment = &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		// What would never come is bounded, not what a busy machine takes.
		ControlPlaneStartTimeout: 5 * time.Minute, ControlPlaneStopTimeout: 5 * time.Minute,
	}
	restConfig *rest.Config
	kube       client.Client
)

// patience bounds what would never come. No spec depends on how fast the machine is.
const patience = 5 * time.Minute

func TestSpecs(t *testing.T) {
	SetDefaultEventuallyTimeout(patience)
	RegisterFailHandler(Fail)
	RunSpecs(t, "AgentDisconnect controller")
}

var _ = BeforeSuite(func(context.Context) {
	ctrl.SetLogger(zap.New(zap.UseDevMode(true), zap.WriteTo(GinkgoWriter)))
	// A quarter of what the API server does is collecting garbage, of which little is there.
	Expect(os.Setenv("GOGC", "400")).To(Succeed())
	var err error
	restConfig, err = environment.Start()
	Expect(err).NotTo(HaveOccurred())
	restConfig.QPS = -1
	DeferCleanup(func() { Expect(environment.Stop()).To(Succeed()) })

	scheme := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	kube, err = client.New(restConfig, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
})
