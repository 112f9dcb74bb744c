// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// startingAfter gives an object a time before which it doesn't start.
func startingAfter(t time.Time) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.StartAfter = &metav1.Time{Time: t} }
}

// startingBefore gives an object a time from which it doesn't start any more.
func startingBefore(t time.Time) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.StartDeadline = &metav1.Time{Time: t} }
}

// rfc3339 is a time as messages have it.
func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

var _ = Describe("A run with a time to start after", func() {
	It("asks AWS nothing until 10 minutes before, looks addresses up from then on, and starts on the second", func(ctx context.Context) {
		w, _ := followed(ctx)
		begins := w.clock.Now().Add(30 * time.Minute)
		obj := w.create(ctx, startingAfter(begins))
		w.run(ctx, 20*time.Minute-time.Millisecond, obj)
		Expect(w.sim.Calls()).To(BeEmpty())
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateWaiting))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(Equal("the run begins at " + rfc3339(begins) + " at the earliest; discovery begins 10 minutes before"))
		Expect(condition(seen, v1alpha1.ConditionReconciling).Status).To(BeEquivalentTo("Absent"), "a pipeline would wait for it")

		w.run(ctx, time.Minute, obj)
		Expect(w.sim.Calls()).NotTo(BeEmpty())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(Equal("the run is ready and begins at " + rfc3339(begins) + "; 6 addresses of 2 hosts known"))
		// The host's addresses rotate meanwhile.
		host := w.sim.World().Hosts[0]
		w.sim.SetHost(agents.ACS, host.Name, netip.MustParseAddr("198.51.100.7"))
		w.run(ctx, begins.Add(-time.Millisecond).Sub(w.clock.Now()), obj)
		Expect(w.get(ctx, obj).Status.StartTime).To(BeNil())
		Expect(w.writes()).To(BeEmpty())

		w.run(ctx, time.Millisecond, obj)
		seen = w.get(ctx, obj)
		Expect(seen.Status.StartTime).NotTo(BeNil(), describe(seen))
		Expect(seen.Status.StartTime.Time).To(BeTemporally("==", begins))
		Expect(seen.Status.ExpirationTime.Time).To(BeTemporally("==", begins.Add(10*time.Minute)))
		Expect(w.denies(aclID)).To(HaveLen(7), "what lookups gave before the start is denied from the start")
		w.expectAllDenied(seen)
	})

	It("asks AWS at the pace of lookups while it is ready and waits", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx, startingAfter(w.clock.Now().Add(8*time.Minute)))
		w.run(ctx, time.Minute, obj)
		before := w.count("ec2:DescribeSubnets")
		w.run(ctx, 5*time.Minute, obj)
		Expect(w.count("ec2:DescribeSubnets") - before).To(BeNumerically("<=", 5*60/int(w.options.LookupInterval.Seconds())+5))
	})

	It("follows that time while it waits, to earlier and to later", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx, startingAfter(w.clock.Now().Add(5*time.Minute)))
		w.run(ctx, time.Minute, obj)
		w.edit(ctx, obj, startingAfter(w.clock.Now().Add(2*time.Hour)))
		w.run(ctx, time.Hour, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateWaiting), describe(seen))
		w.edit(ctx, obj, startingAfter(w.clock.Now()))
		w.run(ctx, 20*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
	})

	It("starts as soon as it is ready when the manager was off at that time, within the hour", func(ctx context.Context) {
		w, _ := audited(ctx)
		begins := w.clock.Now().Add(time.Hour)
		obj := w.create(ctx, startingAfter(begins))
		w.run(ctx, time.Minute, obj)
		w.clock.SetTime(begins.Add(59 * time.Minute))
		w.boot()
		w.run(ctx, 20*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
	})
})

