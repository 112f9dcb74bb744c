// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	yes     = metav1.ConditionTrue
	no      = metav1.ConditionFalse
	unknown = metav1.ConditionUnknown

	noConsent = "subnet subnet-0c2e4a6b8d1f35790 has no tag agentdisconnect.dev/allow"
)

func TestRunCreatesTheObjectAndReturnsItsVerdict(t *testing.T) {
	for name, tc := range map[string]struct {
		status                  metav1.ConditionStatus
		state, message, stalled string
		code                    int
		// out and err are on standard output and on standard error.
		out, err string
	}{
		"Completed": {status: yes, state: v1alpha1.StateCompleted, message: "all agents were seen disconnected", out: "Completed: all agents were seen disconnected"},
		"Refused": {status: unknown, state: v1alpha1.StateRefused, message: noConsent, stalled: v1alpha1.ReasonNoConsent, code: 2,
			err: "is refused: NoConsent: " + noConsent + ". Nothing was written to AWS"},
		"Aborted": {status: no, state: v1alpha1.AbortDriftDetected, message: "the rules were removed", stalled: v1alpha1.AbortDriftDetected, code: 1,
			err: "failed: DriftDetected: the rules were removed."},
		"missed": {status: no, state: v1alpha1.AbortStartDeadlineExceeded, message: "the run had not begun", stalled: v1alpha1.AbortStartDeadlineExceeded, code: 1,
			err: "failed: StartDeadlineExceeded: the run had not begun."},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRuns(t)
			r.begin("run", "-f", r.file(manifest))
			obj := r.only()
			r.Expect(obj.Name).To(HavePrefix("pipeline-"))
			r.write(obj, unknown, v1alpha1.StateDiscovering, "looking for endpoints", "")
			r.sees("  Discovering: looking for endpoints\n")
			r.write(obj, tc.status, tc.state, tc.message, tc.stalled)
			r.Expect(r.end()).To(Equal(tc.code), r.said())
			r.Expect(r.out.String()).To(SatisfyAll(ContainSubstring("Created AgentDisconnect "+r.namespace+"/"+obj.Name), ContainSubstring(tc.out)))
			r.Expect(r.errOut.String()).To(ContainSubstring(tc.err))
			r.Expect(strings.Count(r.said(), tc.message)).To(Equal(1), "it is said once: %s", r.said())
			r.Expect(r.objects()).To(HaveLen(1), "it stays")
		})
	}
}

func TestRunOfFlagsHasThemInTheSpec(t *testing.T) {
	r := newRuns(t)
	r.begin("run", "by-flags", "--cluster", "demo", "--subnet", "subnet-0c2e4a6b8d1f35790", "--duration", "1h30m", "--region", "ap-northeast-1", "--mode", "Plan",
		"--sessions", "ACS,TCS", "--network-acl-mode", "Clone", "--other-clusters", "Allow", "--on-drift", "Abort", "--run-id", "one", "--ttl-seconds-after-finished", "60")
	obj := r.only()
	r.Expect(obj.Name).To(Equal("by-flags"))
	r.Expect(obj.Spec).To(Equal(v1alpha1.AgentDisconnectSpec{
		Cluster: "demo", SubnetID: "subnet-0c2e4a6b8d1f35790", Duration: metav1.Duration{Duration: 90 * time.Minute}, Region: "ap-northeast-1", Mode: v1alpha1.ModePlan,
		Sessions: []v1alpha1.Session{"ACS", "TCS"}, NetworkACLMode: v1alpha1.NetworkACLModeClone, OtherClusters: v1alpha1.OtherClustersAllow, OnDrift: v1alpha1.OnDriftAbort,
		RunID: "one", TTLSecondsAfterFinished: new(int32(60)),
	}))

	r.write(obj, yes, v1alpha1.StatePlanned, "a run would start", "", func(status *v1alpha1.AgentDisconnectStatus) {
		status.Plan = &v1alpha1.Plan{Time: metav1.Now(), ObservedGeneration: obj.Generation, WouldStart: new(true)}
	})
	r.Expect(r.end()).To(Equal(exitDone), r.said())
	r.Expect(r.out.String()).To(MatchRegexp(`(?m)^Would start +yes$`), "the plan follows")

	r.Expect(r.run("plan", "by-flags")).To(Equal(exitDone))
	r.Expect(r.out.String()).To(MatchRegexp(`(?m)^Made +20`))
}

