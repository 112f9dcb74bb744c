// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

func TestListSaysWhy(t *testing.T) {
	r := newRuns(t)
	r.Expect(r.run("list", "--namespace", r.namespace)).To(Equal(exitDone))
	r.Expect(r.errOut.String()).To(Equal("There is no AgentDisconnect in namespace " + r.namespace + ".\n"))

	r.write(r.create("refused"), unknown, v1alpha1.StateRefused, noConsent, v1alpha1.ReasonNoConsent)
	r.write(r.create("done"), yes, v1alpha1.StateCompleted, "all is well", "")
	r.Expect(r.run("list", "--namespace", r.namespace)).To(Equal(exitDone), r.said())
	r.Expect(strings.Split(r.out.String(), "\n")).To(HaveExactElements(
		MatchRegexp(`^NAME +STATE +AGENTS +END +AGE +REASON$`), MatchRegexp(`^done +Completed`), MatchRegexp(`^refused +Refused .* NoConsent: `+noConsent+`$`), BeEmpty()))

	r.Expect(r.run("list", "-A")).To(Equal(exitDone))
	r.Expect(r.out.String()).To(MatchRegexp(`(?m)^` + r.namespace + ` +refused`))
}

func TestNamesComplete(t *testing.T) {
	r := newRuns(t)
	r.create("checkout")
	r.write(r.create("cart"), yes, v1alpha1.StateCompleted, "x", "")
	r.create("other")
	for _, command := range []string{"wait", "watch", "plan", "stop"} {
		r.out.b.Reset()
		args := []string{"__complete", command, "--kubeconfig", r.kubeconfig, "--namespace", r.namespace, "c"}
		r.Expect(r.program.run(r.Context(), args)).To(Equal(exitDone))
		r.Expect(r.out.String()).To(Equal("cart\tCompleted\ncheckout\tnot processed by the manager yet\n:4\n"), r.errOut.String())
	}
}

func TestPlansThatAreNotThere(t *testing.T) {
	r := newRuns(t)
	plan := func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Mode = v1alpha1.ModePlan }
	r.create("run")
	r.create("early", plan)
	r.write(r.create("refused", plan), unknown, v1alpha1.StateRefused, noConsent, v1alpha1.ReasonNoConsent)
	for name, want := range map[string]string{"run": "its mode is not Plan", "early": "has no plan yet", "refused": "NoConsent: " + noConsent} {
		r.Expect(r.run("plan", name)).To(Equal(exitError))
		r.Expect(r.errOut.String()).To(ContainSubstring(want))
	}
}

func TestStopEndsARunAfterAQuestion(t *testing.T) {
	r := newRuns(t)
	obj := r.create("on", func(obj *v1alpha1.AgentDisconnect) { obj.Finalizers = []string{v1alpha1.Finalizer} })
	r.write(obj, unknown, v1alpha1.StateBlocking, "x", "", func(status *v1alpha1.AgentDisconnectStatus) { status.StartTime = new(metav1.Now()) })
	r.Expect(r.run("stop", "on")).To(Equal(exitUsage))
	r.Expect(r.errOut.String()).To(ContainSubstring("no terminal to ask on, so nothing was deleted"))

	r.program.in, r.program.terminal = strings.NewReader("n\n"), true
	r.Expect(r.run("stop", "on")).To(Equal(exitRefused))
	r.Expect(r.only().DeletionTimestamp).To(BeNil())

	r.program.in = strings.NewReader("y\n")
	r.begin("stop", "on")
	r.sees("waiting until the manager has removed")
	r.Eventually(func() *metav1.Time { return r.only().DeletionTimestamp }).ShouldNot(BeNil())
	r.write(obj, unknown, v1alpha1.StateRestoring, "no rule is left", "", func(status *v1alpha1.AgentDisconnectStatus) { status.RestoredTime = new(metav1.Now()) })
	r.sees("Restoring: no rule is left")
	obj.Finalizers = nil
	r.Expect(r.kube.Update(r.Context(), obj)).To(Succeed())
	r.Expect(r.end()).To(Equal(exitDone), r.said())
	r.Expect(r.out.String()).To(ContainSubstring("on is gone; by its last status, nothing of the run is left in AWS"))
}

func TestStopLeavesARunThatIsOver(t *testing.T) {
	r := newRuns(t)
	r.write(r.create("done"), yes, v1alpha1.StateCompleted, "x", "")
	r.Expect(r.run("stop", "done", "--yes")).To(Equal(exitDone))
	r.Expect(r.out.String()).To(ContainSubstring("is over already: Completed"))
	r.Expect(r.objects()).To(HaveLen(1))
}

func TestStopOfAnObjectThatAToolHolds(t *testing.T) {
	r := newRuns(t)
	r.create("held", func(obj *v1alpha1.AgentDisconnect) {
		obj.Labels = map[string]string{"kustomize.toolkit.fluxcd.io/name": "runs", "kustomize.toolkit.fluxcd.io/namespace": "chaos"}
	})
	r.Expect(r.run("stop", "held", "--yes")).To(Equal(exitRefused))
	r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("was not deleted"), ContainSubstring("flux suspend kustomization runs --namespace chaos"), ContainSubstring("agentdisconnect.dev/allow")))
	r.Expect(r.objects()).To(HaveLen(1))
	r.Expect(r.run("stop", "held", "--yes", "--tool-stopped")).To(Equal(exitDone), r.said())
	r.Expect(r.objects()).To(BeEmpty())
}
