// SPDX-License-Identifier: Apache-2.0

package deadmanswitch

import (
	"context"
	"fmt"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

const (
	// lookInterval is how often the schedules of the dead man's switch are looked at: often
	// enough that the switch is whole again long before a run of a quarter of an hour ends, and a
	// few calls an hour and rule.
	lookInterval = 5 * time.Minute
	// saidFor is how long the schedules count as armed after the last look: one that fails
	// may be repeated.
	saidFor = 2 * lookInterval
)

// Look looks from time to time at the schedules of a switch that is armed. Where some are
// missing or changed, or where no look succeeded for long, the switch is not armed any more, until
// all are asked for again.
func (w *Switch) Look(ctx context.Context) error {
	armable := run.DeadManSwitch(w.Status())
	role, _ := w.configured()
	if armable == nil || armable.State != v1alpha1.SwitchArmed || role == "" {
		return nil
	}

	seen := w.seen
	if age := w.Now.Sub(seen.lookedAt); !seen.lookedAt.IsZero() && age >= 0 && age < lookInterval {
		return nil
	}

	unarmed, err := deadman.Unarmed(ctx, w.Clients.Scheduler, w.switchOf(role, Fires(w.Status())), armable.RuleNumbers)
	switch {
	case err == nil:
		seen.lookedAt, seen.failedSince = w.Now, time.Time{}
	case seen.failedSince.IsZero():
		seen.failedSince = w.Now
	case w.Now.Sub(seen.failedSince) >= saidFor-lookInterval:
		armable.State = v1alpha1.SwitchArming
	}

	if len(unarmed) > 0 {
		armable.State, w.unarmed = v1alpha1.SwitchArming, unarmed
	}
	return w.noGroup(err, armable.ScheduleGroup)
}

// Rearmed describes what a look at the switch found, and what became of it; empty: nothing.
func (w *Switch) Rearmed() string {
	armable := run.DeadManSwitch(w.Status())
	if len(w.unarmed) == 0 || armable == nil {
		return ""
	}

	outcome := "they are armed again"
	if armable.State != v1alpha1.SwitchArmed {
		outcome = "arming them again did not succeed yet"
	}

	var rules []string
	for _, number := range w.unarmed {
		rules = append(rules, fmt.Sprint(number))
	}

	return fmt.Sprintf("a third party deleted or changed schedules of the dead man's switch in group %s, those for rules %s of clone %s: %s",
		armable.ScheduleGroup, problem.List(rules), w.Status().NetworkACL.ID, outcome)
}
