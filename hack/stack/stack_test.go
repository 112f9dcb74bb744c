// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"errors"
	"os"
	"syscall"
	"testing"

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

func runs(pid int) bool { return syscall.Kill(pid, 0) == nil }
