// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
)

// finish has all trouble end and a manager run until all is over, and holds the world against what is promised then.
func (p *play) finish(deleted bool) {
	p.note("all faults end")
	p.calmDown()
	if deleted {
		for _, account := range p.accounts {
			for _, obj := range account.objects() {
				_ = account.world.Delete(p.ctx, obj.Name)
			}
		}
	}
	p.pass(p.untilAllOver())
	if p.failed() {
		return
	}
	reverted := false
	for _, account := range p.accounts {
		reverted = account.revertBlockers() || reverted
	}
	if reverted {
		p.note("third parties and users revert their changes that block the manager")
		p.pass(p.untilAllOver())
	}
	if !p.failed() {
		for _, account := range p.accounts {
			account.checkEnd()
		}
	}
}

// untilAllOver is how long the last run of all accounts may take to its end.
func (p *play) untilAllOver() (most time.Duration) {
	for _, account := range p.accounts {
		most = max(most, account.untilOver())
	}
	return most
}

// untilOver is how long the last run may take to its end, with all that comes after it, and two sweeps, each
// with one that confirms it.
func (p *play) untilOver() time.Duration {
	now, last := p.now(), p.now()
	verifying := time.Duration(0)
	for _, obj := range p.objects() {
		spec, status := &obj.Spec, &obj.Status
		if spec.Callers != nil || run.StartedCallers(status) != nil {
			verifying = verifyTime
		}
		switch {
		case !obj.DeletionTimestamp.IsZero() || status.CompletionTime != nil && spec.RunID == status.RunID:
		case status.StartTime != nil && status.CompletionTime == nil:
			last = latest(last, status.StartTime.Add(spec.Duration.Duration))
		case spec.StartDeadline != nil:
			last = latest(last, spec.StartDeadline.Add(spec.Duration.Duration))
		default:
			last = latest(last, now.Add(run.StartWindow+spec.Duration.Duration))
		}
	}
	return last.Sub(now) + run.RecoveryTimeout + verifying + networkacl.AmbiguousFor + 2*(p.options.SweepInterval+networkacl.SettleFor) + 2*time.Minute + p.wrong + 4*p.byLimit
}

// revertBlockers reverts what third parties and users did that keeps runs from their end: edits of clones, tags that
// were removed, and ledgers that were damaged, as the object says it. It reports whether there was anything.
func (p *play) revertBlockers() (reverted bool) {
	for _, edit := range slices.Backward(p.edits) {
		if found, there := p.region.NetworkACL(edit.aclID); there && len(found.Associations) > 0 {
			reverted = true
			p.revertEdit(edit)
		}
	}
	for _, d := range slices.Backward(p.damages) {
		if obj, there := p.object(d.object); there && p.damaged[string(obj.UID)] {
			reverted = true
			p.damageSaid(obj)
			p.repair(d)
		}
	}
	for subnet, home := range p.strays {
		if !p.model.Has(home) {
			home = ACLs[shared] // it was deleted since
		}
		if on, _ := p.region.SubnetACL(subnet); !p.model.Has(on.ID) && p.region.MoveSubnet(subnet, home) == nil {
			reverted = true
			p.model.Move(subnet, home)
		}
	}
	for _, tag := range p.stripped {
		found, there := p.region.NetworkACL(tag.aclID)
		if _, has := found.Tags[tag.key]; there && !has && p.isClone(tag.aclID) && !p.model.Has(tag.aclID) {
			reverted = true
			_ = p.region.CreateTags([]string{tag.aclID}, map[string]string{tag.key: tag.value})
		}
	}
	return reverted
}

// checkEnd holds the world against what is promised when all is over.
func (p *play) checkEnd() {
	view := p.region.View(time.Time{})
	for _, difference := range p.model.Differences(view, NothingOwned) {
		p.violated("leak", "%s", difference)
	}
	for _, tag := range ProductTags(view) {
		p.violated("leak", "the tag %s is left", tag)
	}
	for _, schedule := range p.region.Schedules() {
		if strings.HasPrefix(schedule.Name, deadman.Prefix) {
			p.violated("leak", "the schedule %s is left", schedule.Name)
		}
	}
	for _, task := range p.world.TasksLeft() {
		p.violated("leak", "%s is left", task)
	}
	for _, obj := range p.objects() {
		if why := p.unfinished(&obj); why != "" {
			p.violated("unfinished", "%s: %s", why, rig.Describe(&obj))
		}
	}
	p.checkPace()
}

// unfinished says what is wrong with an object that is neither over nor gone; empty: nothing, it says what it waits for.
func (p *play) unfinished(obj *v1alpha1.AgentDisconnect) string {
	if rig.Over(obj) {
		return ""
	}
	succeeded := said(obj, v1alpha1.ConditionSucceeded)
	switch {
	case !obj.DeletionTimestamp.IsZero():
		return "the object is stuck"
	case obj.Status.StartTime != nil && obj.Status.CompletionTime == nil:
		return "the run is not over"
	case succeeded.Status == metav1.ConditionUnknown && succeeded.Message != "":
		return ""
	}
	return "the object does not report what it waits for"
}

// damageSaid: an object whose ledger is damaged says so, until a person corrects it.
func (p *play) damageSaid(obj *v1alpha1.AgentDisconnect) {
	damaged := slices.ContainsFunc(obj.Status.Rules, func(line v1alpha1.Rule) bool { return line.CIDR == damagedCIDR })
	if stalled := said(obj, v1alpha1.ConditionStalled); damaged && (stalled.Reason != v1alpha1.ReasonLedgerInvalid || stalled.Message == "") {
		p.violated("unfinished", "the ledger was damaged, and the object does not report it: %s", rig.Describe(obj))
	}
}

// said is a condition of an object, the zero one where it has none.
func said(obj *v1alpha1.AgentDisconnect, conditionType string) metav1.Condition {
	if found := meta.FindStatusCondition(obj.Status.Conditions, conditionType); found != nil {
		return *found
	}
	return metav1.Condition{}
}
