// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/priority"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// crowded is an informer with objects, and an API server that does not answer about those of one namespace.
type crowded struct {
	client.Reader

	informer map[client.ObjectKey]objects.Object
	asked    chan client.ObjectKey
	answer   chan struct{}
}

// Get implements client.Reader. What is asked for whole is gone: a pass over it ends there.
func (c *crowded) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	gone := apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("agentdisconnects").GroupResource(), key.Name)
	if out, cached := obj.(*objects.Object); cached {
		known, ok := c.informer[key]
		if !ok {
			return gone
		}
		*out = known
		return nil
	}
	c.asked <- key
	if key.Namespace == "noisy" {
		<-c.answer
	}
	return gone
}

var crowdNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// inPhase is an object that was asked for five minutes ago.
func inPhase(name string, change func(*v1alpha1.AgentDisconnect)) *v1alpha1.AgentDisconnect {
	obj := &v1alpha1.AgentDisconnect{}
	obj.Namespace, obj.Name, obj.CreationTimestamp = "team", name, *run.Stamp(crowdNow.Add(-5 * time.Minute))
	change(obj)
	return obj
}

// onUntil gives an object a run that ends in so much time, with a rule in place.
func onUntil(left time.Duration) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) {
		obj.Status.StartTime, obj.Status.ExpirationTime = run.Stamp(crowdNow.Add(-4*time.Minute)), run.Stamp(crowdNow.Add(left))
		obj.Status.NetworkACL = &v1alpha1.NetworkACL{ID: "acl-1", Mode: v1alpha1.NetworkACLModeInPlace}
		obj.Status.Rules = []v1alpha1.Rule{{RuleNumber: 80, CIDR: "52.119.223.69/32"}}
	}
}

// A thousand objects that can't begin, each of which holds its worker up for ever, take half of the workers, and no more. The ends
// of another namespace are worked on while they do, in whichever order all of it came.
func TestAThousandSlowObjectsDelayNoEndOfAnotherNamespace(t *testing.T) {
	g := NewWithT(t)
	const workers, noisy, finished, ends = 8, 1000, 1000, 20
	c := &crowded{informer: map[client.ObjectKey]objects.Object{}, asked: make(chan client.ObjectKey, noisy+ends), answer: make(chan struct{})}
	clock := clocktesting.NewFakeClock(crowdNow)
	r := &Reconciler{Manager: &pass.Manager{Clock: clock, Reader: c}, places: newPlaces(workers / 2), cache: c}

	queue := priorityqueue.New[reconcile.Request](t.Name())
	enqueue := priority.Handler(clock)
	add := func(namespace, name string, change func(*v1alpha1.AgentDisconnect)) {
		obj := inPhase(name, change)
		obj.Namespace = namespace
		known := objects.Of(obj)
		c.informer[client.ObjectKeyFromObject(obj)] = known
		enqueue.Create(t.Context(), event.CreateEvent{Object: &known, IsInInitialList: true}, queue)
	}
	for i := range noisy {
		add("noisy", fmt.Sprint(i), func(*v1alpha1.AgentDisconnect) {})
	}
	for i := range finished {
		add("quiet", fmt.Sprint("finished-", i), func(obj *v1alpha1.AgentDisconnect) {
			onUntil(-time.Minute)(obj)
			obj.Status.Rules, obj.Status.RestoredTime, obj.Status.CompletionTime = nil, obj.Status.ExpirationTime, obj.Status.ExpirationTime
			obj.Status.State = v1alpha1.StateCompleted
		})
	}
	for i := range ends / 2 {
		add("quiet", fmt.Sprint("end-", i), onUntil(-time.Second))
	}

	var working sync.WaitGroup
	turnedAway := make(chan reconcile.Request, noisy)
	for range workers {
		working.Go(func() {
			for {
				request, _, shutdown := queue.GetWithPriority()
				if shutdown {
					return
				}
				if result, err := r.Reconcile(context.Background(), request); err == nil && result.RequeueAfter > 0 {
					turnedAway <- request
				}
				queue.Done(request)
			}
		})
	}

	// The workers take the ends first. Which of the workers asks first is chance.
	asked := map[string]int{}
	for range ends/2 + workers/2 {
		asked[(<-c.asked).Namespace]++
	}
	g.Expect(asked).To(Equal(map[string]int{"quiet": ends / 2, "noisy": workers / 2}))
	for range noisy - workers/2 {
		g.Expect((<-turnedAway).Namespace).To(Equal("noisy"), "without a request")
	}

	// Half of the workers are held up now, and those that become due find the others.
	for i := range ends / 2 {
		gone := objects.Of(inPhase(fmt.Sprint("late-", i), onUntil(-time.Second)))
		gone.Namespace = "quiet" // not in the informer: judged once it is read
		enqueue.Create(t.Context(), event.CreateEvent{Object: &gone}, queue)
	}
	for range ends / 2 {
		g.Expect((<-c.asked).Name).To(HavePrefix("late-"))
	}
	g.Expect(c.asked).To(BeEmpty(), "a finished object costs no request")

	close(c.answer)
	queue.ShutDown()
	working.Wait()
}
