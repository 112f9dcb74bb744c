// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"agentdisconnect.dev/agentdisconnect/hack/controlplane"
)

var (
	control *controlplane.ControlPlane
	kube    client.Client
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
	var err error
	control, err = controlplane.Start(controlplane.Options{SpareCPU: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(control.Close()).To(Succeed()) })
	kube = control.Client
})
