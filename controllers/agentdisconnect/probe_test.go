// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"path"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probetasks"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// probing gives a run a probe with the task definition of the default world.
func probing(obj *v1alpha1.AgentDisconnect) {
	obj.Spec.Probe = &v1alpha1.Probe{TaskDefinition: "demo", Interval: &metav1.Duration{Duration: 10 * time.Second}}
}

// mayProbe grants the manager what config/iam has for a probe.
func mayProbe(o *sim.Options) {
	bindPolicies(o)
	documents, err := policies.For(o.World, policies.Values{TaskFamily: "demo", TaskRole: "demo", ExecutionRole: "demo"}, policies.Probe)
	Expect(err).NotTo(HaveOccurred())
	for i := range o.World.AccessKeys {
		o.World.AccessKeys[i].Policies = append(o.World.AccessKeys[i].Policies, documents...)
	}
}

// newProbeWorld is a world whose tasks start and stop by its clock.
func newProbeWorld(ctx context.Context) *world {
	clock := clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
	return newWorldAt(ctx, clock, mayProbe, func(o *sim.Options) { o.Clock = clock })
}

// tasks are the tasks of probes that the Region has, in any state.
func (w *world) tasks() []region.Task {
	var found []region.Task
	view := w.sim.Region().View(time.Time{})
	for _, cluster := range view.Clusters() {
		for _, task := range view.Tasks(cluster.ARN) {
			if task.StartedBy == probetasks.StartedBy {
				found = append(found, task)
			}
		}
	}
	return found
}

// expectStopped holds that every task of a probe is stopped, or told to.
func (w *world) expectStopped() {
	GinkgoHelper()
	for _, task := range w.tasks() {
		last, _ := task.Status(w.clock.Now())
		Expect(last).To(Equal("STOPPED"), "task %s", task.ARN)
	}
}

// outcome is what the status counts of a reason.
func outcome(obj *v1alpha1.AgentDisconnect, reason string) v1alpha1.ProbeOutcome {
	if obj.Status.Probe != nil {
		for _, o := range obj.Status.Probe.Outcomes {
			if o.Reason == reason {
				return o
			}
		}
	}
	return v1alpha1.ProbeOutcome{}
}

// runTasks counts the calls of RunTask.
func (w *world) runTasks() int {
	n := 0
	for _, c := range w.sim.Calls() {
		if c.Name() == "ecs:RunTask" {
			n++
		}
	}
	return n
}

