// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// requesting gives an object a runID.
func requesting(id string) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.RunID = id }
}

// completed is a run of a minute that is over.
func (w *world) completed(ctx context.Context, change ...func(*v1alpha1.AgentDisconnect)) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	obj := w.blocking(ctx, append([]func(*v1alpha1.AgentDisconnect){within(time.Minute)}, change...)...)
	seen := w.finish(ctx, obj, 15*time.Minute)
	Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
	return obj
}

// followed is a world whose agents are connected as its network ACLs let them be.
func followed(ctx context.Context) (*world, *violations) {
	w, a := audited(ctx)
	w.follow()
	return w, a
}

// unobserved is a status without the generations that it is about.
func unobserved(status v1alpha1.AgentDisconnectStatus) v1alpha1.AgentDisconnectStatus {
	status = *status.DeepCopy()
	status.ObservedGeneration = 0
	for i := range status.Conditions {
		status.Conditions[i].ObservedGeneration = 0
	}
	return status
}

var _ = Describe("An object whose run is over", func() {
	It("does nothing more, whatever is done to it but a new runID", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.completed(ctx, requesting("a"))
		calls, status := len(w.sim.Calls()), unobserved(w.get(ctx, obj).Status)

		for _, step := range []struct {
			what string
			do   func()
			// writes: the spec is another, and the status says that this was seen.
			writes bool
		}{
			{"many passes", func() {}, false},
			{"a restart of the manager", func() { w.restart() }, false},
			{"the same again", func() { w.edit(ctx, obj, requesting("a")) }, false},
			{"a year", func() { w.clock.Step(365 * 24 * time.Hour) }, false},
			{"another duration", func() { w.edit(ctx, obj, within(2*time.Hour)) }, true},
			{"times to come", func() {
				w.edit(ctx, obj, startingAfter(w.clock.Now().Add(time.Minute)))
			}, true},
			{"suspension", func() { w.edit(ctx, obj, suspending(true)) }, true},
			{"its end", func() { w.edit(ctx, obj, suspending(false)) }, true},
			{"no runID", func() { w.edit(ctx, obj, requesting("")) }, true},
			{"the old runID", func() { w.edit(ctx, obj, requesting("a")) }, true},
			{"all else that a spec has", func() {
				w.edit(ctx, obj, func(obj *v1alpha1.AgentDisconnect) {
					obj.Spec.Sessions = []v1alpha1.Session{v1alpha1.SessionACS}
					obj.Spec.NetworkACLMode, obj.Spec.OnDrift = v1alpha1.NetworkACLModeClone, v1alpha1.OnDriftAbort
				})
			}, true},
		} {
			step.do()
			version := w.get(ctx, obj).ResourceVersion
			for range 30 {
				result, err := w.pass(ctx, obj)
				Expect(err).NotTo(HaveOccurred())
				Expect(result.RequeueAfter).To(BeZero(), "after %s", step.what)
				w.clock.Step(time.Minute)
			}
			seen := w.get(ctx, obj)
			Expect(unobserved(seen.Status)).To(Equal(status), "after %s", step.what)
			Expect(seen.Status.ObservedGeneration).To(Equal(seen.Generation), "after %s", step.what)
			if step.writes {
				Expect(seen.ResourceVersion).NotTo(Equal(version), "after %s", step.what)
			} else {
				Expect(seen.ResourceVersion).To(Equal(version), "it was written after %s", step.what)
			}
			Expect(w.sim.Calls()).To(HaveLen(calls), "AWS was called after %s", step.what)
			Expect(seen.Finalizers).To(BeEmpty())
		}
	})

	It("does nothing more after an upgrade from a version that knew no runID, until it gets one", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.completed(ctx)
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) {
			status.RunID, status.StartedWith = "", nil
		})
		w.boot()
		calls, version := len(w.sim.Calls()), w.get(ctx, obj).ResourceVersion
		w.run(ctx, 24*time.Hour, obj)
		Expect(w.sim.Calls()).To(HaveLen(calls), "AWS was called")
		Expect(w.get(ctx, obj).ResourceVersion).To(Equal(version), "it was written")

		w.edit(ctx, obj, requesting("first"))
		w.run(ctx, 20*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
	})
})