func TestRunWithoutANameLetsTheServerMakeOne(t *testing.T) {
	r := newRuns(t)
	r.begin("run", "--cluster", "demo", "--subnet", "subnet-0c2e4a6b8d1f35790", "--duration", "10m")
	obj := r.only()
	r.Expect(obj.Name).To(MatchRegexp(`^run-.{5}$`))
	r.write(obj, yes, v1alpha1.StateCompleted, "x", "")
	r.Expect(r.end()).To(Equal(exitDone))
}

func TestATimeoutLeavesTheRunAlone(t *testing.T) {
	r := newRuns(t)
	r.create("long")
	r.begin("wait", "long", "--timeout", "10m")
	began := r.clock.Now()
	var code int
	r.Eventually(func() chan int { r.clock.Step(time.Second); return r.code }).WithPolling(time.Millisecond).Should(Receive(&code))
	r.Expect(code).To(Equal(exitTimeout), r.said())
	r.Expect(r.clock.Since(began)).To(BeNumerically(">=", 10*time.Minute))
	r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("is not over after 10m0s"), ContainSubstring("kubectl agentdisconnect stop long --namespace "+r.namespace)))
	r.Expect(r.out.String()).To(ContainSubstring("No manager has looked at the object for 30s"))
	r.Expect(r.objects()).To(HaveLen(1))
}

func TestWaitOnARunThatIsOverReturnsAtOnce(t *testing.T) {
	r := newRuns(t)
	r.write(r.create("done"), yes, v1alpha1.StateCompleted, "all is well", "")
	r.write(r.create("failed"), no, v1alpha1.StateAgentsStayedConnected, "1 agent stayed", v1alpha1.StateAgentsStayedConnected)
	r.Expect(r.run("wait", "done")).To(Equal(exitDone), r.said())
	r.Expect(r.out.String()).To(ContainSubstring("Completed: all is well"))
	r.Expect(r.run("wait", "failed")).To(Equal(exitFailed))
	r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("1 agent stayed"), ContainSubstring("docs/states/AgentsStayedConnected.md")))
}

func TestWaitIsForTheRunThatTheSpecAsksFor(t *testing.T) {
	r := newRuns(t)
	obj := r.create("again", func(obj *v1alpha1.AgentDisconnect) { obj.Spec.RunID = "two" })
	of := func(id string) func(*v1alpha1.AgentDisconnectStatus) {
		return func(status *v1alpha1.AgentDisconnectStatus) { status.RunID = id }
	}
	r.write(obj, yes, v1alpha1.StateCompleted, "the first", "", of("one"))
	r.begin("wait", "again")
	r.sees("Completed: the first")
	r.write(obj, no, v1alpha1.AbortDriftDetected, "the second", v1alpha1.AbortDriftDetected, of("two"))
	r.Expect(r.end()).To(Equal(exitFailed))
}

func TestAnObjectThatIsDeletedMeanwhile(t *testing.T) {
	for name, again := range map[string]bool{"for good": false, "and created again": true} {
		t.Run(name, func(t *testing.T) {
			r := newRuns(t)
			obj := r.create("gone")
			r.write(obj, unknown, v1alpha1.StateBlocking, "x", "", func(status *v1alpha1.AgentDisconnectStatus) { status.StartTime = new(metav1.Now()) })
			r.begin("wait", "gone")
			r.sees("Blocking: x")
			r.Expect(r.kube.Delete(r.Context(), obj)).To(Succeed())
			if again {
				r.create("gone")
			}
			r.Expect(r.end()).To(Equal(exitFailed))
			r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("the object was deleted before its run was over (last state: Blocking): AgentDisconnect "+r.namespace+"/gone is gone."),
				ContainSubstring("kubectl agentdisconnect sweep --uid "+string(obj.UID))))
		})
	}
}

func TestAnAPIServerThatIsAwayForAWhile(t *testing.T) {
	r := newRuns(t)
	obj := r.create("patient")
	r.begin("wait", "patient")
	r.Eventually(func() string { r.clock.Step(time.Second); return r.said() }).WithPolling(time.Millisecond).Should(ContainSubstring("No manager has looked at the object"))
	r.Expect(apiServer.StopAPIServer()).To(Succeed())
	r.Eventually(func() string { r.clock.Step(time.Second); return r.said() }).WithPolling(time.Millisecond).Should(ContainSubstring("No news of the run; trying again: "))
	r.Expect(apiServer.StartAPIServer()).To(Succeed())
	r.write(obj, yes, v1alpha1.StateCompleted, "all is well", "")
	var code int
	r.Eventually(func() chan int { r.clock.Step(time.Second); return r.code }).WithPolling(time.Millisecond).Should(Receive(&code))
	r.Expect(code).To(Equal(exitDone), r.said())
	r.Expect(strings.Count(r.said(), "No news")).To(Equal(1), "it is said once")
}

