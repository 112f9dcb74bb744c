// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// audit holds what the manager does against what it promises, at the moment when it does it. Strangers edit the Region
// itself, so every call is the manager's.
type audit struct {
	world *world

	mu sync.Mutex
	// made are the entries that the manager made and has not deleted, by network ACL and number.
	made map[string]acl.Entry
	// violations are what was promised and not kept.
	violations []string
}

// audited is a new world whose manager is watched: each entry is in the ledger before AWS is asked for it, in a run that
// has begun, has a finalizer and isn't over; and what is deleted is what the manager itself made.
func audited(ctx context.Context) (*world, *audit) {
	w := newWorld(ctx)
	w.options.LookupInterval = w.options.AgentPollInterval // a third of the passes, and so of the time
	w.boot()
	a := &audit{world: w, made: map[string]acl.Entry{}}
	faults := w.sim.Faults()
	faults.Before("ec2:CreateNetworkAclEntry", a.creating)
	faults.After("ec2:CreateNetworkAclEntry", a.created)
	faults.Before("ec2:DeleteNetworkAclEntry", a.deleting)
	faults.After("ec2:DeleteNetworkAclEntry", a.deleted)
	DeferCleanup(func() { Expect(a.found()).To(BeEmpty(), "promises that were not kept") })
	return w, a
}

func (a *audit) found() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.violations...)
}

func (a *audit) violation(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.violations = append(a.violations, fmt.Sprintf(format, args...))
}

func place(c call.Call) string { return c.Param("NetworkAclId") + " " + c.Param("RuleNumber") }

// standing is the outbound entry that a call is about, as it is.
func (a *audit) standing(c call.Call) (acl.Entry, bool) {
	number, _ := strconv.Atoi(c.Param("RuleNumber"))
	found, _ := a.world.sim.Region().NetworkACL(c.Param("NetworkAclId"))
	for _, e := range found.Entries {
		if e.Egress && e.RuleNumber == number {
			return e, true
		}
	}
	return acl.Entry{}, false
}

func (a *audit) creating(c call.Call) {
	if c.DryRun {
		return
	}
	if c.Param("Egress") != "true" || c.Param("RuleAction") != "deny" || c.Param("Protocol") != "-1" {
		a.violation("an entry was asked for that isn't an outbound deny of all traffic: %v", c.Params)
	}
	var all v1alpha1.AgentDisconnectList
	if err := kube.List(context.Background(), &all, client.InNamespace(a.world.namespace)); err != nil {
		a.violation("listing objects: %v", err)
	}
	for i := range all.Items {
		if entered(&all.Items[i], c) {
			if expires := all.Items[i].Status.ExpirationTime; !a.world.clock.Now().Before(expires.Time) {
				a.violation("rule %s was asked for after the run's end", place(c))
			}
			return
		}
	}
	a.violation("rule %s was asked for without a line in the ledger of a run that has begun and has a finalizer", place(c))
}

// entered says whether the ledger of a run names the entry that a call asks for.
func entered(obj *v1alpha1.AgentDisconnect, c call.Call) bool {
	status := &obj.Status
	if !controllerutil.ContainsFinalizer(obj, v1alpha1.Finalizer) || status.StartTime == nil || status.ExpirationTime == nil || status.Target == nil {
		return false
	}
	for _, line := range status.Rules {
		if line.NetworkACLID == c.Param("NetworkAclId") && strconv.Itoa(int(line.RuleNumber)) == c.Param("RuleNumber") {
			return line.CIDR == c.Param("CidrBlock") && line.State == v1alpha1.RuleCreating && line.LastAttemptTime != nil
		}
	}
	return false
}

func (a *audit) created(c call.Call) {
	if entry, there := a.standing(c); there && c.Error == "" && !c.DryRun {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.made[place(c)] = entry
	}
}

func (a *audit) deleting(c call.Call) {
	entry, there := a.standing(c)
	if c.DryRun || !there {
		return
	}
	a.mu.Lock()
	made, ours := a.made[place(c)]
	a.mu.Unlock()
	if !ours || made != entry {
		a.violation("deletion of rule %s was asked for, where someone else's entry stands: %+v", place(c), entry)
	}
}

func (a *audit) deleted(c call.Call) {
	if c.Error == "" && !c.DryRun {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.made, place(c))
	}
}

// honest has what the status of a run says between two passes held against the Region: no rule is called installed while an
// address is let through. (A status that couldn't be written at the run's end says what it said before.)
func (w *world) honest(a *audit) {
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
						a.violation("rules are called installed, but %s is let through", address)
					}
				}
			}
		}
	}
}

// reachable says whether the Region lets the subnet's traffic to port 443 of an address through.
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
