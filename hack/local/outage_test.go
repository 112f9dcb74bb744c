// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/shirou/gopsutil/v4/process"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

func TestTheControlPlaneEndsByItselfInTheMiddleOfRuns(t *testing.T) {
	u := newUser(t)
	// Programs of its own, so that one can be missing for a while.
	assets := t.TempDir()
	for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
		u.Expect(os.Symlink(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), name), filepath.Join(assets, name))).To(Succeed())
	}
	t.Setenv("KUBEBUILDER_ASSETS", assets)
	r := u.start()
	run := r.printed("kubectl agentdisconnect run first")

	// kube-apiserver ends. The run goes on, and ends when its time is over.
	follow := u.begin("first", run)
	u.Expect(r.said()).NotTo(ContainSubstring("has not answered"))
	kubeconfig := u.read("kubeconfig")
	u.kill("--cert-dir=" + filepath.Join(u.state, "kube-apiserver"))
	u.Eventually(r.said).Should(And(MatchRegexp("The control plane has not answered for 20s: .*connection refused"), ContainSubstring("The control plane runs again.")))
	u.Expect(u.read("kubeconfig")).To(Equal(kubeconfig), "the manager and the commands that follow a run still have the right address")
	u.shell(`kubectl patch agd first --type merge --patch '{"spec": {"duration": "1m"}}'`)
	u.Eventually(u.status("first")).Should(HaveField("State", v1alpha1.StateCompleted))
	u.Expect(landscape(u.sim)).To(Equal(u.before))
	u.Expect(follow()).To(Succeed(), "the command that follows the run goes on")

	// etcd ends, cannot be started again for a while, and Ctrl-C comes meanwhile.
	u.begin("second", strings.Replace(run, "run first", "run second", 1))
	u.Expect(os.Rename(filepath.Join(assets, "etcd"), filepath.Join(assets, "away"))).To(Succeed())
	u.kill("--data-dir=" + filepath.Join(u.state, "etcd"))
	u.Eventually(r.said).Should(SatisfyAll(
		ContainSubstring("kube-apiserver is not ready: 500"), ContainSubstring("The control plane cannot be started again:"), ContainSubstring(filepath.Join(assets, "etcd")),
	))
	r.signal(os.Interrupt)
	u.Eventually(r.said).Should(ContainSubstring("the API server does not answer as it should"))
	u.Expect(landscape(u.sim)).NotTo(Equal(u.before))
	u.Expect(os.Rename(filepath.Join(assets, "away"), filepath.Join(assets, "etcd"))).To(Succeed())
	r.expectEnd(0)
	u.Expect(landscape(u.sim)).To(Equal(u.before))
	u.Expect(strings.Count(r.said(), "The control plane runs again.")).To(Equal(2))
	u.Expect(r.said()).To(And(ContainSubstring("No run is left"), Not(ContainSubstring("Another one was started")), Not(ContainSubstring("stopping:"))))
	u.Expect(u.find(u.state)).To(BeEmpty(), "nothing runs any more")
}

// read reads a file of the folder that make local keeps.
func (u *user) read(name string) string {
	u.Helper()
	text, err := os.ReadFile(filepath.Join(u.state, name))
	u.Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// find gives the processes with a word in their command line that contains a text.
func (u *user) find(text string) []*process.Process {
	u.Helper()
	all, err := process.Processes()
	u.Expect(err).NotTo(HaveOccurred())
	return slices.DeleteFunc(all, func(p *process.Process) bool {
		line, err := p.Cmdline() // one that ended meanwhile has none
		return err != nil || !strings.Contains(line, text)
	})
}

// kill ends the server with a flag, as the kernel does when memory runs out.
func (u *user) kill(flag string) {
	u.Helper()
	found := u.find(flag)
	u.Expect(found).To(HaveLen(1), flag)
	u.Expect(found[0].Kill()).To(Succeed())
}
