// SPDX-License-Identifier: Apache-2.0

package points

import (
	"time"

	phase "agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// deletedWithin is how long an object may be there that is deleted while it only looks at its callers:
// as long as a fault lasts, and a pass.
const deletedWithin = writtenFor + time.Minute

// trail is how CloudTrail shows events: late, in no order, and some of them twice.
var trail = region.Trail{Delay: 2 * time.Minute, Jitter: 10 * time.Minute, Duplicates: 0.2, Throttled: true}

// calling has callers call RunTask in the scenario's subnet, one after the other.
func calling(callers ...string) func(*play) error {
	return func(p *play) error {
		p.begin()
		for _, caller := range callers {
			if err := p.run(time.Second); err != nil {
				return err
			}
			if _, err := p.w.RunTask(p.ctx, caller, cluster, taskFamily, p.scenario.subnet); err != nil {
				return err
			}
		}
		return nil
	}
}

// verifying waits until the run only looks at its callers. They have had less than recoverWithin then.
func (p *play) verifying() error {
	return p.until(func() bool { return phase.IsVerifying(&p.seen().Status) })
}

// judged waits until the run is over, and sees to it that without a fault so many callers recovered
// and so many did not.
func judged(recovered, not int32) func(*play) error {
	return func(p *play) error {
		if _, err := p.w.Until(p.ctx, settling, p.w.Settled); err != nil || p.struck {
			return err
		}
		if seen := p.seen().Status.Callers; seen == nil || seen.Recovered != recovered || seen.NotRecovered != not {
			p.w.Complain("the callers are not %d that recovered and %d that did not: %+v", recovered, not, seen)
		}
		return nil
	}
}

// deleteVerifying deletes the object, which waits for nothing.
func (p *play) deleteVerifying() error {
	verifying := phase.IsVerifying(&p.seen().Status) // a fault may have kept it from that
	if err := p.delete(); err != nil {
		return err
	}
	gone, err := p.w.Until(p.ctx, deletedWithin, p.w.Settled)
	if err == nil && !gone && verifying && !p.w.Frozen() {
		p.w.Complain("the object is there %s after it was deleted while the run only looked at its callers", deletedWithin)
	}
	return err
}
