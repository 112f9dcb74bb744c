// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// scope is what one pass knows: the object, the time, and what it saw of AWS.
type scope struct {
	// obj is the object; its status is what the pass will have written at its end.
	obj *v1alpha1.AgentDisconnect
	// ledger writes the object.
	ledger *ledger.Ledger
	// first is the status as it was when the pass began.
	first v1alpha1.AgentDisconnectStatus
	// now is the time of the pass.
	now   time.Time
	phase run.Phase
	// planning says that the pass makes a plan, which is about everything that stands against a
	// run.
	planning bool
	// seen is what earlier passes of this process saw.
	seen *memory
	// options are the manager's: how long a look is good for depends on its intervals.
	options Options
	// resolver names whom the manager asks for the addresses of hosts.
	resolver string
	// clients reach the Region of the run.
	clients *aws.Clients
	// fence is what changes in AWS rest on: that the object is still as it is here.
	fence aws.Fence
	// aclRead says that the network ACL was read in this pass, the last time at aclReadAt.
	aclRead   bool
	aclReadAt time.Time
	// unseen is why this pass could not look for other clusters, and in which subnets.
	unseen struct {
		about string
		err   error
	}
	// unarmed are the rule numbers whose schedules a look at the dead man's switch in this pass
	// found missing or changed.
	unarmed []int32
	// quota is that of entries, for what the pass plans: it is asked for before a start and for a
	// run that is on.
	quota entryQuota
	// untagged says that the run's tags were removed from the network ACL in this pass.
	untagged bool
	// undecided, if set, says that the tags claim rules that the ledger lacks, which a later read
	// confirms or not. Until then the tags stay as they are.
	undecided error
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

// fenced are the clients for changes that rest on the object being as the pass knows it.
func (s *scope) fenced() aws.Fenced { return s.clients.Fenced(s.fence) }

// fencedOnRead are those for changes that rest, beside the object, on the network ACL as this pass
// read it.
func (s *scope) fencedOnRead() aws.Fenced {
	if !s.aclRead {
		return s.fenced()
	}
	read := s.aclReadAt
	return s.clients.Fenced(s.fence, func(context.Context) (time.Time, error) { return read, nil })
}
