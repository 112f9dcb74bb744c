// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

const (
	// endsWithin is how long rules may act after a run's end while nothing stands in the manager's way. A manager that began
	// a moment ago reads twice, and a conflict costs a pass.
	endsWithin = 2 * time.Minute
	// sweptWithin is how long they may where only the sweeper knows of them: past their expiry by five minutes, then by the
	// next sweep, and by the one that confirms it.
	sweptWithin = endsWithin + 5*time.Minute + networkacl.SettleFor
	// firesWithin is how long a schedule may take: its minute, and one that its call takes.
	firesWithin = 2 * time.Minute
	// noticedWithin is how long the status and a run may be wrong about what a third party did: two reads of the network ACL, which are a
	// minute apart at most.
	noticedWithin = 3 * time.Minute
)

// mostReads and mostChanges are how many turns the end of a run waits for at most: those of its own calls, of the ends that
// are due with it, and of the one pass over another object that was begun before. A turn of a change may be one that is lost:
// the call was refused since it had waited for long enough.
const mostReads, mostChanges = 60, 60

// limitExplains is by how much the limit of a history's calls makes things late at most.
func limitExplains(h History) (most time.Duration) {
	if h.Reads > 0 {
		most += time.Duration(mostReads / h.Reads * float64(time.Second))
	}
	if h.Changes > 0 {
		most += time.Duration(mostChanges / h.Changes * float64(time.Second))
	}
	return most
}

// instant holds the world against what is promised at every instant. It is called whenever time went by, and between any two
// passes of the manager.
func (p *play) instant() {
	p.region = p.sim.Region() // asking for it carries out schedules whose time has come
	now, calm := p.now(), p.calm()
	objects := p.objects()
	byUID := map[string]*v1alpha1.AgentDisconnect{}
	for i := range objects {
		byUID[string(objects[i].UID)] = &objects[i]
	}
	view := p.region.View(time.Time{})
	for _, difference := range p.model.Differences(view, p.owned()) {
		p.violated("foreign", "%s", difference)
	}
	p.inAccount(objects, view)
	p.heeded(objects, now, calm)
	p.inTime(byUID, now, calm)
	p.switched(byUID, now)
	p.inTarget(byUID, now)
	p.oneHolder(objects)
	for i := range objects {
		p.honest(&objects[i], now)
	}
	p.callersTold()
	p.verifiesInTime(now)
	p.tell(objects)
	p.looked = now
}

// tell adds to the log what became of the objects since the last look.
func (p *play) tell(objects []v1alpha1.AgentDisconnect) {
	told := map[string]string{}
	for i := range objects {
		obj := &objects[i]
		state := "new"
		if found := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionSucceeded); found != nil {
			state = found.Reason
		}
		if stalled := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionStalled); stalled != nil && stalled.Reason != state {
			state += ", stalled for " + stalled.Reason
		}
		if acl := obj.Status.NetworkACL; acl != nil {
			state += fmt.Sprintf(", %s on %s %s, %d lines", acl.Mode, acl.ID, acl.State, len(obj.Status.Rules))
		}
		if obj.DeletionTimestamp != nil {
			state += ", being deleted"
		}
		told[obj.Name] = state
		if p.told[obj.Name] != state {
			p.note("  %s: %s", obj.Name, state)
		}
	}
	for id, rules := range p.acting() {
		told[id] = fmt.Sprintf("%d rules act", len(rules))
		if p.told[id] != told[id] {
			p.note("  %s: %s", id, told[id])
		}
	}
	for name := range p.told {
		if told[name] == "" {
			p.note("  %s: gone", name)
		}
	}
	p.told = told
}

func (p *play) owned() Owned { return Owned{Entry: p.audit.Made, Clone: p.cloneFor} }

// cloneFor is the subnet that a clone was made for.
func (p *play) cloneFor(id string) (subnet string, made bool) {
	clone, made := p.audit.Clone(id)
	return clone.Subnet, made
}

