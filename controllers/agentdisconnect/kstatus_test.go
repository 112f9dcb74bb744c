// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// raw is an object as the API server returns it.
func (w *world) raw(ctx context.Context, obj *v1alpha1.AgentDisconnect) *unstructured.Unstructured {
	GinkgoHelper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("AgentDisconnect"))
	Expect(kube.Get(ctx, client.ObjectKeyFromObject(obj), u)).To(Succeed())
	return u
}

// kstatus is how Flux and others that build on it read an object.
func kstatus(u *unstructured.Unstructured) status.Status {
	GinkgoHelper()
	result, err := status.Compute(u)
	Expect(err).NotTo(HaveOccurred())
	return result.Status
}

// slowed has calls of a kind limited in their rate from now on, and refused has them denied.
func (w *world) slowed(action string) {
	w.sim.Faults().Add(faults.Fault{Action: action, Error: "RequestLimitExceeded"})
}

func (w *world) refused(action string) {
	w.sim.Faults().Add(faults.Fault{Action: action, Denied: true})
}

// toItsEnd takes a run past its expiration.
func (w *world) toItsEnd(ctx context.Context, obj *v1alpha1.AgentDisconnect, more time.Duration) *v1alpha1.AgentDisconnect {
	w.run(ctx, w.get(ctx, obj).Status.ExpirationTime.Sub(w.clock.Now())+more, obj)
	return obj
}

var _ = Describe("A new object", func() {
	It("doesn't pass for finished before the controller looked at it", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.create(ctx)
		Expect(kstatus(w.raw(ctx, obj))).To(Equal(status.InProgressStatus))
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.get(ctx, obj).Status.ObservedGeneration).To(Equal(int64(1)))
	})
})

// states are all that a user can meet, each brought about by a run.
var states = []struct {
	state, when string
	reach       func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect
	kstatus     status.Status
	health      string
	actions     string // that Argo CD offers
}{
	{v1alpha1.StateWaiting, "for startAfter", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.create(ctx, startingAfter(w.clock.Now().Add(time.Hour)))
		w.run(ctx, time.Second, obj)
		return obj
	}, status.CurrentStatus, healthy, "stop suspend"},
	{v1alpha1.StateWaiting, "for startAfter, all else being ready", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.create(ctx, startingAfter(w.clock.Now().Add(5*time.Minute)))
		w.run(ctx, time.Minute, obj)
		return obj
	}, status.CurrentStatus, healthy, "stop suspend"},
	{v1alpha1.StateWaiting, "for another run", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		first, obj := w.blocking(ctx), w.create(ctx)
		w.run(ctx, 20*time.Second, first, obj)
		return obj
	}, status.CurrentStatus, healthy, "stop suspend"},
	{v1alpha1.StateRefused, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		w.setAgents(false)
		obj := w.create(ctx)
		w.run(ctx, time.Second, obj)
		return obj
	}, status.FailedStatus, degraded, "stop suspend"},
	{v1alpha1.StateDiscovering, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.create(ctx)
		w.run(ctx, time.Second, obj)
		return obj
	}, status.InProgressStatus, progressing, "stop suspend"},
	{v1alpha1.StateInstalling, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		w.sim.Faults().Add(faults.Fault{Action: "ec2:CreateTags", Error: "RequestLimitExceeded"})
		obj := w.create(ctx)
		w.run(ctx, 20*time.Second, obj)
		return obj
	}, status.InProgressStatus, progressing, "stop suspend"},
	{v1alpha1.StateBlocking, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		return w.blocking(ctx)
	}, status.CurrentStatus, healthy, "stop suspend"},
	{v1alpha1.StateBlocking, "since a person must act", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.blocking(ctx)
		w.refused("ec2:DescribeNetworkAcls")
		w.run(ctx, time.Minute, obj)
		return obj
	}, status.FailedStatus, degraded, "stop suspend"},
	{v1alpha1.StateSuspended, "before the start", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.create(ctx, suspending(true))
		w.run(ctx, time.Second, obj)
		return obj
	}, status.CurrentStatus, paused, "resume stop"},
	{v1alpha1.StateSuspended, "during the run", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.blocking(ctx)
		w.edit(ctx, obj, suspending(true))
		w.run(ctx, time.Minute, obj)
		return obj
	}, status.CurrentStatus, paused, "resume stop"},
	{v1alpha1.StateRestoring, "for a suspension", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.blocking(ctx)
		w.slowed("ec2:DeleteNetworkAclEntry")
		w.edit(ctx, obj, suspending(true))
		w.run(ctx, 5*time.Second, obj)
		return obj
	}, status.InProgressStatus, progressing, "resume stop"},
	{v1alpha1.StateRestoring, "at the end", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.blocking(ctx)
		w.slowed("ec2:DeleteNetworkAclEntry")
		return w.toItsEnd(ctx, obj, 5*time.Second)
	}, status.InProgressStatus, progressing, ""},
	{v1alpha1.StateRestoring, "since a person must act", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.blocking(ctx)
		w.refused("ec2:DeleteNetworkAclEntry")
		return w.toItsEnd(ctx, obj, 5*time.Second)
	}, status.FailedStatus, degraded, ""},
	{v1alpha1.StateRecovering, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.blocking(ctx)
		w.setAgents(false)
		return w.toItsEnd(ctx, obj, time.Minute)
	}, status.InProgressStatus, progressing, ""},
	{v1alpha1.StateCompleted, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		w.follow()
		return w.completed(ctx)
	}, status.CurrentStatus, healthy, "run-again"},
	{v1alpha1.StatePlanned, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.create(ctx, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Mode = v1alpha1.ModePlan })
		w.run(ctx, time.Minute, obj)
		return obj
	}, status.CurrentStatus, healthy, "run-again"},
	{v1alpha1.StatePlanRefused, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		w.setAgents(false)
		obj := w.create(ctx, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Mode = v1alpha1.ModePlan })
		w.run(ctx, time.Minute, obj)
		return obj
	}, status.FailedStatus, degraded, "run-again"},
	{v1alpha1.StateAgentsStayedConnected, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		return w.toItsEnd(ctx, w.blocking(ctx), time.Minute)
	}, status.FailedStatus, degraded, "run-again"},
	{v1alpha1.StateAgentsDidNotReconnect, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.blocking(ctx)
		w.setAgents(false)
		return w.toItsEnd(ctx, obj, 11*time.Minute)
	}, status.FailedStatus, degraded, "run-again"},
	{v1alpha1.AbortStartDeadlineExceeded, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.create(ctx, startingBefore(w.clock.Now()))
		w.run(ctx, time.Second, obj)
		return obj
	}, status.FailedStatus, degraded, "run-again"},
	{v1alpha1.AbortDriftDetected, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.settled(ctx, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.OnDrift = v1alpha1.OnDriftAbort })
		w.strip(80)
		w.run(ctx, 2*time.Minute, obj)
		return obj
	}, status.FailedStatus, degraded, "run-again"},
	{v1alpha1.AbortConsentWithdrawn, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.blocking(ctx)
		w.tagSubnet("agentdisconnect.dev/allow")
		w.run(ctx, 2*time.Minute, obj)
		return obj
	}, status.FailedStatus, degraded, "run-again"},
	{v1alpha1.AbortAgentsLeft, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.blocking(ctx)
		w.leave()
		w.run(ctx, 12*time.Minute, obj)
		return obj
	}, status.FailedStatus, degraded, "run-again"},
	{v1alpha1.AbortSubnetLeft, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.blocking(ctx)
		w.move(subnetID, w.anotherACL())
		w.run(ctx, 2*time.Minute, obj)
		return obj
	}, status.FailedStatus, degraded, "run-again"},
	{v1alpha1.AbortNetworkACLShared, "", func(ctx context.Context, w *world) *v1alpha1.AgentDisconnect {
		obj := w.blocking(ctx)
		w.move(plainSubnet, aclID)
		w.run(ctx, 2*time.Minute, obj)
		return obj
	}, status.FailedStatus, degraded, "run-again"},
}

