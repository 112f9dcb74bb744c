// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// audit holds what the manager does against what it promises, at the moment when it does it. Third parties edit the Region
// itself, so every call is the manager's.
type audit struct {
	world *world

	mu sync.Mutex
	// made are the entries that the manager made and has not deleted, by network ACL, direction and number.
	made map[string]acl.Entry
	// clones are the network ACLs that the manager made, by id, those that it deleted included.
	clones map[string]madeClone
	// claims are what the tags on a network ACL said of each run when the manager last wrote them, by its id.
	claims map[string][]ownership.Claim
	// begun is when the audit first looked.
	begun time.Time
	// lacking says since when subnets have lacked consent, by network ACL and subnet, populated since when a cluster has had
	// instances there, by the same and the cluster's ARN, and protected since when addresses are an API's.
	lacking, populated map[string]unwelcome
	protected          map[netip.Addr]time.Time
	// violations are what was promised and not kept.
	violations []string
}

// audited is a new world whose manager is watched: each entry is in the ledger, and in the tags on its network ACL, before
// AWS is asked for it, in a run that has begun, has a finalizer and isn't over; what is deleted is what the manager itself
// made, and has not given up; the tags claim no more than the ledger; entries that are no denies are copied to clones alone, and
// subnets moved to those and back; denies act, and stand, on subnets that consent and have no other cluster's agents, and on no
// address that callers or the clean-up need.
func audited(ctx context.Context, change ...func(*sim.Options)) (*world, *audit) {
	w := newWorld(ctx, change...)
	w.boot()
	a := &audit{world: w, made: map[string]acl.Entry{}, clones: map[string]madeClone{}, claims: map[string][]ownership.Claim{}}
	a.watch("ec2:CreateNetworkAclEntry", a.creating, a.created)
	w.sim.Faults().Before("ec2:DescribeNetworkAcls", a.look)
	a.watch("ec2:ReplaceNetworkAclEntry", a.replacing, a.created)
	a.watch("ec2:DeleteNetworkAclEntry", a.deleting, a.deleted)
	a.watch("ec2:CreateNetworkAcl", a.cloning, a.cloned)
	a.watch("ec2:DeleteNetworkAcl", a.discarding, a.discarded)
	a.watch("ec2:ReplaceNetworkAclAssociation", a.moving, nil)
	a.watch("ec2:CreateTags", a.tagging, a.tagged)
	a.watch("ec2:DeleteTags", a.untagging, a.tagged)
	w.watched = func() { a.observe(false) }
	DeferCleanup(func() { Expect(a.found()).To(BeEmpty(), "promises that were not kept") })
	return w, a
}

// watch has before called before the effect of each call of an action that changes something, with the runs as they are then,
// and after, if set, once it took place.
func (a *audit) watch(action string, before func(call.Call, []v1alpha1.AgentDisconnect), after func(call.Call)) {
	a.world.sim.Faults().Before(action, func(c call.Call) {
		if !c.DryRun {
			runs := a.runs()
			a.claimedAsLedgered(runs)
			before(c, runs)
		}
	})
	a.world.sim.Faults().After(action, func(c call.Call) {
		if !c.DryRun && c.Error == "" && after != nil {
			after(c)
		}
	})
}

func (a *audit) found() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.violations...)
}

func (a *audit) violation(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if text := fmt.Sprintf(format, args...); !slices.Contains(a.violations, text) {
		a.violations = append(a.violations, text)
	}
}

// place is where an entry stands: its network ACL, direction and number.
func place(c call.Call) string {
	return c.Param("NetworkAclId") + " egress=" + c.Param("Egress") + " " + c.Param("RuleNumber")
}

// standing is the entry that a call is about, as it is.
func (a *audit) standing(c call.Call) (acl.Entry, bool) {
	number, _ := strconv.Atoi(c.Param("RuleNumber"))
	found, _ := a.world.sim.Region().NetworkACL(c.Param("NetworkAclId"))
	for _, e := range found.Entries {
		if fmt.Sprint(e.Egress) == c.Param("Egress") && e.RuleNumber == number {
			return e, true
		}
	}
	return acl.Entry{}, false
}

// runs are the runs that have begun and have a finalizer, with all that their end takes.
func (a *audit) runs() []v1alpha1.AgentDisconnect {
	var all v1alpha1.AgentDisconnectList
	if err := kube.List(context.Background(), &all, client.InNamespace(a.world.namespace)); err != nil {
		a.violation("listing objects: %v", err)
	}
	return slices.DeleteFunc(all.Items, func(obj v1alpha1.AgentDisconnect) bool {
		status := &obj.Status
		return !controllerutil.ContainsFinalizer(&obj, v1alpha1.Finalizer) || status.StartTime == nil || status.ExpirationTime == nil ||
			status.Target == nil || status.NetworkACL == nil
	})
}

// inTime says that a run isn't over.
func (a *audit) inTime(obj *v1alpha1.AgentDisconnect, what string) {
	if !a.world.clock.Now().Before(obj.Status.ExpirationTime.Time) {
		a.violation("%s was requested after the run's end", what)
	}
}

func (a *audit) creating(c call.Call, runs []v1alpha1.AgentDisconnect) {
	for _, obj := range runs {
		if rule := entered(&obj, c); rule != nil {
			a.inTime(&obj, "rule "+place(c))
			a.hitting(c)
			a.first(&obj, c)
			if !a.claimed(&obj, *rule) {
				a.violation("rule %s was requested before the tags on the network ACL had it", place(c))
			}
			return
		}
		if copied(&obj, c) {
			a.inTime(&obj, "copy "+place(c))
			if made, known := a.clone(c.Param("NetworkAclId")); !known || made.uid != string(obj.UID) {
				a.violation("copy %s was requested on a network ACL that is no clone of the run's", place(c))
			}
			return
		}
	}
	a.violation("entry %s was requested without a line in the status of a run that has begun and has a finalizer: %v", place(c), c.Params)
}

// entered is the line by which the ledger of a run names the entry that a call asks for; nil: there is none.
func entered(obj *v1alpha1.AgentDisconnect, c call.Call) *v1alpha1.Rule {
	if c.Param("Egress") != "true" || c.Param("RuleAction") != "deny" || c.Param("Protocol") != "-1" {
		return nil
	}
	for i, rule := range obj.Status.Rules {
		if rule.NetworkACLID == c.Param("NetworkAclId") && strconv.Itoa(int(rule.RuleNumber)) == c.Param("RuleNumber") &&
			rule.CIDR == cidrOf(c) && rule.State == v1alpha1.RuleCreating && rule.LastAttemptTime != nil {
			return &obj.Status.Rules[i]
		}
	}
	return nil
}

func cidrOf(c call.Call) string { return cmp.Or(c.Param("CidrBlock"), c.Param("Ipv6CidrBlock")) }

func (a *audit) created(c call.Call) {
	if entry, there := a.standing(c); there {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.made[place(c)] = entry
	}
}

func (a *audit) deleting(c call.Call, runs []v1alpha1.AgentDisconnect) {
	entry, there := a.standing(c)
	if released(c, runs) {
		a.violation("deletion of rule %s was requested, which the run no longer owned", place(c))
	}
	if !there {
		return
	}
	if !a.ours(c, entry) {
		a.violation("deletion of rule %s was requested for an entry of a third party: %+v", place(c), entry)
	}
}

// ours reports whether the manager made the entry that stands where a call is about.
func (a *audit) ours(c call.Call, entry acl.Entry) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	made, ours := a.made[place(c)]
	return ours && made == entry
}

func (a *audit) deleted(c call.Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.made, place(c))
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