var _ = Describe("A probe", func() {
	It("has RunTask fail with AGENT while the agents are disconnected, and completes the run", func(ctx context.Context) {
		w := newProbeWorld(ctx)
		obj := w.blocking(ctx, probing)
		w.run(ctx, 30*time.Second, obj)
		Expect(w.runTasks()).To(BeZero(), "the agents are connected")
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionRunTaskFails).Status).To(Equal(metav1.ConditionUnknown))

		w.setAgents(false)
		w.run(ctx, 90*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionRunTaskFails)).To(And(
			HaveField("Status", metav1.ConditionTrue), HaveField("Reason", "AGENT"),
			HaveField("Message", ContainSubstring(path.Base(w.agents()[0])))), describe(seen))
		Expect(outcome(seen, "AGENT").Count).To(BeNumerically(">=", 3))
		Expect(seen.Status.Probe.Attempts).To(Equal(outcome(seen, "AGENT").Count))
		Expect(seen.Status.Probe.TaskDefinitionARN).To(HaveSuffix(":task-definition/demo:1"))

		w.expired(ctx, obj)
		w.setAgents(true)
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded)).To(And(
			HaveField("Reason", v1alpha1.StateCompleted), HaveField("Message", ContainSubstring("RunTask failed with AGENT in "))), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionRunTaskFails).Status).To(Equal(metav1.ConditionTrue))
		Expect(seen.Finalizers).To(BeEmpty())
		Expect(w.tasks()).To(BeEmpty())
	})

	It("pins RunTask to the subnet, and calls it at its interval", func(ctx context.Context) {
		w := newProbeWorld(ctx)
		obj := w.blocking(ctx, probing)
		w.setAgents(false)
		w.run(ctx, 90*time.Second, obj)
		var at []time.Time
		for _, c := range w.sim.Calls() {
			if c.Name() == "ecs:RunTask" {
				at = append(at, c.Time)
				Expect(c.Params).To(HaveKeyWithValue("launchType", "EC2"))
				Expect(c.Params["placementConstraints"]).To(ConsistOf(HaveKeyWithValue("expression", "attribute:ecs.subnet-id == "+subnetID)))
			}
		}
		Expect(len(at)).To(BeNumerically(">=", 3))
		for i := range at[1:] {
			Expect(at[i+1].Sub(at[i])).To(BeNumerically("~", 10*time.Second, 2*time.Second))
		}
	})

	It("makes no call while the run is suspended", func(ctx context.Context) {
		w, obj := probed(ctx)
		Expect(w.runTasks()).NotTo(BeZero())
		w.edit(ctx, obj, suspending(true))
		w.run(ctx, 20*time.Second, obj)
		before := w.runTasks()
		w.run(ctx, time.Minute, obj)
		Expect(w.runTasks()).To(Equal(before))
	})

	It("stops at once a task that starts, and is over only when it is stopped", func(ctx context.Context) {
		w, obj := probed(ctx)
		w.startsOne(ctx, obj)
		task := w.tasks()[0]
		Expect(w.get(ctx, obj).Status.Probe.Tasks).To(ConsistOf(HaveField("ARN", task.ARN)))
		Expect(task.StoppingAt).NotTo(BeZero())
		Expect(outcome(w.get(ctx, obj), v1alpha1.ProbeStarted).Message).To(ContainSubstring(path.Base(w.agents()[0])))

		seen := w.expired(ctx, obj)
		Expect(seen.Status.Probe.Tasks).To(HaveLen(1))
		w.connect(1, true)
		w.run(ctx, 9*time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Status).NotTo(Equal(metav1.ConditionTrue))
		w.run(ctx, 5*time.Minute, obj)
		seen = w.get(ctx, obj)
		Expect(seen.Status.CompletionTime).To(BeNil(), "its task is not stopped")
		Expect(condition(seen, v1alpha1.ConditionStalled)).To(And(HaveField("Reason", v1alpha1.ReasonTasksLeft),
			HaveField("Message", And(ContainSubstring(path.Base(task.ARN)), ContainSubstring(path.Base(w.agents()[0]))))), describe(seen))

		w.connect(0, true)
		seen = w.finish(ctx, obj, 2*time.Minute)
		Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
		Expect(seen.Status.Probe.Tasks).To(BeEmpty())
		w.expectStopped()
	})

	It("does not keep a deleted object for an agent: ECS was told to stop the task", func(ctx context.Context) {
		w, obj := probed(ctx)
		w.startsOne(ctx, obj)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
		last, _ := w.tasks()[0].Status(w.clock.Now())
		Expect(last).To(Equal("RUNNING"), "its agent has not heard of the stop")
		w.connect(0, true)
		w.clock.Step(time.Minute)
		w.expectStopped()
	})

	DescribeTable("owns the task of a call whose answer was lost", func(ctx context.Context, crash bool) {
		w, obj := probed(ctx)
		w.losesAnswer(ctx, obj)
		if crash {
			w.restart()
		}
		w.run(ctx, 2*time.Minute, obj)
		Expect(outcome(w.get(ctx, obj), v1alpha1.ProbeStarted).Count).To(BeNumerically(">=", 1), describe(w.get(ctx, obj)))
		w.setAgents(true)
		w.expired(ctx, obj)
		w.finish(ctx, obj, 15*time.Minute)
		Expect(w.tasks()).NotTo(BeEmpty())
		w.expectStopped()
	}, Entry("by the token", false), Entry("by the token, with another manager", true))

	It("finds the task of a call whose answer was lost right before the end", func(ctx context.Context) {
		w, obj := probed(ctx)
		w.losesAnswer(ctx, obj)
		Expect(w.get(ctx, obj).Status.Probe.Unanswered).To(HaveValue(BeTrue()))
		w.restart()
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.clock.Step(time.Minute)
		w.expectStopped()
	})

	It("waits for a task of a call that got no answer until no list can lag any more", func(ctx context.Context) {
		w := newProbeWorld(ctx)
		obj := w.blocking(ctx, probing)
		w.sim.Faults().Add(faults.Fault{Action: "ecs:RunTask", Error: "ServerException"})
		w.setAgents(false)
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.Probe.Unanswered).To(HaveValue(BeTrue()))
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		w.expectRestored()
		Expect(w.gone(ctx, obj)).To(BeFalse())
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
	})

	DescribeTable("finds the task of a call whose answer was lost when it is not repeated", func(ctx context.Context, change func(*world, *v1alpha1.AgentDisconnect)) {
		w, obj := probed(ctx)
		w.losesAnswer(ctx, obj)
		change(w, obj)
		w.run(ctx, 3*time.Minute, obj)
		Expect(w.tasks()[0].StoppingAt).NotTo(BeZero(), "it is stopped while the run is on: %s", describe(w.get(ctx, obj)))
		Expect(w.get(ctx, obj).Status.Probe.Unanswered).To(BeNil())
		Expect(outcome(w.get(ctx, obj), v1alpha1.ProbeStarted).Count).To(BeNumerically(">=", 1))
	},
		Entry("since AWS denies the repeat", func(w *world, _ *v1alpha1.AgentDisconnect) {
			w.sim.Faults().Add(faults.Fault{Action: "ecs:RunTask", Denied: true})
		}),
		Entry("since the agents are back", func(w *world, _ *v1alpha1.AgentDisconnect) { w.setAgents(true) }),
		Entry("since the run is suspended", func(w *world, obj *v1alpha1.AgentDisconnect) {
			w.setAgents(true)
			w.edit(context.Background(), obj, suspending(true))
		}),
	)

	It("is searched for before its object goes, also where the status was edited", func(ctx context.Context) {
		w, obj := probed(ctx)
		w.losesAnswer(ctx, obj)
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Probe = nil })
		allow := w.sim.Faults().Add(faults.Fault{Action: "ecs:ListTasks", Denied: true})
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 3*time.Minute, obj)
		w.expectRestored()
		Expect(w.gone(ctx, obj)).To(BeFalse(), "its tasks are not known")
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Message).To(And(ContainSubstring("ecs:ListTasks"), ContainSubstring("policy-probe.json")))
		allow()
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		Expect(w.tasks()[0].StoppingAt).NotTo(BeZero())
	})

	It("stops no task of others that a person wrote into the status", func(ctx context.Context) {
		w := newProbeWorld(ctx)
		theirs, _, err := w.sim.Region().RunTask(region.RunTask{Cluster: clusterName, Definition: "demo", Count: 1, StartedBy: "theirs"})
		Expect(err).NotTo(HaveOccurred())
		obj := w.blocking(ctx, probing)
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) {
			status.Probe.Tasks = []v1alpha1.ProbeTask{{ARN: theirs[0].ARN}}
		})
		w.run(ctx, time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled)).To(And(HaveField("Reason", v1alpha1.ReasonLedgerInvalid),
			HaveField("Message", ContainSubstring(path.Base(theirs[0].ARN)))), describe(w.get(ctx, obj)))
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		w.expectRestored()
		view := w.sim.Region().View(time.Time{})
		cluster, err := view.ActiveCluster(clusterName)
		Expect(err).NotTo(HaveOccurred())
		task, known := view.FindTask(cluster, theirs[0].ARN)
		Expect(known).To(BeTrue())
		Expect(task.StoppingAt).To(BeZero())

		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Probe.Tasks = nil })
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
	})

	It("is AgentFailureNotSeen when RunTask fails for another reason", func(ctx context.Context) {
		w := newProbeWorld(ctx)
		obj := w.blocking(ctx, probing)
		w.sim.Faults().Add(faults.Fault{Action: "ecs:RunTask", Denied: true})
		w.setAgents(false)
		w.run(ctx, 2*time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionRunTaskFails)).To(And(
			HaveField("Status", metav1.ConditionFalse), HaveField("Message", ContainSubstring("AccessDeniedException"))))
		w.expired(ctx, obj)
		w.setAgents(true)
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded)).To(And(HaveField("Status", metav1.ConditionFalse),
			HaveField("Reason", v1alpha1.StateAgentFailureNotSeen), HaveField("Message", ContainSubstring("none of "))), describe(seen))
	})

	DescribeTable("is refused where its tasks could not be started or stopped", func(ctx context.Context, reason, message string, change func(*world, *v1alpha1.AgentDisconnect)) {
		w := newProbeWorld(ctx)
		obj := w.create(ctx, probing, func(o *v1alpha1.AgentDisconnect) { change(w, o) })
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionStalled)).To(And(HaveField("Reason", reason), HaveField("Message", ContainSubstring(message))), describe(seen))
		Expect(seen.Status.StartTime).To(BeNil())
	},
		Entry("no such family", v1alpha1.ReasonTaskDefinitionNotUsable, "task definition web does not exist", func(_ *world, o *v1alpha1.AgentDisconnect) { o.Spec.Probe.TaskDefinition = "web" }),
		Entry("no permission to stop", "AccessDenied", "ecs:StopTask", func(w *world, _ *v1alpha1.AgentDisconnect) {
			w.sim.Faults().Add(faults.Fault{Action: "ecs:StopTask", Denied: true})
		}),
		Entry("no permission to look at the task definition", "AccessDenied", "ecs:DescribeTaskDefinition", func(w *world, _ *v1alpha1.AgentDisconnect) {
			w.sim.Faults().Add(faults.Fault{Action: "ecs:DescribeTaskDefinition", Denied: true})
		}),
		Entry("no permission to look at tasks", "AccessDenied", "ecs:DescribeTasks", func(w *world, _ *v1alpha1.AgentDisconnect) {
			w.sim.Faults().Add(faults.Fault{Action: "ecs:DescribeTasks", Denied: true})
		}),
		Entry("no permission to list", "AccessDenied", "ecs:ListTasks", func(w *world, _ *v1alpha1.AgentDisconnect) {
			w.sim.Faults().Add(faults.Fault{Action: "ecs:ListTasks", Denied: true})
		}),
	)

	It("is explained by a plan, which calls nothing", func(ctx context.Context) {
		w := newProbeWorld(ctx)
		obj := w.create(ctx, probing, func(o *v1alpha1.AgentDisconnect) { o.Spec.Mode = v1alpha1.ModePlan })
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StatePlanned), describe(seen))
		Expect(seen.Status.Plan.Notes).To(ContainElement(And(ContainSubstring("one real task starts"), ContainSubstring("no dry run"))))
		Expect(w.runTasks()).To(BeZero())
	})

	It("leaves nothing when its object is lost: the sweep stops its tasks", func(ctx context.Context) {
		w, obj := probed(ctx)
		w.losesAnswer(ctx, obj)
		task := w.tasks()[0]

		sweeper := w.newSweeper()
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		Expect(w.tasks()[0].StoppingAt).To(BeZero(), "its object looks after it")

		found, err := sweep.Find(ctx, w.sessions.In(w.sim.World().Region))
		Expect(err).NotTo(HaveOccurred())
		Expect(found).To(ContainElement(And(HaveField("Kind", sweep.KindTasks), HaveField("TaskARNs", ConsistOf(task.ARN)),
			HaveField("UID", string(obj.UID)), HaveField("ClusterID", w.options.ClusterID))))

		w.expelled(ctx, obj)
		for range 3 {
			Expect(sweeper.Sweep(ctx)).To(Succeed())
			w.clock.Step(3 * time.Minute)
		}
		w.expectStopped()
		w.expectRestored()
	})

	It("does not touch other tasks with its name for startedBy", func(ctx context.Context) {
		w := newProbeWorld(ctx)
		_, _, err := w.sim.Region().RunTask(region.RunTask{Cluster: clusterName, Definition: "demo", Count: 1, StartedBy: probetasks.StartedBy, Group: "theirs"})
		Expect(err).NotTo(HaveOccurred())
		Expect(w.newSweeper().Sweep(ctx)).To(Succeed())
		Expect(w.tasks()).To(ConsistOf(HaveField("StoppingAt", BeZero())))
	})
})