// endedBy are the reasons to end a run whose causes have specs of their own: here it is marked with them.
var endedBy = []string{
	v1alpha1.AbortPlanDoesNotFit, v1alpha1.AbortNetworkACLDeleted, v1alpha1.AbortCloneEdited, v1alpha1.AbortOriginalDeleted,
	v1alpha1.AbortOriginalChanged, v1alpha1.AbortQuotaExceeded, v1alpha1.AbortClusterGone,
	v1alpha1.AbortOtherClusters,
}

var _ = Describe("An object as kstatus and Argo CD read it", func() {
	for _, s := range states {
		It("is "+string(s.kstatus)+" and "+s.health+" in state "+s.state+" "+s.when, func(ctx context.Context) {
			w, _ := audited(ctx)
			obj := s.reach(ctx, w)
			Expect(w.state(ctx, obj)).To(Equal(s.state), describe(w.get(ctx, obj)))
			seen := w.raw(ctx, obj)
			Expect(kstatus(seen)).To(Equal(s.kstatus), describe(w.get(ctx, obj)))
			Expect(argoHealth(seen)).To(HaveField("Status", s.health), describe(w.get(ctx, obj)))
			Expect(argoEnabled("actions", seen)).To(Equal(s.actions), describe(w.get(ctx, obj)))
			for action := range strings.FieldsSeq(s.actions) {
				argoAct(ctx, "actions", action, seen, metav1.DryRunAll)
			}
			keepForGitOps(seen, s.state+" "+s.when, s.kstatus, s.health, s.actions)

			By("being in progress from a change of the spec on, until the controller looked")
			w.edit(ctx, obj, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Duration.Duration += time.Second })
			Expect(kstatus(w.raw(ctx, obj))).To(Equal(status.InProgressStatus))
			Expect(argoHealth(w.raw(ctx, obj))).To(HaveField("Status", progressing))
		})
	}

	It("is failed and degraded whatever ended the run before its time", func(ctx context.Context) {
		for _, reason := range endedBy {
			w, _ := followed(ctx)
			obj := w.blocking(ctx)
			w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) {
				status.Abort = &v1alpha1.Abort{Reason: reason, Message: "seen", Time: metav1.Time{Time: w.clock.Now()}}
			})
			w.finish(ctx, obj, 2*time.Minute)
			Expect(w.state(ctx, obj)).To(Equal(reason), describe(w.get(ctx, obj)))
			Expect(kstatus(w.raw(ctx, obj))).To(Equal(status.FailedStatus), reason)
			Expect(argoHealth(w.raw(ctx, obj))).To(HaveField("Status", degraded), reason)
		}
	})

	It("is terminating and progressing while it is being deleted", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		w.slowed("ec2:DeleteNetworkAclEntry")
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		for range 2 {
			Expect(kstatus(w.raw(ctx, obj))).To(Equal(status.TerminatingStatus))
			Expect(argoHealth(w.raw(ctx, obj))).To(HaveField("Status", progressing))
			w.run(ctx, 5*time.Second, obj)
		}
	})
})
