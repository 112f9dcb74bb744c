// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule/child"
)

// schedule creates a schedule of every night, with changes.
func (r *runs) schedule(name string, changes ...func(*v1alpha1.AgentDisconnectSchedule)) *v1alpha1.AgentDisconnectSchedule {
	r.Helper()
	obj := &v1alpha1.AgentDisconnectSchedule{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: name},
		Spec: v1alpha1.AgentDisconnectScheduleSpec{
			Schedule: "30 2 * * 1-5", TimeZone: "Asia/Tokyo",
			Template: v1alpha1.AgentDisconnectTemplate{Spec: v1alpha1.AgentDisconnectSpec{
				Cluster: "demo", SubnetID: "subnet-0c2e4a6b8d1f35790", Duration: metav1.Duration{Duration: 10 * time.Minute},
			}},
		},
	}
	for _, change := range changes {
		change(obj)
	}
	r.Expect(r.kube.Create(r.Context(), obj)).To(Succeed())
	return obj
}

// scheduled creates the run of a schedule for a time, as the manager does.
func (r *runs) scheduled(schedule *v1alpha1.AgentDisconnectSchedule, at time.Time) *v1alpha1.AgentDisconnect {
	r.Helper()
	obj := child.New(schedule, at)
	r.Expect(r.kube.Create(r.Context(), obj)).To(Succeed())
	return obj
}

func replacing(obj *v1alpha1.AgentDisconnectSchedule) {
	obj.Spec.ConcurrencyPolicy = v1alpha1.ConcurrencyPolicyReplace
}

func TestTriggerRunsAScheduleNow(t *testing.T) {
	r := newRuns(t)
	schedule := r.schedule("nightly", func(obj *v1alpha1.AgentDisconnectSchedule) {
		obj.Spec.Template.Metadata = &v1alpha1.TemplateMetadata{Labels: map[string]string{"team": "checkout"}}
		obj.Spec.StartingDeadline = &metav1.Duration{Duration: 15 * time.Minute}
		obj.Spec.Suspend = new(true) // it can be triggered all the same
	})
	r.write(r.scheduled(schedule, r.clock.Now().Add(-time.Hour)), yes, v1alpha1.StateCompleted, "x", "", func(status *v1alpha1.AgentDisconnectStatus) {
		status.StartTime, status.RestoredTime, status.CompletionTime = new(metav1.Now()), new(metav1.Now()), new(metav1.Now())
	})

	r.begin("schedule", "trigger", "nightly")
	r.sees("Created AgentDisconnect " + r.namespace + "/nightly-manual-")
	obj := &r.objects()[1]
	r.Expect(obj.Name).To(MatchRegexp("^nightly-manual-.{5}$"))
	r.Expect(obj.Labels).To(Equal(map[string]string{"team": "checkout", v1alpha1.LabelSchedule: "nightly"}))
	r.Expect(obj.Annotations).To(BeEmpty())
	r.Expect(metav1.IsControlledBy(obj, schedule)).To(BeTrue())
	r.Expect(obj.Spec.StartAfter).To(BeNil())
	r.Expect(obj.Spec.StartDeadline.Time).To(BeTemporally("~", r.clock.Now().Add(15*time.Minute), time.Minute))
	obj.Spec.StartDeadline = nil
	r.Expect(obj.Spec).To(Equal(schedule.Spec.Template.Spec))

	r.write(obj, no, v1alpha1.StateAgentsStayedConnected, "1 agent stayed", v1alpha1.StateAgentsStayedConnected)
	r.Expect(r.end()).To(Equal(exitFailed), "the exit code is the verdict")
	r.Expect(r.errOut.String()).To(ContainSubstring("1 agent stayed"))
}

func TestTriggerUnderForbidNamesTheRunThatIsOn(t *testing.T) {
	r := newRuns(t)
	on := r.scheduled(r.schedule("nightly"), r.clock.Now())
	r.write(on, unknown, v1alpha1.StateBlocking, "x", "")
	r.Expect(r.run("schedule", "trigger", "nightly")).To(Equal(exitRefused))
	r.Expect(r.errOut.String()).To(SatisfyAll(
		ContainSubstring("AgentDisconnect "+r.namespace+"/"+on.Name+" is on (state: Blocking), and concurrencyPolicy of AgentDisconnectSchedule "+r.namespace+"/nightly is Forbid: no run was created"),
		ContainSubstring("kubectl agentdisconnect stop "+on.Name+" --namespace "+r.namespace)))
	r.Expect(r.objects()).To(HaveLen(1))

	r.held(on)
	r.Expect(r.kube.Delete(r.Context(), on)).To(Succeed())
	r.Expect(r.run("schedule", "trigger", "nightly")).To(Equal(exitRefused))
	r.Expect(r.errOut.String()).To(ContainSubstring("It is being ended. Wait for it: kubectl agentdisconnect watch " + on.Name))
	r.release(on)
}

