// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"fmt"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Suspected is what reads show that is not acted on yet: another read may show that the last one
// only lagged.
func (e *Enforcement) Suspected() []string {
	suspected := append(e.displacedEarly(), e.driftedEarly()...)
	for _, each := range []*networkacl.Confirmation{&e.seen.network, &e.seen.changed, &e.seen.stripped} {
		if what, decides, ok := each.Pending(); ok {
			suspected = append(suspected, problem.Undecided(what, decides))
		}
	}
	return suspected
}

// displacedEarly is that the subnet is not on the clone that it was given, as long as a read may
// lag behind that.
func (e *Enforcement) displacedEarly() []string {
	acl := e.Status().NetworkACL
	if !e.IsCloned() || acl.State != v1alpha1.CloneServing || e.onSubnet() || e.sinceWrite() >= networkacl.SettleFor {
		return nil
	}
	what := fmt.Sprintf("subnet %s was moved from clone %s to another network ACL", e.Object.Spec.SubnetID, acl.ID)
	if e.seen.acl == nil {
		what = "clone " + acl.ID + " was deleted"
	}
	return []string{problem.Undecided(what, acl.LastAttemptTime.Add(networkacl.SettleFor))}
}

// driftedEarly are the rules that the last read does not show at work, as long as it may lag behind
// the manager's own writes.
func (e *Enforcement) driftedEarly() []string {
	if e.seen.acl == nil || !e.onSubnet() {
		return nil
	}
	valid, _ := ledger.Valid(e.Object)
	var suspected []string
	for _, early := range networkacl.EarlyDrift(valid, e.seen.acl.Entries, run.Desired(e.Object), e.Now) {
		suspected = append(suspected, problem.Undecided(early.What, early.Settles))
	}
	return suspected
}