func TestWatchDecidesNothing(t *testing.T) {
	r := newRuns(t)
	obj := r.create("seen")
	r.write(obj, unknown, v1alpha1.StateRefused, noConsent, v1alpha1.ReasonNoConsent)
	r.begin("watch", "seen")
	r.sees("Refused: " + noConsent)
	r.write(obj, no, v1alpha1.AbortDriftDetected, "drift", v1alpha1.AbortDriftDetected)
	r.Expect(r.end()).To(Equal(exitDone), r.said())
	r.Expect(r.out.String()).To(ContainSubstring("DriftDetected: drift"))
}

func TestManifestsThatAreWrongCreateNothing(t *testing.T) {
	replaced := func(was, is string) string { return strings.Replace(manifest, was, is, 1) }
	for name, tc := range map[string]struct{ text, want string }{
		"no YAML":           {"a: [", "run.yaml is neither YAML nor JSON"},
		"nothing":           {"", "run.yaml has 0 objects"},
		"two":               {manifest + "---\n" + manifest, "run.yaml has 2 objects"},
		"another kind":      {replaced("kind: AgentDisconnect", "kind: Pod"), `kind "Pod": they must be chaos.agentdisconnect.dev/v1alpha1 and AgentDisconnect`},
		"another namespace": {replaced("metadata:", "metadata:\n  namespace: other"), `the manifest has namespace "other", and --namespace is "test-`},
		"an unknown field":  {replaced("duration:", "durration: 1m\n  duration:"), `unknown field "spec.durration"`},
		"a wrong value":     {replaced("subnet-0c2e4a6b8d1f35790", "my-subnet"), "must be the id of a subnet, such as"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRuns(t)
			r.Expect(r.run("run", "-f", r.file(tc.text))).To(Equal(exitUsage))
			r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring(tc.want), ContainSubstring("Error: ")))
			r.Expect(r.out.String()).To(BeEmpty())
			r.Expect(r.objects()).To(BeEmpty())
		})
	}
}

func TestAManifestOnStandardInput(t *testing.T) {
	r := newRuns(t)
	r.program.in = strings.NewReader("# a comment\n---\n" + manifest)
	r.begin("run", "-f", "-")
	r.write(r.only(), yes, v1alpha1.StateCompleted, "x", "")
	r.Expect(r.end()).To(Equal(exitDone), r.said())
}

func TestANameThatIsThere(t *testing.T) {
	r := newRuns(t)
	r.create("taken")
	r.Expect(r.run("run", "taken", "--cluster", "demo", "--subnet", "subnet-0c2e4a6b8d1f35790", "--duration", "10m")).To(Equal(exitRefused))
	r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("AgentDisconnect "+r.namespace+"/taken is there already, and was not changed"), ContainSubstring("spec.runID")))
}

func TestWhatIsNotThere(t *testing.T) {
	r := newRuns(t)
	for _, command := range []string{"wait", "watch", "plan", "stop"} {
		r.Expect(r.run(command, "nothing")).To(Equal(exitError))
		r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("get AgentDisconnect "+r.namespace+"/nothing: there is none of that name"), ContainSubstring("kubectl agentdisconnect list --namespace "+r.namespace)))
	}
	r.namespace = "no-such-namespace"
	r.Expect(r.run("run", "-f", r.file(manifest))).To(Equal(exitError))
	r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring(`namespaces "no-such-namespace" not found`), ContainSubstring("--namespace")))
}

func TestAUserWithoutAccess(t *testing.T) {
	r := newRuns(t)
	config, err := apiServer.AddUser("outsider-" + r.namespace)
	r.Expect(err).NotTo(HaveOccurred())
	r.kubeconfig = r.kubeconfigOf(config)
	for verb, args := range map[string][]string{"create": {"run", "-f", r.file(manifest)}, "get": {"wait", "demo"}, "list": {"list", "--namespace", r.namespace}} {
		r.Expect(r.run(args...)).To(Equal(exitError))
		r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring(verb+" AgentDisconnect "), ContainSubstring("ClusterRole agentdisconnect-editor"),
			ContainSubstring("kubectl auth can-i "+verb+" agentdisconnects.chaos.agentdisconnect.dev --namespace "+r.namespace)))
	}
}