// held has an object stay as one whose run is to be restored.
func (r *runs) held(obj *v1alpha1.AgentDisconnect) *v1alpha1.AgentDisconnect {
	r.Helper()
	obj.Finalizers = []string{v1alpha1.Finalizer}
	r.Expect(r.kube.Update(r.Context(), obj)).To(Succeed())
	return obj
}

// release has an object go whose run is restored.
func (r *runs) release(obj *v1alpha1.AgentDisconnect) {
	r.Helper()
	r.Expect(r.kube.Get(r.Context(), client.ObjectKeyFromObject(obj), obj)).To(Succeed())
	obj.Finalizers = nil
	r.Expect(r.kube.Update(r.Context(), obj)).To(Succeed())
}

func TestTriggerUnderReplaceEndsTheRunFirst(t *testing.T) {
	r := newRuns(t)
	schedule := r.schedule("nightly", replacing)
	on := r.held(r.scheduled(schedule, r.clock.Now()))

	r.begin("schedule", "trigger", "nightly")
	r.sees(on.Name + " is on, and concurrencyPolicy is Replace: it is ended first")
	r.sees("waiting until the manager has removed")
	r.Expect(r.objects()).To(HaveLen(1), "the other one is not restored")
	r.release(on)
	r.sees("Created AgentDisconnect " + r.namespace + "/nightly-manual-")
	made := r.only()
	r.write(made, yes, v1alpha1.StateCompleted, "all is well", "")
	r.Expect(r.end()).To(Equal(exitDone), r.said())
}

func TestTriggerUnderReplaceEndsARunThatATimeBringsMeanwhile(t *testing.T) {
	r := newRuns(t)
	schedule := r.schedule("nightly", replacing)
	on := r.held(r.scheduled(schedule, r.clock.Now()))
	r.begin("schedule", "trigger", "nightly")
	r.sees("waiting until the manager has removed")
	tick := r.held(r.scheduled(schedule, r.clock.Now().Add(time.Minute)))
	r.release(on)
	r.sees(tick.Name + " is on, and concurrencyPolicy is Replace: it is ended first")
	r.sees("Deleted AgentDisconnect " + r.namespace + "/" + tick.Name)
	r.Expect(r.objects()).To(HaveLen(1), "nothing is created while the other is not restored")
	r.release(tick)
	r.sees("Created AgentDisconnect " + r.namespace + "/nightly-manual-")
	r.write(r.only(), yes, v1alpha1.StateCompleted, "all is well", "")
	r.Expect(r.end()).To(Equal(exitDone), r.said())
}

func TestTriggerUnderReplaceGoesByTheScheduleAsItIsAfterTheWait(t *testing.T) {
	for name, tc := range map[string]struct {
		meanwhile func(*runs, *v1alpha1.AgentDisconnectSchedule)
		code      int
		want      string
	}{
		"it is gone": {
			func(r *runs, schedule *v1alpha1.AgentDisconnectSchedule) {
				r.Expect(r.kube.Delete(r.Context(), schedule)).To(Succeed())
			}, exitError, "no run was created: get AgentDisconnectSchedule ",
		},
		"it forbids what it replaced": {
			func(r *runs, schedule *v1alpha1.AgentDisconnectSchedule) {
				r.scheduled(schedule, r.clock.Now().Add(time.Minute))
				schedule.Spec.ConcurrencyPolicy = v1alpha1.ConcurrencyPolicyForbid
				r.Expect(r.kube.Update(r.Context(), schedule)).To(Succeed())
			}, exitRefused, "is Forbid: no run was created",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRuns(t)
			schedule := r.schedule("nightly", replacing)
			on := r.held(r.scheduled(schedule, r.clock.Now()))
			r.begin("schedule", "trigger", "nightly")
			r.sees("waiting until the manager has removed")
			tc.meanwhile(r, schedule)
			r.release(on)
			r.Expect(r.end()).To(Equal(tc.code))
			r.Expect(r.errOut.String()).To(ContainSubstring(tc.want))
			r.Expect(r.said()).NotTo(ContainSubstring("Created"))
		})
	}
}

func TestTriggerUnderReplaceOfARunThatIsGoneAtOnce(t *testing.T) {
	r := newRuns(t)
	r.scheduled(r.schedule("nightly", replacing), r.clock.Now()) // it has not begun
	r.begin("schedule", "trigger", "nightly")
	r.sees("Created AgentDisconnect " + r.namespace + "/nightly-manual-")
	r.write(r.only(), yes, v1alpha1.StateCompleted, "all is well", "")
	r.Expect(r.end()).To(Equal(exitDone), r.said())
}

