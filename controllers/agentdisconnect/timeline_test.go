// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// timelineOf is the timeline of an object, an entry a line, without times and messages.
func timelineOf(obj *v1alpha1.AgentDisconnect) []string {
	var lines []string
	for _, entry := range obj.Status.Timeline {
		line := string(entry.Type)
		switch {
		case entry.Reason != "":
			line += " " + entry.Reason
		case entry.Disconnected != nil:
			line += fmt.Sprintf(" %d of %d", *entry.Disconnected, *entry.Total)
		case entry.Total != nil:
			line += fmt.Sprintf(" ? of %d", *entry.Total)
		}
		if entry.Count > 1 {
			line += fmt.Sprintf(" (%d)", entry.Count)
		}
		lines = append(lines, line)
	}
	return lines
}

// happenedAt is when the timeline of an object has an entry that begins so.
func happenedAt(obj *v1alpha1.AgentDisconnect, what string) time.Time {
	GinkgoHelper()
	i := slices.IndexFunc(timelineOf(obj), func(line string) bool { return strings.HasPrefix(line, what) })
	Expect(i).To(BeNumerically(">=", 0), "%s: %v", what, timelineOf(obj))
	return obj.Status.Timeline[i].Time.Time
}

// expectTimelineInOrder holds a timeline against what it promises.
func expectTimelineInOrder(obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	Expect(len(obj.Status.Timeline)).To(BeNumerically("<=", v1alpha1.MaxTimeline))
	Expect(slices.IsSortedFunc(obj.Status.Timeline, func(a, b v1alpha1.TimelineEntry) int { return a.Time.Compare(b.Time.Time) })).To(BeTrue(), "%v", obj.Status.Timeline)
}