var _ = Describe("A run that does not start in time", func() {
	DescribeTable("never does, says why it had not, and wrote nothing to AWS",
		func(ctx context.Context, change func(*world, *v1alpha1.AgentDisconnect), deadline func(*world, *v1alpha1.AgentDisconnect) time.Time) {
			w, _ := audited(ctx)
			w.setAgents(false)
			obj := w.create(ctx, func(obj *v1alpha1.AgentDisconnect) { change(w, obj) })
			ends := deadline(w, obj)
			w.run(ctx, time.Minute, obj)
			w.clock.SetTime(ends.Add(-20 * time.Second))
			w.run(ctx, 20*time.Second-time.Millisecond, obj)
			Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRefused))
			w.run(ctx, time.Millisecond, obj)
			seen := w.get(ctx, obj)
			succeeded, stalled := condition(seen, v1alpha1.ConditionSucceeded), condition(seen, v1alpha1.ConditionStalled)
			Expect(succeeded.Status).To(Equal(metav1.ConditionFalse), describe(seen))
			Expect(succeeded.Reason).To(Equal(v1alpha1.AbortStartDeadlineExceeded))
			Expect(succeeded.Message).To(Equal("the run had not begun by " + rfc3339(ends) + ": none of the 2 container instances of cluster demo in subnet " + subnetID +
				" has a connected agent: start the agents, then the run begins. A new spec.runID asks for it again"))
			Expect(stalled.Reason).To(Equal(v1alpha1.AbortStartDeadlineExceeded))
			Expect(seen.Status.CompletionTime).NotTo(BeNil())
			Expect(seen.Finalizers).To(BeEmpty())

			w.setAgents(true)
			calls := len(w.sim.Calls())
			w.edit(ctx, obj, startingBefore(ends.Add(48*time.Hour)))
			w.restart()
			w.run(ctx, 24*time.Hour, obj)
			Expect(w.state(ctx, obj)).To(Equal(v1alpha1.AbortStartDeadlineExceeded), "it is over, wherever the deadline is moved")
			Expect(w.sim.Calls()).To(HaveLen(calls), "AWS was called")
			Expect(w.attempts()).To(BeEmpty())
		},
		Entry("within an hour of its creation", func(*world, *v1alpha1.AgentDisconnect) {},
			func(_ *world, obj *v1alpha1.AgentDisconnect) time.Time { return obj.CreationTimestamp.Add(time.Hour) }),
		Entry("within an hour of startAfter", func(w *world, obj *v1alpha1.AgentDisconnect) {
			startingAfter(w.clock.Now().Add(20 * time.Minute))(obj)
		}, func(_ *world, obj *v1alpha1.AgentDisconnect) time.Time { return obj.Spec.StartAfter.Add(time.Hour) }),
		Entry("by its startDeadline", func(w *world, obj *v1alpha1.AgentDisconnect) {
			startingBefore(w.clock.Now().Add(10 * time.Minute))(obj)
		}, func(_ *world, obj *v1alpha1.AgentDisconnect) time.Time { return obj.Spec.StartDeadline.Time }),
		Entry("by its startDeadline, a minute after startAfter", func(w *world, obj *v1alpha1.AgentDisconnect) {
			startingAfter(w.clock.Now().Add(20 * time.Minute))(obj)
			startingBefore(w.clock.Now().Add(21 * time.Minute))(obj)
		}, func(_ *world, obj *v1alpha1.AgentDisconnect) time.Time { return obj.Spec.StartDeadline.Time }),
	)

	It("since its cluster was rebuilt from a repository is over at once, without a call to AWS", func(ctx context.Context) {
		w, _ := audited(ctx)
		lastYear := w.clock.Now().Add(-365 * 24 * time.Hour)
		for _, change := range []func(*v1alpha1.AgentDisconnect){
			startingAfter(lastYear),
			startingBefore(lastYear),
			func(obj *v1alpha1.AgentDisconnect) {
				startingAfter(lastYear)(obj)
				startingBefore(lastYear.Add(30 * time.Minute))(obj)
				requesting("last-year")(obj)
			},
		} {
			obj := w.create(ctx, change)
			w.run(ctx, time.Hour, obj)
			seen := w.get(ctx, obj)
			Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.AbortStartDeadlineExceeded), describe(seen))
			Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("which was past when it was asked for"))
			Expect(seen.Status.RunID).To(Equal(obj.Spec.RunID))
		}
		Expect(w.sim.Calls()).To(BeEmpty())
	})

	It("because its deadline comes between two polls doesn't start, nor if it comes right before the first write", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx, startingBefore(w.clock.Now().Add(10*time.Second)))
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.AbortStartDeadlineExceeded))
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("agents that are connected on two polls in a row"))

		deadline := w.clock.Now().Add(20 * time.Second)
		polled := w.clock.Now().Add(w.options.AgentPollInterval)
		obj = w.create(ctx, startingBefore(deadline))
		var reads atomic.Int32 // some of them are made side by side
		w.sim.Faults().After("ec2:DescribeNetworkAcls", func(call.Call) {
			if n := reads.Add(1); !w.clock.Now().Before(polled) && w.clock.Now().Before(deadline) && n > 2 {
				w.clock.SetTime(deadline) // the last read of all before the start
			}
		})
		w.run(ctx, time.Minute, obj)
		Expect(reads.Load()).To(BeNumerically(">", 2))
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.AbortStartDeadlineExceeded), describe(w.get(ctx, obj)))
		Expect(w.get(ctx, obj).Finalizers).To(BeEmpty())
		Expect(w.attempts()).To(BeEmpty())
	})

	It("but whose deadline was moved in time starts", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.setAgents(false)
		obj := w.create(ctx, startingBefore(w.clock.Now().Add(time.Minute)))
		w.run(ctx, 30*time.Second, obj)
		w.edit(ctx, obj, startingBefore(w.clock.Now().Add(20*time.Minute)))
		w.run(ctx, 2*time.Minute, obj)
		w.setAgents(true)
		w.run(ctx, 150*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
	})

	It("but has started is not held to its deadline any more", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx, func(obj *v1alpha1.AgentDisconnect) { startingBefore(w.clock.Now().Add(time.Minute))(obj) })
		w.run(ctx, 5*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
	})
})
