// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// decision says what is suspected, and after when a further read decides it. It stays the same
// until then.
func decision(what string, after time.Time) string {
	return fmt.Sprintf("%s (a read after %s confirms or clears this)", what, problem.FormatTime(after.Add(time.Second-time.Nanosecond)))
}

// suspected is what reads show that is not acted on yet: another read may show that the last one
// only lagged.
func (s *scope) suspected() []string {
	if s.phase != run.Active || s.seen.aclRead.IsZero() {
		return nil
	}
	suspected := append(s.displacedEarly(), s.driftedEarly()...)
	for _, each := range []*networkacl.Confirmation{&s.seen.network, &s.seen.target, &s.seen.changed, &s.seen.stripped} {
		if what, decides, ok := each.Pending(); ok {
			suspected = append(suspected, decision(what, decides))
		}
	}
	return suspected
}

// displacedEarly is that the subnet is not on the clone that it was given, as long as a read may
// lag behind that.
func (s *scope) displacedEarly() []string {
	acl := s.status().NetworkACL
	if !s.cloned() || acl.State != v1alpha1.CloneServing || s.seen.onSubnet(s.obj) || s.sinceWrite() >= networkacl.SettleFor {
		return nil
	}
	what := fmt.Sprintf("subnet %s was moved from clone %s to another network ACL", s.obj.Spec.SubnetID, acl.ID)
	if s.seen.acl == nil {
		what = "clone " + acl.ID + " was deleted"
	}
	return []string{decision(what, acl.LastAttemptTime.Add(networkacl.SettleFor))}
}

// driftedEarly are the rules that the last read does not show at work, as long as it may lag behind
// the manager's own writes.
func (s *scope) driftedEarly() []string {
	if s.seen.acl == nil || !s.seen.onSubnet(s.obj) {
		return nil
	}
	valid, _ := ledger.Valid(s.obj)
	var suspected []string
	for _, early := range networkacl.EarlyDrift(valid, s.seen.acl.Entries, run.Desired(s.obj), s.now) {
		suspected = append(suspected, decision(early.What, early.Settles))
	}
	return suspected
}