var _ = Describe("The timeline", func() {
	It("has a whole run in order, at the times that the status has beside it", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx, within(5*time.Minute))
		w.connect(0, false)
		w.run(ctx, time.Minute, obj)
		w.connect(1, false)
		w.expired(ctx, obj)
		w.connect(0, true)
		w.run(ctx, time.Minute, obj)
		w.connect(1, true)
		seen := w.finish(ctx, obj, 15*time.Minute)

		Expect(timelineOf(seen)).To(Equal([]string{
			"State Discovering", "Agents 0 of 2", "State Blocking", "Agents 1 of 2", "Agents 2 of 2",
			"State Recovering", "Agents 1 of 2", "Agents 0 of 2", "Verdict Completed",
		}))
		expectTimelineInOrder(seen)
		Expect(happenedAt(seen, "Agents 2 of 2")).To(Equal(seen.Status.Agents.DisconnectedTime.Time))
		Expect(happenedAt(seen, "State Recovering")).To(Equal(seen.Status.RestoredTime.Time))
		Expect(happenedAt(seen, "Verdict")).To(Equal(seen.Status.CompletionTime.Time))
		Expect(seen.Status.Timeline[len(seen.Status.Timeline)-1].Message).To(HavePrefix("all agents were seen disconnected; the rules are gone and the agents are connected again"))
	})

	It("has a repair, and what was repaired", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx)
		w.run(ctx, networkacl.SettleFor, obj)
		w.strip(80)
		seen := w.until(ctx, obj, time.Minute, func(seen *v1alpha1.AgentDisconnect) bool { return seen.Status.DriftRepairs == 1 })
		i := slices.Index(timelineOf(seen), string(v1alpha1.TimelineRulesRepaired))
		Expect(i).To(BeNumerically(">=", 0), "%v", timelineOf(seen))
		Expect(seen.Status.Timeline[i].Message).To(HavePrefix("a third party changed network ACL " + aclID + ": rule 80 (" + first + "/32) was removed. The manager created rule 80"))
		w.run(ctx, 2*networkacl.SettleFor, obj)
		Expect(timelineOf(w.get(ctx, obj))).To(Equal(timelineOf(seen)), "it is listed once")
	})

	It("has a suspension, also under another manager", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx)
		w.run(ctx, time.Minute, obj)
		w.edit(ctx, obj, suspending(true))
		w.run(ctx, time.Minute, obj)
		w.restart()
		w.edit(ctx, obj, suspending(false))
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		lines := slices.DeleteFunc(timelineOf(seen), func(line string) bool { return strings.HasPrefix(line, "Agents") })
		Expect(lines).To(Equal([]string{
			"State Discovering", "State Blocking", "Suspended", "State Suspended", "Resumed", "State Blocking",
		}), "%v", timelineOf(seen))
		expectTimelineInOrder(seen)
	})

	It("has an abort at its time, and its reason as the verdict", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.settled(ctx)
		w.move(subnetID, w.anotherACL())
		seen := w.until(ctx, obj, 3*networkacl.SettleFor, aborted)
		Expect(happenedAt(seen, "Aborted "+v1alpha1.AbortSubnetLeft)).To(Equal(seen.Status.Abort.Time.Time))
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(timelineOf(seen)[len(seen.Status.Timeline)-1]).To(Equal("Verdict " + v1alpha1.AbortSubnetLeft))
	})

	It("has what was carried over to a clone", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		w.onOriginal(adding(deny(110, "198.51.100.0/24")))
		w.carryOver(ctx, obj)
		seen := w.get(ctx, obj)
		Expect(timelineOf(seen)).To(ContainElement(string(v1alpha1.TimelineCarriedOver)))
		told := w.told("Normal OriginalCarriedOver ")
		Expect(told).NotTo(BeEmpty())
		var listed []string
		for _, entry := range seen.Status.Timeline {
			if entry.Type == v1alpha1.TimelineCarriedOver {
				listed = append(listed, "Normal OriginalCarriedOver "+entry.Message)
			}
		}
		Expect(listed).To(Equal(told), "an entry for each event")
	})

	It("of a second run starts anew", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.completed(ctx, requesting("a"))
		first := w.get(ctx, obj).Status.Timeline
		w.clock.Step(time.Hour)
		w.edit(ctx, obj, requesting("b"))
		w.run(ctx, 20*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(timelineOf(seen)).To(HaveExactElements("State Discovering", "Agents 0 of 2", "State Blocking"))
		Expect(seen.Status.Timeline[0].Time.Time).To(BeTemporally(">", first[len(first)-1].Time.Time))
	})

	It("is no reason to write the status", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		before := w.get(ctx, obj)
		for range 20 {
			_, err := w.pass(ctx, obj)
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(w.get(ctx, obj).ResourceVersion).To(Equal(before.ResourceVersion))
	})

	DescribeTable("that was edited by hand changes nothing of the run", func(ctx context.Context, edit func(*v1alpha1.AgentDisconnectStatus)) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx) // of 10 minutes: each pass costs
		w.edited = true
		w.editStatus(ctx, obj, edit)
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
		w.run(ctx, w.get(ctx, obj).Status.ExpirationTime.Sub(w.clock.Now()), obj)
		w.expectRestored()
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
		Expect(timelineOf(seen)[len(seen.Status.Timeline)-1]).To(Equal("Verdict Completed"))
		expectTimelineInOrder(seen)
	},
		Entry("to nothing", func(status *v1alpha1.AgentDisconnectStatus) { status.Timeline = nil }),
		Entry("to as many entries as fit, of the far future and out of order", func(status *v1alpha1.AgentDisconnectStatus) {
			status.Timeline = nil
			for i := range v1alpha1.MaxTimeline {
				entry := v1alpha1.TimelineEntry{Type: v1alpha1.TimelineVerdict, Reason: "Nonsense", Count: 2147483647}
				entry.Time = metav1.NewTime(time.Date(2999-i, 1, 1, 0, 0, 0, 0, time.UTC))
				status.Timeline = append(status.Timeline, entry)
			}
		}),
	)
})