// probed is a run whose probe has met AGENT, and whose agents are disconnected.
func probed(ctx context.Context) (*world, *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	w := newProbeWorld(ctx)
	obj := w.blocking(ctx, probing)
	w.setAgents(false)
	w.run(ctx, time.Minute, obj)
	return w, obj
}

// losesAnswer has the probe start a task, since an agent is connected, and lose the answer.
func (w *world) losesAnswer(ctx context.Context, obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	w.connect(0, true)
	w.sim.Faults().Add(faults.Fault{Action: "ecs:RunTask", Lost: true, Times: 1})
	Expect(w.callsUntil(ctx, obj, func() bool { return len(w.tasks()) > 0 })).To(BeTrue())
}

// startsOne has the probe start a task, since an agent is connected for a moment; it is gone again
// before it hears that the task is to stop.
func (w *world) startsOne(ctx context.Context, obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	w.connect(0, true)
	remove := w.sim.Faults().Before("ecs:StopTask", func(call.Call) { w.connect(0, false) })
	defer remove()
	Expect(w.callsUntil(ctx, obj, func() bool { return len(w.tasks()) > 0 })).To(BeTrue(), "the probe calls before the next poll")
}

// callsUntil steps a second at a time until something is so, for a minute at most.
func (w *world) callsUntil(ctx context.Context, obj *v1alpha1.AgentDisconnect, is func() bool) bool {
	for range 60 {
		if is() {
			return true
		}
		w.run(ctx, time.Second, obj)
	}
	return is()
}