var _ = Describe("A new runID", func() {
	It("of a finished object runs it again, with a status of its own", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.completed(ctx, requesting("a"))
		w.clock.Step(48 * time.Hour)
		w.edit(ctx, obj, requesting("b"))
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())

		By("showing nothing of the old run from the first pass on")
		seen := w.get(ctx, obj)
		rest := seen.Status.DeepCopy()
		rest.Conditions, rest.Endpoints, rest.Timeline, rest.ObservedGeneration = nil, nil, nil, 0
		Expect(*rest).To(Equal(v1alpha1.AgentDisconnectStatus{State: v1alpha1.StateDiscovering, RunID: "b", RequestTime: &metav1.Time{Time: w.clock.Now().Local()}}), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Status).To(Equal(metav1.ConditionUnknown))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateDiscovering))
		Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Reason).To(Equal("NotStarted"))
		Expect(timelineOf(seen)).To(Equal([]string{"State Discovering"}))

		By("running it as the first time")
		w.run(ctx, 20*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		w.expectAllDenied(w.get(ctx, obj))
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
		Expect(seen.Status.RunID).To(Equal("b"))
		w.expectRestored()
	})

	It("given while a run is on is said to be without effect, and runs it again once that is over", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx, within(time.Minute), requesting("a"))
		expires := w.get(ctx, obj).Status.ExpirationTime.Time
		w.edit(ctx, obj, requesting("b"))
		w.run(ctx, 15*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(HaveSuffix("changed after the start and without effect on this run: runID"))
		Expect(seen.Status.RunID).To(Equal("a"))
		Expect(seen.Status.ExpirationTime.Time).To(Equal(expires))

		w.run(ctx, expires.Sub(w.clock.Now()), obj)
		w.expectRestored()
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRecovering), "the old run is not over before its agents are back")
		w.until(ctx, obj, 3*time.Minute, func(seen *v1alpha1.AgentDisconnect) bool {
			return seen.Status.RunID == "b" && condition(seen, v1alpha1.ConditionSucceeded).Reason == v1alpha1.StateBlocking
		})
		w.finish(ctx, obj, 15*time.Minute)
		w.expectRestored()
	})

	It("has an hour to start from when it was asked for, and not one more until another one asks", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.completed(ctx, requesting("a"))
		w.tagSubnet("agentdisconnect.dev/allow")
		w.clock.Step(10 * 24 * time.Hour)
		w.edit(ctx, obj, requesting("b"))
		asked := w.clock.Now()
		w.run(ctx, time.Minute, obj)
		w.clock.SetTime(asked.Add(time.Hour - 10*time.Second))
		w.run(ctx, 9*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRefused))
		writes := len(w.writes())
		w.run(ctx, time.Second, obj)
		succeeded := condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded)
		Expect(succeeded.Reason).To(Equal(v1alpha1.AbortStartDeadlineExceeded))
		Expect(succeeded.Message).To(HavePrefix("the run had not begun by " + asked.Add(time.Hour).UTC().Format(time.RFC3339) + ": "))
		Expect(succeeded.Message).To(ContainSubstring("has no tag agentdisconnect.dev/allow"), "why it had not")

		w.tagSubnet("agentdisconnect.dev/allow", "true")
		w.run(ctx, time.Hour, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.AbortStartDeadlineExceeded))
		Expect(w.writes()).To(HaveLen(writes))
		w.edit(ctx, obj, requesting("c"))
		w.run(ctx, 20*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
	})

	It("with the old times runs nothing, and says which of them are past", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.completed(ctx, requesting("a"), func(obj *v1alpha1.AgentDisconnect) {
			startingAfter(w.clock.Now())(obj)
		})
		deadline := w.get(ctx, obj).Spec.StartAfter.Add(time.Hour)
		w.clock.Step(24 * time.Hour)
		w.edit(ctx, obj, requesting("b"))
		calls := len(w.sim.Calls())
		w.run(ctx, time.Hour, obj)
		seen := w.get(ctx, obj)
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Reason).To(Equal(v1alpha1.AbortStartDeadlineExceeded), describe(seen))
		Expect(succeeded.Message).To(Equal("the run was to begin before " + deadline.UTC().Format(time.RFC3339) +
			", which was past when it was asked for. A new spec.runID asks for it again, with a later spec.startAfter or spec.startDeadline"))
		Expect(seen.Status.RunID).To(Equal("b"))
		Expect(w.sim.Calls()).To(HaveLen(calls), "AWS was called")
	})

	It("runs once, at whatever point the manager dies while it takes it up", func(ctx context.Context) {
		renewal := func(n int) (run func() string, points func() []string) {
			w, a := followed(ctx)
			obj := w.completed(ctx, requesting("a"))
			points = w.mortal(n)
			return func() string {
				created := len(w.numbers("ec2:CreateNetworkAclEntry"))
				w.edit(ctx, obj, requesting("b"))
				w.run(ctx, 40*time.Second, obj)
				seen := w.get(ctx, obj)
				if state := condition(seen, v1alpha1.ConditionSucceeded).Reason; state != v1alpha1.StateBlocking || seen.Status.RunID != "b" {
					return "it does not run: " + describe(seen)
				}
				seen = w.finish(ctx, obj, 15*time.Minute)
				if made := len(w.numbers("ec2:CreateNetworkAclEntry")) - created; made < 6 || made > 12 {
					return fmt.Sprintf("%d entries were asked for", made)
				}
				w.run(ctx, time.Hour, obj)
				if again := w.get(ctx, obj); again.ResourceVersion != seen.ResourceVersion {
					return "it went on: " + describe(again)
				}
				return w.shortfall(seen, a)
			}, points
		}
		run, points := renewal(-1)
		Expect(run()).To(BeEmpty(), "the manager that lives")
		var scenarios []scenario
		for n, point := range points()[:8] {
			run, _ := renewal(n)
			scenarios = append(scenarios, scenario{fmt.Sprintf("died at point %d %s", n, point), run})
		}
		all(scenarios)
	})
})
