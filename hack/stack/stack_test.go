// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"errors"
	"os"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

func TestStartsRestartsAndLeavesNothing(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: run it through make test")
	}
	s, err := stack.Start(t.Context(), stack.Options{Simulator: sim.Options{NoAgents: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Client.List(t.Context(), &v1alpha1.AgentDisconnectList{}); err != nil {
		t.Error(err)
	}
	first := s.ManagerPID()
	if err := s.RestartManager(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := s.ManagerPID()
	if first == second || s.ManagerErr() != nil || runs(first) || !runs(second) {
		t.Errorf("manager %d became %d: %v", first, second, s.ManagerErr())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.Dir); runs(second) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: process %d or folder %s", second, s.Dir)
	}
}

func TestNoticesAManagerThatEnds(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: run it through make test")
	}
	_, err := stack.Start(t.Context(), stack.Options{
		Simulator: sim.Options{NoAgents: true}, ManagerArgs: []string{"--agent-poll-interval=1h"},
	})
	if err == nil {
		t.Error("a manager with a bad flag started")
	}
	t.Log(err)
}

func TestLosesManagersAndTheControlPlaneAndGoesOn(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: run it through make test")
	}
	s, err := stack.Start(t.Context(), stack.Options{Simulator: sim.Options{NoAgents: true}, NoManager: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	first, err := s.AddManager(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Kill(); err != nil || runs(first.PID()) || first.Err() == nil {
		t.Errorf("manager %d was killed (%v) and ended as %v", first.PID(), err, first.Err())
	}
	second, err := s.AddManager(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if second.Log == first.Log {
		t.Errorf("two managers have the log %s", first.Log)
	}

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "survivor"}}
	if err := s.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.ControlPlane.StopAPIServer(), s.ControlPlane.StopEtcd()); err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(namespace), namespace); !utilnet.IsConnectionRefused(err) {
		t.Errorf("an API server that was stopped answered with %v", err)
	}
	if err := errors.Join(s.ControlPlane.StartEtcd(), s.ControlPlane.StartAPIServer()); err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(namespace), namespace); err != nil {
		t.Errorf("after a restart: %v", err)
	}

	if err := second.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil || runs(second.PID()) {
		t.Errorf("closing with a paused manager: %v", err)
	}
}

func runs(pid int) bool { return syscall.Kill(pid, 0) == nil }
