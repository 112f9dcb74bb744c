// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
			err: "is refused: NoConsent: " + noConsent + " (see docs/states/Stalled.md#noconsent). Nothing was written to AWS"},
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
		"--sessions", "ACS,TCS", "--network-acl-mode", "Clone", "--other-clusters", "Allow", "--on-drift", "Abort", "--run-id", "one", "--ttl-seconds-after-finished", "60", "--probe", "canary:3")
	obj := r.only()
	r.Expect(obj.Name).To(Equal("by-flags"))
	r.Expect(obj.Spec).To(Equal(v1alpha1.AgentDisconnectSpec{
		Cluster: "demo", SubnetID: "subnet-0c2e4a6b8d1f35790", Duration: metav1.Duration{Duration: 90 * time.Minute}, Region: "ap-northeast-1", Mode: v1alpha1.ModePlan,
		Sessions: []v1alpha1.Session{"ACS", "TCS"}, NetworkACLMode: v1alpha1.NetworkACLModeClone, OtherClusters: v1alpha1.OtherClustersAllow, OnDrift: v1alpha1.OnDriftAbort,
		RunID: "one", TTLSecondsAfterFinished: new(int32(60)), Probe: &v1alpha1.Probe{TaskDefinition: "canary:3"},
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
