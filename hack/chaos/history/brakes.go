// SPDX-License-Identifier: Apache-2.0

package history

import (
	"maps"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// The brakes, and what is promised of them.

const (
	// alarmName is the alarm that stops runs.
	alarmName = "checkout-errors"

	leverBrake, alarmBrake, haltBrake = "lever", "alarm", "halt"

	// startsWithin is how long after a brake was engaged a run may begin: alarms and the lever are read every 15 seconds, and the
	// start that read them takes a while.
	startsWithin = 30 * time.Second
	// resumesWithin is how long a run may be refused for a brake that is released: what is refused is tried again after two
	// minutes at most.
	resumesWithin = 4 * time.Minute
)

// brakes are those that are engaged: since when, by what they are. A halt is called by its name.
type brakes struct {
	engaged map[string]time.Time
	// ever are those that ever were, by the reason with which they end a run.
	ever map[string]bool
	// releasedAt is when one was last released.
	releasedAt time.Time
	// spared is for how long a run goes on although a brake is engaged, trouble not counted, by UID.
	spared map[string]time.Duration
}

func newBrakes() brakes {
	return brakes{engaged: map[string]time.Time{}, ever: map[string]bool{}, spared: map[string]time.Duration{}}
}

// brake engages a brake, and releases it later.
func (p *play) brake(op Op) {
	name := op.How
	var reason string
	var release func()
	switch op.How {
	case alarmBrake:
		if p.region.SetAlarmState(alarmName, region.AlarmInAlarm, "pulled") != nil {
			return
		}
		reason, release = v1alpha1.AbortStopConditionMet, p.releaseAlarm
	case leverBrake:
		if p.region.SetSafetyLever(region.LeverEngaged, "pulled") != nil {
			return // it is pulled already, and is released in its time
		}
		reason, release = v1alpha1.AbortSafetyLeverEngaged, p.releaseLever
	default:
		var err error
		if name, err = p.accounts[0].world.Halt(p.ctx); err != nil {
			p.broken("a halt: %w", err)
			return
		}
		reason, release = v1alpha1.AbortHalted, func() { p.resumeFrom(name) }
	}
	for _, account := range p.affected(name) {
		if _, already := account.brakes.engaged[name]; !already {
			account.brakes.engaged[name] = p.now()
		}
		account.brakes.ever[reason] = true
	}
	p.after(p.now().Add(op.For.d()), release)
}

// affected are the accounts in which a brake counts: an alarm and the lever are of one.
func (p *play) affected(name string) []*play {
	if name == leverBrake || name == alarmBrake {
		return []*play{p}
	}
	return p.accounts
}

func (p *play) releaseLever() {
	_ = p.region.SetSafetyLever(region.LeverDisengaged, "released")
	p.released(leverBrake)
}

func (p *play) releaseAlarm() {
	_ = p.region.SetAlarmState(alarmName, region.AlarmOK, "released")
	p.released(alarmBrake)
}

// resumeFrom deletes a halt.
func (p *play) resumeFrom(name string) {
	if err := p.accounts[0].world.Resume(p.ctx, name); err != nil {
		p.broken("a halt: %w", err)
	}
	p.released(name)
}

func (p *play) released(name string) {
	for _, account := range p.affected(name) {
		if _, engaged := account.brakes.engaged[name]; engaged {
			delete(account.brakes.engaged, name)
			account.brakes.releasedAt = p.now()
		}
	}
}

// releaseBrakes releases all of them.
func (p *play) releaseBrakes() {
	p.releaseLever()
	p.releaseAlarm()
	for name := range maps.Clone(p.brakes.engaged) {
		p.resumeFrom(name)
	}
}

// brakedSince is since when a brake that counts for a run has been engaged; zero: none is.
func (p *play) brakedSince(obj *v1alpha1.AgentDisconnect) (since time.Time) {
	with := obj.Status.StartedWith
	for name, at := range p.brakes.engaged {
		if name == alarmBrake && (with == nil || len(with.StopConditions) == 0) {
			continue
		}
		if since.IsZero() || at.Before(since) {
			since = at
		}
	}
	return since
}

// isBraked reports whether a brake that counts for a run is engaged now.
func (p *play) isBraked(obj *v1alpha1.AgentDisconnect) bool { return !p.brakedSince(obj).IsZero() }

// heeded: while a brake is engaged no run begins, and those that are on end. No run ends by a brake that was not engaged, and
// none is refused for one that was released.
func (p *play) heeded(objects []v1alpha1.AgentDisconnect, now time.Time, calm bool) {
	on := map[string]bool{}
	for i := range objects {
		obj, status := &objects[i], &objects[i].Status
		uid, since := string(obj.UID), p.brakedSince(obj)
		if !since.IsZero() && p.isOn(obj, now) {
			on[uid] = true
			p.checkSpared(obj, since, now, calm)
		}
		p.checkBegan(obj, since)
		if abort := status.Abort; abort != nil && slices.Contains(abortsOfBrakes, abort.Reason) && !p.brakes.ever[abort.Reason] {
			p.violated("brakes", "%s was ended as %s, and no such brake was ever engaged", obj.Name, abort.Reason)
		}
		if p.isRefusedByBrake(obj) && len(p.brakes.engaged) == 0 && min(p.calmFor(), now.Sub(p.brakes.releasedAt)) > resumesWithin+p.byLimit {
			p.violated("resumes", "%s is refused for a brake %s after the last one was released: %s", obj.Name, now.Sub(p.brakes.releasedAt), said(obj, v1alpha1.ConditionStalled).Message)
		}
	}
	for uid := range p.brakes.spared {
		if !on[uid] {
			delete(p.brakes.spared, uid)
		}
	}
}

// checkSpared holds a run that is on against a brake that is engaged.
func (p *play) checkSpared(obj *v1alpha1.AgentDisconnect, since, now time.Time, calm bool) {
	uid := string(obj.UID)
	spared, known := p.brakes.spared[uid]
	if known && calm && p.wasCalm {
		spared += now.Sub(p.looked)
	}
	p.brakes.spared[uid] = spared
	if spared > endsWithin+p.byLimit {
		p.violated("brakes", "%s is on, although a brake has been engaged for %s", obj.Name, now.Sub(since))
	}
}

// checkBegan holds the start of a run, which may be over by now, against a brake that is engaged; since zero: none is. A manager
// with a wrong clock, one that froze while it started a run, and reads that lag may begin one yet.
func (p *play) checkBegan(obj *v1alpha1.AgentDisconnect, since time.Time) {
	started := obj.Status.StartTime
	if started == nil || since.IsZero() {
		return
	}
	if late := started.Sub(since); late > startsWithin+p.byLimit && p.wrong == 0 && len(p.slept) == 0 && p.staleUntil.Before(since) {
		p.violated("brakes", "%s began %s after a brake was engaged", obj.Name, late)
	}
}

// abortsOfBrakes are the reasons with which brakes end runs.
var abortsOfBrakes = []string{v1alpha1.AbortHalted, v1alpha1.AbortStopConditionMet, v1alpha1.AbortSafetyLeverEngaged}

// isOn reports whether a run goes on, its rules lifted or not.
func (p *play) isOn(obj *v1alpha1.AgentDisconnect, now time.Time) bool {
	status, uid := &obj.Status, string(obj.UID)
	return status.StartTime != nil && status.CompletionTime == nil && status.Abort == nil && obj.DeletionTimestamp == nil &&
		status.ExpirationTime != nil && now.Before(status.ExpirationTime.Time) && !p.damaged[uid] && !p.forced[uid]
}

// isRefusedByBrake reports whether an object waits for a brake to be released, by what it says.
func (p *play) isRefusedByBrake(obj *v1alpha1.AgentDisconnect) bool {
	refused := []string{v1alpha1.ReasonHalted, v1alpha1.ReasonStopConditionMet, v1alpha1.ReasonSafetyLeverEngaged}
	status := &obj.Status
	return status.StartTime == nil && status.CompletionTime == nil && status.Abort == nil && obj.DeletionTimestamp == nil &&
		slices.Contains(refused, said(obj, v1alpha1.ConditionStalled).Reason)
}
