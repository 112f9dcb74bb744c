// SPDX-License-Identifier: Apache-2.0

package target

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// Report is what the looks at a target came to, by any pass.
type Report struct {
	// LookedAt is when subnet and cluster were last looked at, or were about to be.
	LookedAt time.Time
	// Unconfirmed says that another look is to decide whether the target is what it was.
	Unconfirmed bool
	// Suspected is what looks at subnet and cluster showed that is not acted on yet.
	Suspected []string
	// Unasked are the tracked agents whose hosts ECS was not asked for lately, or did not answer.
	Unasked []string
	// PathMismatch says how the manager's own network path may have shaped what ECS named; empty:
	// it doesn't look so, or the VPC's endpoints are not known.
	PathMismatch string
	// PrivateInSubnet are the interfaces of VPC endpoints in the subnet itself that agents may
	// connect to.
	PrivateInSubnet []string
}

// Report is what the looks at the target came to so far.
func (t *Target) Report() Report {
	return Report{
		LookedAt: t.seen.lookedAt, Unconfirmed: t.seen.changed.IsPending() || t.seen.hit.IsPending(), Suspected: t.suspected(),
		Unasked: t.unasked(), PathMismatch: t.Mismatch(), PrivateInSubnet: t.privateInSubnet(),
	}
}

// suspected is what looks at subnet and cluster showed that is not acted on yet.
func (t *Target) suspected() []string {
	if what, decides, ok := t.seen.changed.Pending(); ok {
		return []string{problem.Undecided(what, decides)}
	}
	return nil
}