func TestTriggerThatStopsToWaitForTheOtherRunCreatesNothing(t *testing.T) {
	r := newRuns(t)
	on := r.held(r.scheduled(r.schedule("nightly", replacing), r.clock.Now()))
	r.begin("schedule", "trigger", "nightly", "--timeout", "10m")
	r.sees("waiting until the manager has removed")
	var code int
	r.Eventually(func() chan int { r.clock.Step(time.Second); return r.code }).WithPolling(time.Millisecond).Should(Receive(&code))
	r.Expect(code).To(Equal(exitTimeout), r.said())
	r.Expect(r.errOut.String()).To(SatisfyAll(ContainSubstring("no run was created: "), ContainSubstring("The manager goes on removing what the run made")))
	r.release(on)
	r.Expect(r.objects()).To(BeEmpty())
}

func TestTriggerOfSchedulesThatCannotRun(t *testing.T) {
	r := newRuns(t)
	going := r.schedule("going", func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Finalizers = []string{"example.com/wait"} })
	r.Expect(r.kube.Delete(r.Context(), going)).To(Succeed())
	r.schedule("wrong", func(obj *v1alpha1.AgentDisconnectSchedule) {
		obj.Spec.Template.Metadata = &v1alpha1.TemplateMetadata{Labels: map[string]string{"team": "not a label"}}
	})
	for name, tc := range map[string]struct {
		code int
		want string
	}{
		"going":   {exitRefused, "AgentDisconnectSchedule " + r.namespace + "/going is being deleted, and its runs with it: no run was created"},
		"wrong":   {exitRefused, "of the template of AgentDisconnectSchedule " + r.namespace + "/wrong, and nothing was created: "},
		"nothing": {exitError, "get AgentDisconnectSchedule " + r.namespace + "/nothing: there is none of that name"},
	} {
		r.Expect(r.run("schedule", "trigger", name)).To(Equal(tc.code))
		r.Expect(r.errOut.String()).To(ContainSubstring(tc.want))
	}
	r.Expect(r.objects()).To(BeEmpty())
	r.Expect(r.kube.Get(r.Context(), client.ObjectKeyFromObject(going), going)).To(Succeed())
	going.Finalizers = nil
	r.Expect(r.kube.Update(r.Context(), going)).To(Succeed())
}

func TestSchedulesAreListedWithTheirNextTimes(t *testing.T) {
	r := newRuns(t)
	list := func(args ...string) []string {
		r.out.b.Reset()
		r.Expect(r.run(append([]string{"schedule"}, args...)...)).To(Equal(exitDone), r.said())
		return strings.Split(strings.TrimSuffix(r.out.String(), "\n"), "\n")
	}
	list()
	r.Expect(r.errOut.String()).To(Equal("There is no AgentDisconnectSchedule in namespace " + r.namespace + ".\n"))

	r.schedule("unseen")
	nightly := r.schedule("checkout-nightly")
	next := r.clock.Now().Add(16 * time.Hour)
	nightly.Status = v1alpha1.AgentDisconnectScheduleStatus{
		ObservedGeneration: 1, NextScheduleTime: new(metav1.NewTime(next)),
		Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: no, Reason: v1alpha1.ReasonRunStalled, Message: "move the subnet", LastTransitionTime: metav1.Now()},
			{Type: v1alpha1.ConditionStalled, Status: yes, Reason: v1alpha1.ReasonRunStalled, Message: "move the subnet", LastTransitionTime: metav1.Now()},
		},
	}
	r.Expect(r.kube.Status().Update(r.Context(), nightly)).To(Succeed())
	r.write(r.scheduled(nightly, r.clock.Now()), unknown, v1alpha1.StateBlocking, "x", "")
	want := []any{
		MatchRegexp(`^NAME +STATE +SCHEDULE +NEXT +LAST +ACTIVE$`),
		MatchRegexp(`^checkout-nightly +RunStalled +30 2 \* \* 1-5 Asia/Tokyo +1[56]h, ` + next.UTC().Format("15:04Z") + ` +\d+s Blocking +1$`),
		MatchRegexp(`^unseen +New +30 2 \* \* 1-5 Asia/Tokyo +- +- +0$`),
		BeEmpty(), Equal(r.namespace + "/checkout-nightly: RunStalled: move the subnet"),
	}
	r.Expect(list()).To(HaveExactElements(want...))
	r.Expect(list("list")).To(HaveExactElements(want...))
	r.Expect(list("list", "-A")).To(ContainElement(MatchRegexp(`^` + r.namespace + ` +unseen`)))

	r.at(80, 24)
	for _, line := range list() {
		r.Expect(len([]rune(line))).To(BeNumerically("<=", 80), line)
	}
	r.Expect(r.out.String()).To(ContainSubstring("30 2 * * 1-5"))
}

func TestNamesOfSchedulesComplete(t *testing.T) {
	r := newRuns(t)
	r.schedule("nightly")
	r.schedule("other")
	r.Expect(r.program.run(r.Context(), []string{"__complete", "schedule", "trigger", "--kubeconfig", r.kubeconfig, "--namespace", r.namespace, "n"})).To(Equal(exitDone))
	r.Expect(r.out.String()).To(Equal("nightly\t30 2 * * 1-5 Asia/Tokyo\n:4\n"), r.errOut.String())
}
