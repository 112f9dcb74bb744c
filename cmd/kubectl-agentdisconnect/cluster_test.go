// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
	"agentdisconnect.dev/agentdisconnect/hack/controlplane"
)

// apiServer is the one control plane of the package's tests, started by the first that needs it.
var apiServer struct {
	sync.Once
	*controlplane.ControlPlane
	// dir has what it stores, for a test that stops it for a while.
	dir string
	err error
}

// startAPIServer keeps the folder for the whole package: it outlives the test that starts it.
func startAPIServer() {
	if apiServer.dir, apiServer.err = os.MkdirTemp("", "plugin"); apiServer.err == nil {
		apiServer.ControlPlane, apiServer.err = controlplane.Start(controlplane.Options{SpareCPU: true, Dir: apiServer.dir})
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	if apiServer.ControlPlane != nil {
		if err := apiServer.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if apiServer.dir != "" {
		_ = os.RemoveAll(apiServer.dir)
	}
	os.Exit(code)
}

// neverComes bounds what would never come. No test depends on how fast the machine is.
const neverComes = 3 * time.Minute

// screenBuffer is written by the command while a test reads it.
type screenBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screenBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screenBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// runs is one test's own namespace, and the command on that cluster. The test writes what a manager
// would.
type runs struct {
	*testing.T
	Gomega
	kube                  client.Client
	namespace, kubeconfig string
	clock                 *clocktesting.FakeClock
	signals               chan os.Signal
	program               *program
	out, errOut           screenBuffer
	// code gets the exit code of a command that was begun.
	code chan int
}

func newRuns(t *testing.T) *runs {
	t.Helper()
	apiServer.Do(startAPIServer)
	g := NewWithT(t)
	g.Expect(apiServer.err).NotTo(HaveOccurred())
	g.SetDefaultEventuallyTimeout(neverComes)

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	g.Expect(apiServer.Client.Create(t.Context(), namespace)).To(Succeed())
	r := &runs{
		T: t, Gomega: g, kube: apiServer.Client, namespace: namespace.Name, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"),
		clock: clocktesting.NewFakeClock(time.Now()), signals: make(chan os.Signal, 2), code: make(chan int, 1),
	}
	g.Expect(os.WriteFile(r.kubeconfig, apiServer.Kubeconfig, 0o600)).To(Succeed())
	r.program = &program{
		in: strings.NewReader(""), out: &r.out, errOut: &r.errOut, clock: r.clock,
		interrupts: func() (<-chan os.Signal, func()) { return r.signals, func() {} },
	}
	return r
}

// begin begins a command line.
func (r *runs) begin(args ...string) {
	args = append(args, "--kubeconfig", r.kubeconfig)
	if args[0] != "list" {
		args = append(args, "--namespace", r.namespace)
	}
	go func() { r.code <- r.program.run(context.WithoutCancel(r.Context()), args) }()
}

// run runs a command line, and returns its exit code.
func (r *runs) run(args ...string) int {
	r.Helper()
	r.begin(args...)
	return r.end()
}

// end waits for the command that was begun.
func (r *runs) end() (code int) {
	r.Helper()
	r.Eventually(r.code).Should(Receive(&code), r.said)
	return code
}

func (r *runs) said() string { return r.out.String() + r.errOut.String() }

// sees waits until the command printed a text.
func (r *runs) sees(text string) {
	r.Helper()
	r.Eventually(r.said).Should(ContainSubstring(text))
}

// at puts a person at a terminal of a size, who types what the test writes.
func (r *runs) at(width, height int) io.Writer {
	in, typed := io.Pipe()
	r.program.in, r.program.terminal = in, true
	r.program.size = func() view.Size { return view.Size{Width: width, Height: height} }
	return typed
}

// file is a file with a text.
func (r *runs) file(text string) string {
	r.Helper()
	path := filepath.Join(r.TempDir(), "run.yaml")
	r.Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	return path
}

const manifest = `apiVersion: chaos.agentdisconnect.dev/v1alpha1
kind: AgentDisconnect
metadata:
  generateName: pipeline-
spec:
  cluster: demo
  subnetID: subnet-0c2e4a6b8d1f35790
  duration: 10m
`

// create creates an object, with changes.
func (r *runs) create(name string, changes ...func(*v1alpha1.AgentDisconnect)) *v1alpha1.AgentDisconnect {
	r.Helper()
	obj := &v1alpha1.AgentDisconnect{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: name},
		Spec:       v1alpha1.AgentDisconnectSpec{Cluster: "demo", SubnetID: "subnet-0c2e4a6b8d1f35790", Duration: metav1.Duration{Duration: 10 * time.Minute}},
	}
	for _, change := range changes {
		change(obj)
	}
	r.Expect(r.kube.Create(r.Context(), obj)).To(Succeed())
	return obj
}

// objects are those of the namespace.
func (r *runs) objects() []v1alpha1.AgentDisconnect {
	r.Helper()
	var list v1alpha1.AgentDisconnectList
	r.Expect(r.kube.List(r.Context(), &list, client.InNamespace(r.namespace))).To(Succeed())
	return list.Items
}

// only waits for the object that the command creates.
func (r *runs) only() *v1alpha1.AgentDisconnect {
	r.Helper()
	r.Eventually(r.objects).Should(HaveLen(1), r.said)
	return &r.objects()[0]
}

// write writes a state, as the manager does; a state of a person to act gets the reason of Stalled.
func (r *runs) write(obj *v1alpha1.AgentDisconnect, status metav1.ConditionStatus, state, message, stalled string, changes ...func(*v1alpha1.AgentDisconnectStatus)) {
	r.Helper()
	r.Expect(r.kube.Get(r.Context(), client.ObjectKeyFromObject(obj), obj)).To(Succeed())
	condition := metav1.Condition{
		Type: v1alpha1.ConditionSucceeded, Status: status, Reason: state, Message: message, ObservedGeneration: obj.Generation, LastTransitionTime: metav1.Now(),
	}
	obj.Status.ObservedGeneration, obj.Status.State, obj.Status.Conditions = obj.Generation, state, []metav1.Condition{condition}
	if stalled != "" {
		condition.Type, condition.Status, condition.Reason = v1alpha1.ConditionStalled, metav1.ConditionTrue, stalled
		obj.Status.Conditions = append(obj.Status.Conditions, condition)
	}
	for _, change := range changes {
		change(&obj.Status)
	}
	r.Expect(r.kube.Status().Update(r.Context(), obj)).To(Succeed())
}

// kubeconfigOf is a kubeconfig file for another user, who may do nothing yet, or for another
// server.
func (r *runs) kubeconfigOf(config *rest.Config) string {
	r.Helper()
	file := clientcmdapi.NewConfig()
	file.Clusters["c"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos["u"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	file.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	file.CurrentContext = "x"
	path := filepath.Join(r.TempDir(), "other")
	r.Expect(clientcmd.WriteToFile(*file, path)).To(Succeed())
	return path
}
