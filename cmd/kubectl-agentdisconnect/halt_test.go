// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// halts are those of the cluster. They are deleted with the test.
func (r *runs) halts() []v1alpha1.AgentDisconnectHalt {
	r.Helper()
	var list v1alpha1.AgentDisconnectHaltList
	r.Expect(r.kube.List(r.Context(), &list)).To(Succeed())
	return list.Items
}

func TestAHaltEndsAllRunsUntilItIsDeleted(t *testing.T) {
	r := newRuns(t)
	on, waiting, over := r.create("on"), r.create("waiting"), r.create("over")
	r.write(on, metav1.ConditionUnknown, v1alpha1.StateBlocking, "rules", "", func(status *v1alpha1.AgentDisconnectStatus) {
		now := metav1.Now()
		status.StartTime = &now
	})
	r.write(waiting, metav1.ConditionUnknown, v1alpha1.StateRefused, "no tag", v1alpha1.ReasonNoConsent)
	r.write(over, metav1.ConditionTrue, v1alpha1.StateCompleted, "done", "", func(status *v1alpha1.AgentDisconnectStatus) {
		now := metav1.Now()
		status.StartTime, status.RestoredTime, status.CompletionTime = &now, &now, &now
	})

	r.Expect(r.run("halt", "--reason", "checkout is down")).To(Equal(exitDone), r.said())
	r.Expect(r.halts()).To(HaveLen(1))
	first := r.halts()[0]
	r.Expect(*first.Spec).To(Equal(v1alpha1.AgentDisconnectHaltSpec{Reason: "checkout is down", RequestedBy: "admin"}))
	r.Expect(r.said()).To(HavePrefix("All runs are halted by AgentDisconnectHalt " + first.Name + ". To let runs start again: kubectl agentdisconnect resume " + first.Name + "\nThe manager ends "))
	ended, held, found := strings.Cut(r.said(), "Not started, and held back while a halt exists: ") // beside the objects of other tests
	r.Expect(found).To(BeTrue(), r.said())
	r.Expect(ended).To(ContainSubstring("\n  " + r.namespace + "/on: Blocking\n"))
	r.Expect(held).To(ContainSubstring("\n  " + r.namespace + "/waiting: Refused\n"))
	r.Expect(r.said()).NotTo(ContainSubstring(r.namespace + "/over"))

	r.Expect(r.run("halt")).To(Equal(exitDone))
	r.out.b.Reset()
	r.Expect(r.run("resume", first.Name)).To(Equal(exitDone))
	r.Expect(r.said()).To(HavePrefix("Deleted AgentDisconnectHalt " + first.Name + ", requested by admin: checkout is down\nNo run starts: there is still 1 halt\n"))
	r.out.b.Reset()
	r.Expect(r.run("resume")).To(Equal(exitDone))
	r.Expect(r.said()).To(HavePrefix("No run starts: there is still 1 halt\n  AgentDisconnectHalt halt-"))
	r.Expect(r.halts()).To(HaveLen(1), "without a name nothing is deleted")
	r.out.b.Reset()
	r.Expect(r.run("resume", "--all")).To(Equal(exitDone))
	_, free, found := strings.Cut(r.said(), "There is no halt: runs start.\nCan start now: ")
	r.Expect(found).To(BeTrue(), r.said())
	r.Expect(free).To(ContainSubstring("\n  " + r.namespace + "/waiting: Refused\n"))
	r.Expect(free).NotTo(Or(ContainSubstring(r.namespace+"/on"), ContainSubstring(r.namespace+"/over")))
	r.Expect(r.halts()).To(BeEmpty())
}

func TestHaltAndResumeRefuseWhatTheyCannotDo(t *testing.T) {
	r := newRuns(t)
	r.Expect(r.run("halt", "--reason", strings.Repeat("x", 257))).To(Equal(exitUsage))
	r.Expect(r.said()).To(ContainSubstring("--reason has 257 characters: it may have 256 at most"))
	r.Expect(r.run("halt", "now")).To(Equal(exitUsage))
	r.Expect(r.run("resume", "a", "--all")).To(Equal(exitUsage))
	r.Expect(r.run("resume", "no-such-halt")).To(Equal(exitError))
	r.Expect(r.said()).To(ContainSubstring("there is no AgentDisconnectHalt no-such-halt"))
	r.Expect(r.halts()).To(BeEmpty())
}