func TestNoClusterThere(t *testing.T) {
	r := newRuns(t)
	r.kubeconfig = r.kubeconfigOf(&rest.Config{Host: "https://127.0.0.1:1"})
	r.Expect(r.run("wait", "demo")).To(Equal(exitError))
	r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("https://127.0.0.1:1 can't be reached"), ContainSubstring("--context")))

	r.kubeconfig = r.TempDir() + "/none"
	r.Expect(r.run("wait", "demo")).To(Equal(exitError))
	r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("no Kubernetes cluster"), ContainSubstring("--kubeconfig")))
}

func TestAClusterWithoutTheKind(t *testing.T) {
	r := newRuns(t)
	deleteCRD(r)
	r.Cleanup(func() {
		r.Expect(apiServer.InstallCRD()).To(Succeed())
		r.Eventually(r.listing).Should(Succeed())
	})
	for _, args := range [][]string{{"run", "-f", r.file(manifest)}, {"wait", "demo"}, {"list", "--namespace", r.namespace}} {
		r.Expect(r.run(args...)).To(Equal(exitError))
		r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("does not know the kind AgentDisconnect (chaos.agentdisconnect.dev/v1alpha1)"), ContainSubstring("make install")))
	}
}

func TestCtrlCWithoutATerminalLeavesTheRun(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		r := newRuns(t)
		r.begin("run", "-f", r.file(manifest))
		r.only()
		r.signals <- signal
		r.Expect(r.end()).To(Equal(exitInterrupted))
		r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("The run goes on"), ContainSubstring("kubectl agentdisconnect stop pipeline-")))
		r.Expect(r.objects()).To(HaveLen(1))
	}
}

func TestCtrlCAtATerminalAsksOnce(t *testing.T) {
	const question = "End the run?"
	for name, tc := range map[string]struct {
		answer func(r *runs, typed io.Writer)
		code   int
		want   string
		left   int
	}{
		"yes ends it": {func(_ *runs, typed io.Writer) { _, _ = typed.Write([]byte("y\n")) }, exitFailed, "was ended on request", 0},
		"again leaves it": {func(r *runs, _ io.Writer) { r.signals <- os.Interrupt },
			exitInterrupted, "The run goes on", 1},
		"no follows on": {func(r *runs, typed io.Writer) {
			_, _ = typed.Write([]byte("n\n"))
			r.sees("Ctrl-C stops following; the run goes on.")
			r.signals <- os.Interrupt
		}, exitInterrupted, "The run goes on", 1},
		"and the run may end meanwhile": {func(r *runs, _ io.Writer) {
			r.write(r.only(), yes, v1alpha1.StateCompleted, "all is well", "")
		}, exitDone, "Completed: all is well", 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRuns(t)
			typed := r.at(120, 40)
			r.begin("run", "-f", r.file(manifest))
			r.only()
			r.sees("Ctrl-C asks whether to end the run.")
			r.signals <- os.Interrupt
			r.sees(question)
			tc.answer(r, typed)
			r.Expect(r.end()).To(Equal(tc.code), r.said())
			r.Expect(r.said()).To(ContainSubstring(tc.want))
			r.Expect(strings.Count(r.said(), question)).To(Equal(1))
			r.Expect(r.objects()).To(HaveLen(tc.left))
		})
	}
}

// deleteCRD removes the kind, and all of its objects, and waits until it is gone.
func deleteCRD(r *runs) {
	r.Helper()
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	crd.SetName("agentdisconnects.chaos.agentdisconnect.dev")
	r.Expect(r.kube.Delete(r.Context(), crd)).To(Succeed())
	r.Eventually(func() error { return r.kube.Get(r.Context(), client.ObjectKeyFromObject(crd), crd) }).Should(MatchError(apierrors.IsNotFound, "not found"))
	r.Eventually(r.listing).Should(MatchError(apierrors.IsNotFound, "not found"))
}

func (r *runs) listing() error {
	return r.kube.List(context.WithoutCancel(r.Context()), &v1alpha1.AgentDisconnectList{})
}