func (p *play) isClone(id string) bool {
	_, isClone := p.audit.Clone(id)
	return isClone
}

// acting are the rules that act on a subnet, as network ACL and run. Those on a clone that serves no subnet don't.
func (p *play) acting() map[string]map[netip.Prefix]string {
	rules := p.audit.Rules()
	for id := range rules {
		if found, _ := p.region.NetworkACL(id); len(found.Associations) == 0 {
			delete(rules, id)
		}
	}
	return rules
}

// inTime: no rule acts for longer after its run's end than whatever stood in the manager's way, and a little.
func (p *play) inTime(objects map[string]*v1alpha1.AgentDisconnect, now time.Time, calm bool) {
	acting := map[string]bool{}
	for _, rules := range p.acting() {
		for _, uid := range rules {
			acting[uid] = true
		}
	}
	for uid := range p.overdue {
		if !acting[uid] || !p.over(objects[uid], now) {
			delete(p.overdue, uid)
			delete(p.waitedBefore, uid)
		}
	}
	for uid := range acting {
		obj := objects[uid]
		if obj != nil && obj.Status.ExpirationTime != nil {
			p.expires[uid] = obj.Status.ExpirationTime.Time
		}
		if !p.over(obj, now) || p.damaged[uid] && obj != nil && now.Before(p.expires[uid]) {
			continue // a run whose ledger is damaged is the sweeper's, who waits for its expiry
		}
		late, known := p.overdue[uid]
		if !known {
			p.waitedBefore[uid] = p.world.Waited()
		}
		if known && calm && p.wasCalm {
			late += now.Sub(p.looked)
		}
		p.overdue[uid] = late
		allowed := endsWithin
		if obj == nil || p.damaged[uid] {
			allowed = sweptWithin + p.options.SweepInterval
		}
		allowed += min(p.world.Waited()-p.waitedBefore[uid], p.byLimit)
		if late > allowed {
			p.violated("in time", "rules of %s act %s after its end, although no fault blocked the manager", p.title(uid), late)
		}
	}
	p.wasCalm = calm
}

// switched: where a dead man's switch is armed, no rule acts for longer than until it fires, whatever becomes of the manager.
func (p *play) switched(objects map[string]*v1alpha1.AgentDisconnect, now time.Time) {
	for uid, obj := range objects {
		delete(p.fires, uid)
		if acl := obj.Status.NetworkACL; acl != nil && acl.DeadManSwitch != nil && acl.DeadManSwitch.State == v1alpha1.SwitchArmed && acl.DeadManSwitch.Time != nil {
			p.fires[uid] = acl.DeadManSwitch.Time.Time
		}
	}
	for _, rules := range p.acting() {
		for _, uid := range rules {
			if at, armed := p.fires[uid]; armed && now.Sub(at) > firesWithin {
				p.violated("switch", "rules of %s act %s after its dead man's switch was to fire", p.title(uid), now.Sub(at))
			}
		}
	}
}

// over reports whether a run is to have no rules now.
func (p *play) over(obj *v1alpha1.AgentDisconnect, now time.Time) bool {
	if obj == nil {
		return true
	}
	mode := &obj.Status
	return !obj.DeletionTimestamp.IsZero() || mode.Abort != nil || mode.CompletionTime != nil || obj.Spec.Suspend != nil && *obj.Spec.Suspend ||
		mode.ExpirationTime != nil && !now.Before(mode.ExpirationTime.Time) || p.isBraked(obj)
}

// inTarget: rules deny something to the run's subnet alone, unless the spec asks for a network ACL that others have, or a
// third party has just put them there.
func (p *play) inTarget(objects map[string]*v1alpha1.AgentDisconnect, now time.Time) {
	for id, rules := range p.acting() {
		found, _ := p.region.NetworkACL(id)
		for _, uid := range rules {
			obj := objects[uid]
			if obj == nil || obj.Status.NetworkACL == nil || obj.Status.NetworkACL.ModeReason == v1alpha1.NetworkACLModeRequested && obj.Status.NetworkACL.Mode == v1alpha1.NetworkACLModeInPlace {
				continue
			}
			for _, association := range found.Associations {
				if association.SubnetID != obj.Spec.SubnetID && p.calmSince(id, now) > endsWithin+p.byLimit {
					p.violated("target", "rules of %s act on subnet %s", p.title(uid), association.SubnetID)
				}
			}
		}
	}
}

