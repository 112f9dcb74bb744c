// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"errors"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// scope is what one pass knows: the object, the time, and what it saw of AWS.
type scope struct {
	// obj is the object; its status is what the pass will have written at its end.
	obj *v1alpha1.AgentDisconnect
	// stored is the object as the API server has it, with the spec that the pass began with. It is replaced, never changed.
	stored *v1alpha1.AgentDisconnect
	// first is the status as it was when the pass began.
	first v1alpha1.AgentDisconnectStatus
	// now is the time of the pass.
	now   time.Time
	phase run.Phase
	// planning says that the pass makes a plan, which is about everything that stands against a run.
	planning bool
	// seen is what earlier passes of this process saw.
	seen *memory
	// options are the manager's: how long a look is good for depends on its intervals.
	options Options
	// resolver names whom the manager asks for the addresses of hosts.
	resolver string
	// clients reach the Region of the run.
	clients *aws.Clients
	// proof is that the object is still as it is here.
	proof *proof
	// aclRead says that the network ACL was read in this pass, the last time at aclReadAt.
	aclRead   bool
	aclReadAt time.Time
	// unseen is why this pass could not look for other clusters, and in which subnets.
	unseen struct {
		about string
		err   error
	}
	// unarmed are the rule numbers whose schedules a look at the dead man's switch in this pass found missing or changed.
	unarmed []int32
	// quota is that of entries, for what the pass plans: it is asked for before a start and for a run that is on.
	quota entryQuota
	// untagged says that the run's tags were removed from the network ACL in this pass.
	untagged bool
	// wake is when something is due again; zero: nothing is.
	wake time.Time
}

func (s *scope) status() *v1alpha1.AgentDisconnectStatus { return &s.obj.Status }

// due asks for a pass at the time t at the latest.
func (s *scope) due(t time.Time) {
	if s.wake.IsZero() || t.Before(s.wake) {
		s.wake = t
	}
}

// ledger gives the sound lines that stand for entries of the run, and what is wrong with those that are not sound.
func (s *scope) ledger() (sound []v1alpha1.Rule, unsound error) {
	sound, _, unsound = s.lines()
	return sound, unsound
}

// lines gives the sound lines of the ledger, those that stand for entries of the run apart from those that it gave up, and
// what is wrong with the others.
func (s *scope) lines() (sound, released []v1alpha1.Rule, unsound error) {
	id := ""
	if acl := s.status().NetworkACL; acl != nil {
		id = acl.ID
	}
	var wrong []error
	for _, line := range s.status().Rules {
		if err := networkacl.Sound(line, id, run.DeniedRanges(s.obj)); err != nil {
			wrong = append(wrong, problem.Refuse(v1alpha1.ReasonLedgerInvalid,
				"status.rules was edited: %v. Nothing is done with it: look at the entry in the network ACL, delete it there if it is this run's, then remove the line (kubectl edit --subresource=status)", err))
			continue
		}
		if line.State == v1alpha1.RuleReleased {
			released = append(released, line)
		} else {
			sound = append(sound, line)
		}
	}
	return sound, released, errors.Join(wrong...)
}
