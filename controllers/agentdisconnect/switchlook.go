// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

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
	// switchLookInterval is how often the schedules of the dead man's switch are looked at: often
	// enough that the switch is whole again long before a run of a quarter of an hour ends, and a
	// few calls an hour and rule.
	switchLookInterval = 5 * time.Minute
	// switchSaidFor is how long the schedules count as armed after the last look: one that fails
	// may be repeated.
	switchSaidFor = 2 * switchLookInterval
)

// lookAtSwitch looks from time to time at the schedules of a switch that is armed. Where some are
// missing or changed, or where no look succeeded for long, the switch is not armed any more, until
// all are asked for again.
func (r *Reconciler) lookAtSwitch(ctx context.Context, s *scope) error {
	armable := run.DeadManSwitch(s.status())
	if armable == nil || armable.State != v1alpha1.SwitchArmed || r.options.DeadManRoleARN == "" {
		return nil
	}
	seen := s.seen
	if age := s.now.Sub(seen.switchLooked); !seen.switchLooked.IsZero() && age >= 0 && age < switchLookInterval {
		return nil
	}
	unarmed, err := deadman.Unarmed(ctx, s.clients.Scheduler, r.switchOf(s, fires(s.status())), armable.RuleNumbers)
	switch {
	case err == nil:
		seen.switchLooked, seen.switchUnseen = s.now, time.Time{}
	case seen.switchUnseen.IsZero():
		seen.switchUnseen = s.now
	case s.now.Sub(seen.switchUnseen) >= switchSaidFor-switchLookInterval:
		armable.State = v1alpha1.SwitchArming
	}
	if len(unarmed) > 0 {
		armable.State, s.unarmed = v1alpha1.SwitchArming, unarmed
	}
	return noGroup(err, armable.ScheduleGroup)
}

// rearmed describes what a look at the switch found, and what became of it; empty: nothing.
func (s *scope) rearmed() string {
	armable := run.DeadManSwitch(s.status())
	if len(s.unarmed) == 0 || armable == nil {
		return ""
	}
	outcome := "they are armed again"
	if armable.State != v1alpha1.SwitchArmed {
		outcome = "arming them again did not succeed yet"
	}
	var rules []string
	for _, number := range s.unarmed {
		rules = append(rules, fmt.Sprint(number))
	}
	return fmt.Sprintf("a third party deleted or changed schedules of the dead man's switch in group %s, those for rules %s of clone %s: %s",
		armable.ScheduleGroup, problem.List(rules), s.status().NetworkACL.ID, outcome)
}