// oneHolder: no two runs that are on need the same network ACL. One that only looks at its callers needs
// none.
func (p *play) oneHolder(objects []v1alpha1.AgentDisconnect) {
	running := slices.DeleteFunc(slices.Clone(objects), func(obj v1alpha1.AgentDisconnect) bool {
		status := &obj.Status
		return !run.IsOn(status) || status.NetworkACL == nil || p.damaged[string(obj.UID)] || p.forced[string(obj.UID)]
	})
	for i, a := range running {
		for _, b := range running[:i] {
			clones := a.Status.NetworkACL.Mode == v1alpha1.NetworkACLModeClone && b.Status.NetworkACL.Mode == v1alpha1.NetworkACLModeClone
			if requiredACL(&a) == requiredACL(&b) && (!clones || a.Spec.SubnetID == b.Spec.SubnetID) {
				p.violated("one holder", "%s and %s both hold network ACL %s", a.Name, b.Name, requiredACL(&a))
			}
		}
	}
}

// requiredACL is the network ACL that a run needs for itself.
func requiredACL(obj *v1alpha1.AgentDisconnect) string {
	if obj.Status.NetworkACL.Mode == v1alpha1.NetworkACLModeClone {
		return obj.Status.NetworkACL.OriginalID
	}
	return obj.Status.NetworkACL.ID
}

// honest: no rule is called installed while an address is let through, but for what a third party did since the last reads.
func (p *play) honest(obj *v1alpha1.AgentDisconnect, now time.Time) {
	status := &obj.Status
	if !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionRulesInstalled) || p.over(obj, now) {
		return
	}
	home, _ := p.region.SubnetACL(obj.Spec.SubnetID)
	id := home.ID
	if status.NetworkACL != nil && p.calmSince(status.NetworkACL.ID, now) < p.calmSince(id, now) {
		id = status.NetworkACL.ID
	}
	if p.calmSince(id, now) <= noticedWithin+p.byLimit {
		return
	}
	for _, endpoint := range status.Endpoints {
		for _, text := range endpoint.Addresses {
			address, err := netip.ParseAddr(text)
			if err == nil && p.reachable(obj.Spec.SubnetID, address) {
				p.violated("honest", "rules of %s are reported as installed, and %s is allowed", obj.Name, text)
				return
			}
		}
	}
}

// meddled notes that a third party changed something about a network ACL.
func (p *play) meddled(id string) { p.meddledAt[id] = p.now() }

// calmSince is for how long nothing stood in the manager's way and no third party changed a network ACL.
func (p *play) calmSince(id string, now time.Time) time.Duration {
	if !p.calm() {
		return 0
	}
	return min(now.Sub(p.meddledAt[id]), now.Sub(p.troubled))
}

// title names a run for messages.
func (p *play) title(uid string) string {
	for _, obj := range p.objects() {
		if string(obj.UID) == uid {
			return obj.Name
		}
	}
	return "a deleted object (" + uid + ")"
}

// reachable reports whether the Region lets a subnet's traffic to port 443 of an address through.
func (p *play) reachable(subnet string, address netip.Addr) bool {
	return p.region.Allows(subnet, acl.Packet{Egress: true, Protocol: acl.TCP, Remote: address, Port: 443})
}

// Violation is a promise that was not kept.
type Violation struct {
	// Promise is which one, in a word or two: what shrinking keeps.
	Promise string
	Text    string
	// After is how long into the history it was, and Op the number of the operation under way, from 1.
	After time.Duration
	Op    int
}

func (v Violation) String() string {
	return fmt.Sprintf("%s after %s (operation %d): %s", v.Promise, v.After, v.Op, v.Text)
}
