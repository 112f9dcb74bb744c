// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

const (
	runManifest = `apiVersion: chaos.agentdisconnect.dev/v1alpha1
kind: AgentDisconnect
metadata:
  name: checkout
  labels: {team: checkout}
spec:
  cluster: ` + world.DefaultCluster + `
  subnetID: ` + world.DedicatedSubnet + `
  duration: 30m
`
	kept = `apiVersion: v1
kind: ConfigMap
metadata:
  name: kept
  labels: {team: checkout}
`
	kustomization = `namePrefix: eu-
nameSuffix: -v2
resources: [run.yaml, kept.yaml]
`
)

// lives are those of objects that a person or a pipeline handles by kubectl, one after another in one world.
type lives struct {
	*testing.T
	Gomega
	*stack.Stack
	folder string
	before int // entries of the network ACL
}

// kubectl runs a command, and returns its exit code with what it printed.
func (l *lives) kubectl(args ...string) (said string, code int) {
	cmd := exec.CommandContext(l.Context(), l.Kubectl, append([]string{"--kubeconfig", l.Kubeconfig, "--namespace", "default"}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECTL_APPLYSET=true")
	out, err := cmd.CombinedOutput()
	if ended := (*exec.ExitError)(nil); err != nil && !errors.As(err, &ended) {
		l.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// does runs a command that must not fail.
func (l *lives) does(args ...string) string {
	l.Helper()
	said, code := l.kubectl(args...)
	l.Expect(code).To(BeZero(), "kubectl %s: %s", strings.Join(args, " "), said)
	return said
}

func (l *lives) write(file, text string) {
	l.Helper()
	l.Expect(os.WriteFile(filepath.Join(l.folder, file), []byte(text), 0o600)).To(Succeed())
}

func (l *lives) entries() int {
	l.Helper()
	found, _ := l.Sim.Region().NetworkACL(world.DedicatedACL)
	return len(found.Entries)
}

func (l *lives) reaches(name, state string) {
	l.Helper()
	l.does("wait", "agd/"+name, "--for=jsonpath={.status.state}="+state, "--timeout=5m")
}

// changed are the lines of a diff that differ.
func changed(diff string) (lines []string) {
	for line := range strings.Lines(diff) {
		if (line[0] == '+' || line[0] == '-') && !strings.HasPrefix(line, "+++ ") && !strings.HasPrefix(line, "--- ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// live takes one object through its life.
func (l *lives) live(name string, source, apply, prune []string) {
	l.Helper()
	apply = slices.Concat([]string{"apply"}, source, apply)
	diff := slices.Concat([]string{"diff"}, source)
	if slices.Contains(apply, "--server-side") {
		diff = append(diff, "--server-side")
	}
	l.write("run.yaml", runManifest)
	l.write("kept.yaml", kept)
	l.does(apply...)
	l.reaches(name, v1alpha1.StateBlocking)
	l.Expect(l.entries()).To(BeNumerically(">", l.before))

	// The manager may write the status between kubectl's read and its dry run.
	l.Eventually(func(g Gomega) {
		said, code := l.kubectl(diff...)
		if slices.Contains(apply, "--applyset=runs") { // its label is in no file, and is all that differs
			g.Expect(changed(said)).To(HaveEach(HavePrefix("-    applyset.kubernetes.io/part-of: ")), said)
		} else {
			g.Expect(code).To(BeZero(), "the run is drift: %s", said)
		}
	}, 5*time.Minute, time.Second).Should(Succeed())
	again := l.does(apply...)
	obj := &v1alpha1.AgentDisconnect{}
	l.Expect(l.Client.Get(l.Context(), client.ObjectKey{Namespace: "default", Name: name}, obj)).To(Succeed())
	l.Expect(obj.Generation).To(Equal(int64(1)), again)

	l.write("run.yaml", runManifest+"  suspend: true\n")
	said, code := l.kubectl(diff...)
	l.Expect(code).To(Equal(1), said)
	l.Expect(said).To(ContainSubstring("+  suspend: true"))
	l.does(apply...)
	l.reaches(name, v1alpha1.StateSuspended)
	l.Expect(l.entries()).To(Equal(l.before))
	l.write("run.yaml", runManifest)
	l.does(apply...)
	l.reaches(name, v1alpha1.StateBlocking)

	l.Expect(os.Remove(filepath.Join(l.folder, "run.yaml"))).To(Succeed())
	if len(prune) == 0 {
		l.does("delete", "agd/"+name)
	} else {
		l.Expect(l.does(slices.Concat(apply, prune)...)).To(ContainSubstring("agentdisconnect.chaos.agentdisconnect.dev/" + name + " pruned"))
		l.does("wait", "agd/"+name, "--for=delete", "--timeout=5m")
	}
	l.Expect(l.entries()).To(Equal(l.before))
}

func TestLivesByKubectlAndKustomize(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: run it through make test")
	}
	s, err := stack.Start(t.Context(), stack.Options{
		Simulator: sim.Options{NoAgents: true}, Programs: []string{"./cmd/kubectl-agentdisconnect"},
		ManagerArgs: []string{"--agent-poll-interval=250ms", "--network-acl-poll-interval=500ms", "--lookup-interval=100ms"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	l := &lives{T: t, Gomega: NewWithT(t), Stack: s, folder: t.TempDir()}
	l.before = l.entries()
	files := []string{"--filename", l.folder}
	allowed := []string{
		"--prune", "--selector=team=checkout", "--prune-allowlist=chaos.agentdisconnect.dev/v1alpha1/AgentDisconnect", "--prune-allowlist=core/v1/ConfigMap",
	}

	l.live("checkout", files, nil, allowed)
	l.live("checkout", files, []string{"--server-side", "--field-manager=pipeline"}, nil)
	l.live("checkout", files, []string{"--prune", "--applyset=runs"}, []string{"--prune=true"})

	l.write("kustomization.yaml", kustomization)
	l.live("eu-checkout-v2", []string{"--kustomize", l.folder}, nil, nil)

	// A name that the API server makes is for kubectl create alone.
	generated := strings.Replace(runManifest, "name: checkout", "generateName: checkout-", 1)
	l.write("run.yaml", generated)
	said, code := l.kubectl("apply", "--filename", filepath.Join(l.folder, "run.yaml"))
	l.Expect(code).NotTo(BeZero())
	l.Expect(said).To(ContainSubstring("cannot use generate name with apply"))
	said, code = l.kubectl("kustomize", l.folder)
	l.Expect(code).NotTo(BeZero())
	l.Expect(said).To(ContainSubstring("missing metadata.name"))
	name := strings.TrimSpace(l.does("create", "--filename", filepath.Join(l.folder, "run.yaml"), "--output=jsonpath={.metadata.name}"))
	l.Expect(name).To(HavePrefix("checkout-"))
	l.reaches(name, v1alpha1.StateBlocking)
	l.does("delete", "agd/"+name, "--timeout="+(5*time.Minute).String())
	l.Expect(l.entries()).To(Equal(l.before))

	l.trigger()
}
