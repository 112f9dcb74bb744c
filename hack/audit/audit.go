// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// Promise is what a call did not keep to.
type Promise string

// What is promised whatever users and third parties do.
const (
	// Foreign is that nothing of a third party is changed, moved or deleted, and no tag that is not
	// the product's.
	Foreign Promise = "foreign"
	// Unclaimed is that an entry has a tag on its network ACL, from its creation on, that names its
	// owner.
	Unclaimed Promise = "unclaimed"
)

// What is promised as long as no user damages a ledger or removes a finalizer by hand.
const (
	// IdleClone is that entries of third parties stay also on a clone that serves no subnet.
	IdleClone Promise = "idle clone"
	// Recorded is that the status names what is asked of AWS before it is asked, and the tags name
	// each rule; and that nothing is deleted that the run gave up.
	Recorded Promise = "recorded"
	// InTime is that nothing is made for a run that is over.
	InTime Promise = "in time"
	// Permitted is that rules are made, and stand, where each subnet's owner consents and no other
	// cluster has agents, and that they deny no address that callers or the clean-up need.
	Permitted Promise = "permitted"
	// TagsLast is that the tags of a run are removed after its rules.
	TagsLast Promise = "tags last"
	// Restored is that a subnet is moved back by a run whose status names the clone.
	Restored Promise = "restored"
	// Overclaimed is that tags claim no entry that the ledger of their run lacks.
	Overclaimed Promise = "overclaimed"
	// Schedules is that schedules are named after a run, and made for one that has begun.
	Schedules Promise = "schedules"
)

// Options are what an audit watches, and how.
type Options struct {
	// Simulator has the Region. It is watched from New on.
	Simulator *sim.Simulator
	// Begun gives the objects, as stored, whose runs have begun and have a finalizer: see HasBegun.
	Begun func() []*v1alpha1.AgentDisconnect
	// Now is the managers' time, which is not the Region's everywhere.
	Now func() time.Time
	// Consent gives the key of the tag with which subnets consent, and the namespace of the
	// objects.
	Consent func() (tagKey, namespace string)
	// Notice is how long a manager may take to notice what third parties changed.
	Notice Notice
	// Violated is told of each promise that is not kept. It must not call the audit.
	Violated func(Promise, string)
	// Skip are promises that the manager is not held to here.
	Skip []Promise
}

// Audit watches a Region. Its methods may be called from any goroutine.
type Audit struct {
	o      Options
	region *region.Region

	mu sync.Mutex
	// entries are the entries that managers made and that stand, by network ACL.
	entries map[string]map[place]Entry
	// clones are the network ACLs that managers made, by id, those included that are deleted.
	clones map[string]Clone
	// claims are what the tags on a network ACL said when a manager last wrote them, by its id.
	claims map[string][]ownership.Claim

	// begun is when the audit first looked; the others say since when something has been so, see
	// observe.
	begun              time.Time
	lacking, populated map[string]violation
	protected          map[netip.Addr]time.Time
}

// New begins to watch a Region.
func New(o Options) *Audit {
	a := &Audit{
		// Taken once: asking the simulator for it carries out schedules, which calls back into the
		// audit.
		o: o, region: o.Simulator.Region(),
		entries: map[string]map[place]Entry{}, clones: map[string]Clone{}, claims: map[string][]ownership.Claim{},
	}
	a.watch("ec2:CreateNetworkAclEntry", a.creating, a.noteCreated)
	a.watch("ec2:ReplaceNetworkAclEntry", a.replacing, a.noteCreated)
	a.watch("ec2:DeleteNetworkAclEntry", a.deleting, a.noteDeleted)
	a.watch("ec2:CreateNetworkAcl", a.cloning, a.noteCloned)
	a.watch("ec2:DeleteNetworkAcl", a.discarding, func(c call.Call) { a.Discarded(c.Param("NetworkAclId")) })
	a.watch("ec2:ReplaceNetworkAclAssociation", a.moving, nil)
	a.watch("ec2:CreateTags", a.tagging, a.noteTagged)
	a.watch("ec2:DeleteTags", a.untagging, a.noteTagged)
	for _, action := range []string{"scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule"} {
		a.watch(action, a.scheduling, nil)
	}
	a.watch("ecs:RunTask", a.starting, nil)
	a.watch("ecs:StopTask", a.stopping, nil)
	o.Simulator.Faults().Before("ec2:DescribeNetworkAcls", func(call.Call) { a.observe(true) })
	return a
}

// watch has check called before the effect of each call of an action, with the runs as they are
// stored then, and note, if set, after it.
func (a *Audit) watch(action string, check func(call.Call, []*v1alpha1.AgentDisconnect), note func(call.Call)) {
	a.o.Simulator.Faults().Before(action, func(c call.Call) {
		if c.DryRun {
			return
		}
		runs := a.o.Begun()
		a.holdTagsAgainst(runs)
		check(c, runs)
	})
	a.o.Simulator.Faults().After(action, func(c call.Call) {
		if !c.DryRun && note != nil {
			note(c)
		}
	})
}

// holds reports whether the manager is held to a promise.
func (a *Audit) holds(p Promise) bool {
	return !slices.Contains(a.o.Skip, p)
}

// violated reports a promise that is not kept. The lock must not be held.
func (a *Audit) violated(p Promise, format string, args ...any) {
	if a.holds(p) {
		a.o.Violated(p, fmt.Sprintf(format, args...))
	}
}

// checkInTime: a run isn't over.
func (a *Audit) checkInTime(obj *v1alpha1.AgentDisconnect, what string) {
	if end := obj.Status.ExpirationTime; end == nil || !a.o.Now().Before(end.Time) {
		a.violated(InTime, "%s was requested after the run's end", what)
	}
}
