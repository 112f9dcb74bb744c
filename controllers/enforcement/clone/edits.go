// SPDX-License-Identifier: Apache-2.0

package clone

import (
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// findEdits are what a third party did to the clone. What is lacking counts only once reads can't
// be lagging behind our own writes; what only a third party can have written counts at once. In a
// clone that doesn't serve, copies are repaired, and what they were before is not needed: only an
// entry at a rule's number counts.
func (c *Clone) findEdits() []clones.Edit {
	acceptable := c.acceptableCopies()
	if acceptable == nil || c.LastACL() == nil {
		return nil
	}

	valid, _ := ledger.Valid(c.Object)
	serves, settled := c.IsOnSubnet(), c.sinceLastAttempt() >= networkacl.SettleFor
	if serves && !settled && c.Phase == run.Active {
		return nil // reads that lag show our own earlier entries; nothing is given up while the run is on
	}

	return slices.DeleteFunc(clones.Edits(acceptable, valid, c.LastACL().Entries), func(e clones.Edit) bool {
		if !serves {
			return !slices.ContainsFunc(valid, func(l v1alpha1.Rule) bool { return e.Entry.Egress && l.RuleNumber == e.Entry.Number })
		}
		return e.Missing && !settled
	})
}

// acceptableCopies are the sets of copies that a clone may have: what it was last made to be, what
// it is being made to be, and what the original is now.
func (c *Clone) acceptableCopies() [][]clones.Copy {
	acl := c.Status().NetworkACL
	copies, err := c.baseline()
	if err != nil {
		return nil
	}

	sets := [][]clones.Copy{copies}
	if acl.CarryOver != nil {
		if under, err := parseCopies(acl.CarryOver); err == nil {
			sets = append(sets, under)
		}
	}

	if c.seen.original != nil {
		if now, err := clones.Recopy(copies, c.seen.original.Entries, nil, nil, maxBaseline); err == nil {
			sets = append(sets, now)
		}
	}
	return sets
}

// maxBaseline bounds status.networkACL.baseline: more entries than that no quota of AWS allows.
const maxBaseline = 160

// describeEdits makes a sentence of what a third party did.
func describeEdits(edits []clones.Edit) string {
	names := make([]string, 0, len(edits))
	for _, edit := range edits {
		names = append(names, edit.String())
	}
	return problem.List(names)
}
