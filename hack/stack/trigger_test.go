// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// nightly is suspended, so that only trigger begins a run.
const nightly = `apiVersion: chaos.agentdisconnect.dev/v1alpha1
kind: AgentDisconnectSchedule
metadata:
  name: nightly
spec:
  schedule: "30 2 * * *"
  suspend: true
  template:
    spec:
      cluster: ` + world.DefaultCluster + `
      subnetID: ` + world.DedicatedSubnet + `
      duration: 30m
`

// plugin is the product's plugin, as kubectl finds it on the PATH.
func (l *lives) plugin(args ...string) (cmd *exec.Cmd, said *bytes.Buffer) {
	said = &bytes.Buffer{}
	cmd = exec.CommandContext(l.Context(), l.Kubectl, slices.Concat([]string{"agentdisconnect"}, args, []string{"--kubeconfig", l.Kubeconfig, "--namespace", "default"})...)
	cmd.Env = append(os.Environ(), "PATH="+l.Dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = said, said
	return cmd, said
}

// trigger runs a schedule by the plugin, is refused a second run meanwhile, and ends the first.
func (l *lives) trigger() {
	l.Helper()
	l.write("nightly.yaml", nightly)
	l.does("apply", "--filename", filepath.Join(l.folder, "nightly.yaml"))
	first, saidFirst := l.plugin("schedule", "trigger", "nightly")
	l.Expect(first.Start()).To(Succeed())
	ended := make(chan error, 1)
	go func() { ended <- first.Wait() }()

	runs := "--selector=" + v1alpha1.LabelSchedule + "=nightly"
	name := func() string {
		return strings.TrimSpace(l.does("get", "agd", runs, "--output=jsonpath={.items[*].metadata.name}"))
	}
	l.Eventually(name, 5*time.Minute, time.Second).ShouldNot(BeEmpty())
	l.reaches(name(), v1alpha1.StateBlocking)
	l.Expect(l.entries()).To(BeNumerically(">", l.before))
	l.does("wait", "agds/nightly", "--for=jsonpath={.status.active[0]}="+name(), "--timeout=5m")

	second, saidSecond := l.plugin("schedule", "trigger", "nightly")
	l.Expect(second.Run()).NotTo(Succeed())
	l.Expect(second.ProcessState.ExitCode()).To(Equal(2), saidSecond.String())
	l.Expect(saidSecond.String()).To(And(ContainSubstring(name()+" is on"), ContainSubstring("concurrencyPolicy"), ContainSubstring("kubectl agentdisconnect stop "+name())))

	stop, saidStop := l.plugin("stop", name(), "--yes")
	l.Expect(stop.Run()).To(Succeed(), saidStop.String())
	l.Eventually(ended, 5*time.Minute).Should(Receive(HaveOccurred()))
	l.Expect(first.ProcessState.ExitCode()).To(Equal(1), saidFirst.String())
	l.Expect(l.entries()).To(Equal(l.before))
}
