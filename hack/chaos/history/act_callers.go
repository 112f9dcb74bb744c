// SPDX-License-Identifier: Apache-2.0

package history

import (
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// What callers do, and how CloudTrail shows it.

const (
	// verifyTime is how long a run looks at its callers at most, with the longest time that the
	// histories give callers to recover.
	verifyTime = longestRecovery + 25*time.Minute
	// longestRecovery is that time.
	longestRecovery = 20 * time.Minute
	// deletedWithin is how long an object may be there that is deleted while its run only looks at its
	// callers, where nothing stands in the manager's way.
	deletedWithin = time.Minute
)

// call has a caller call RunTask in a subnet, and again after a time until a task starts, Nth times
// at most.
func (p *play) call(op Op) {
	started, err := p.world.RunTask(p.ctx, rig.Callers[op.Pick%len(rig.Callers)], cluster, taskFamily, Subnets[op.Subnet])
	if err != nil && !strings.Contains(err.Error(), "No Container Instances were found") {
		p.broken("a caller: %w", err)
		return
	}
	if !started && op.nth() > 1 {
		op.Nth--
		p.after(p.now().Add(op.For.d()), func() { p.call(op) })
	}
}

// trail changes how CloudTrail shows the events that are still to come.
func (p *play) trail(op Op) {
	if err := p.world.SetTrail(region.Trail{Delay: op.For.d(), Jitter: op.Window.d(), Duplicates: float64(op.Pick) / 100, Throttled: true}); err != nil {
		p.broken("CloudTrail: %w", err)
	}
}

// callersTold: what the manager wrote of the callers is so, and nothing of a run that only looks at
// them is left in AWS.
func (p *play) callersTold() {
	for _, untruth := range p.world.Untruths() {
		switch {
		case !untruth.Left:
			p.violated("callers", "%s", untruth.Text)
		case !p.damaged[untruth.UID] && !p.forced[untruth.UID]:
			p.violated("left while verifying", "%s", untruth.Text)
		}
	}
}

// verifiesInTime: a run looks at its callers no longer than it says, and is gone at once when its
// object is deleted.
func (p *play) verifiesInTime(now time.Time) {
	calmSince := latest(p.troubled, p.began)
	for _, obj := range p.objects() {
		if !run.IsVerifying(&obj.Status) || p.damaged[string(obj.UID)] {
			continue
		}
		if late := now.Sub(latest(run.VerifyDeadline(&obj.Status), calmSince)); p.wrong == 0 && late > endsWithin+p.byLimit {
			p.violated("verifying", "%s looks at its callers %s after its deadline", obj.Name, late)
		}
		if at := obj.DeletionTimestamp; at != nil {
			p.noteDeleted(string(obj.UID), now)
			if late := now.Sub(latest(p.deleted[string(obj.UID)], calmSince)); late > deletedWithin+p.byLimit {
				p.violated("deletion", "%s is there %s after it was deleted, while it looked at its callers", obj.Name, late)
			}
		}
	}
}

// noteDeleted notes when an object was first seen as deleted while its run looked at its callers: the
// API server has a clock of its own.
func (p *play) noteDeleted(uid string, now time.Time) {
	if _, known := p.deleted[uid]; !known {
		p.deleted[uid] = now
	}
}
