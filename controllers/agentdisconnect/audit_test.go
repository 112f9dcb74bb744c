// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/audit"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// violations are the promises that the manager of a world did not keep.
type violations struct {
	mu   sync.Mutex
	text []string
}

func (v *violations) add(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if text := fmt.Sprintf(format, args...); !slices.Contains(v.text, text) {
		v.text = append(v.text, text)
	}
}

func (v *violations) found() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.text)
}

// audited is a new world whose manager is held to what it promises at each call of it: see package audit.
func audited(ctx context.Context, change ...func(*sim.Options)) (*world, *violations) {
	w, v := newWorld(ctx, change...), &violations{}
	w.boot()
	a := audit.New(audit.Options{
		Simulator: w.sim, Now: w.clock.Now,
		Begun:   func() []*v1alpha1.AgentDisconnect { return w.begun(v) },
		Consent: func() (string, string) { return w.options.ConsentTagKey, w.namespace },
		Notice: audit.Notice{
			Consent:   45 * time.Second,  // the 40 seconds that are promised, and some slack
			Protected: 100 * time.Second, // a look is a minute old at most, and two looks have to agree
			Cluster:   100 * time.Second,
			Believed:  65 * time.Second,
		},
		Violated: func(promise audit.Promise, text string) {
			// A ledger that was edited by hand is not held against the tags.
			if promise != audit.Overclaimed || !w.edited {
				v.add("%s: %s", promise, text)
			}
		},
	})
	w.watched = func() { w.sim.RunSchedules(); a.Observe() }
	DeferCleanup(func() { Expect(v.found()).To(BeEmpty(), "promises that were not kept") })
	return w, v
}

// begun are the objects of the world whose runs have begun and have a finalizer.
func (w *world) begun(v *violations) []*v1alpha1.AgentDisconnect {
	var all v1alpha1.AgentDisconnectList
	if err := kube.List(context.Background(), &all, client.InNamespace(w.namespace)); err != nil {
		v.add("listing objects: %v", err)
	}
	var begun []*v1alpha1.AgentDisconnect
	for i := range all.Items {
		if obj := &all.Items[i]; audit.HasBegun(obj) {
			begun = append(begun, obj)
		}
	}
	return begun
}

// honest has what the status of a run says between two passes held against the Region: no rule is called installed while an
// address is let through. (A status that couldn't be written at the run's end says what it said before.)
func (w *world) honest(v *violations) {
	w.beforePass = func() {
		var all v1alpha1.AgentDisconnectList
		Expect(kube.List(context.Background(), &all, client.InNamespace(w.namespace))).To(Succeed())
		for i := range all.Items {
			obj := &all.Items[i]
			if condition(obj, v1alpha1.ConditionRulesInstalled).Status != metav1.ConditionTrue || !w.clock.Now().Before(obj.Status.ExpirationTime.Time) {
				continue
			}
			for _, endpoint := range obj.Status.Endpoints {
				for _, address := range endpoint.Addresses {
					if w.reachable(obj.Spec.SubnetID, address) {
						v.add("rules are called installed, but %s is let through", address)
					}
				}
			}
		}
	}
}

// reachable reports whether the Region lets the subnet's traffic to port 443 of an address through.
func (w *world) reachable(subnet, address string) bool {
	return w.sim.Region().Allows(subnet, acl.Packet{Egress: true, Protocol: acl.TCP, Remote: netip.MustParseAddr(address), Port: 443})
}

// follow has ECS say of the agents what the network ACL makes of them, after every write of the manager.
func (w *world) follow() {
	var mu sync.Mutex
	update := func(call.Call) {
		mu.Lock()
		defer mu.Unlock()
		open := false
		for _, host := range w.sim.World().Hosts {
			for _, address := range host.Addresses {
				open = open || w.reachable(subnetID, address)
			}
		}
		w.setAgents(open)
	}
	w.sim.Faults().After("ec2:CreateNetworkAclEntry", update)
	w.sim.Faults().After("ec2:DeleteNetworkAclEntry", update)
}

// within makes a run's duration this long.
func within(d time.Duration) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Duration = metav1.Duration{Duration: d} }
}

// finish takes a run to its end, and a little further, but waits no longer than the given time.
func (w *world) finish(ctx context.Context, obj *v1alpha1.AgentDisconnect, most time.Duration) *v1alpha1.AgentDisconnect {
	const step = 15 * time.Second
	for end := w.clock.Now().Add(most); w.clock.Now().Before(end); {
		w.run(ctx, step, obj)
		if seen := w.get(ctx, obj); seen.Status.CompletionTime != nil {
			w.run(ctx, time.Second, obj)
			break
		}
	}
	return w.get(ctx, obj)
}
