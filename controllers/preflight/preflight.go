// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/deadmanswitch"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/original"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// Preflight looks, in one pass, whether a run may begin.
type Preflight struct {
	*target.Target

	deadManSwitch *deadmanswitch.Switch
	seen          *Memory
}

// New makes one for a pass. seen is what earlier passes saw.
func New(on *target.Target, armed *deadmanswitch.Switch, seen *Memory) *Preflight {
	return &Preflight{Target: on, deadManSwitch: armed, seen: seen}
}

// Memory is what passes saw of what the spec names. The zero value is empty.
type Memory struct {
	// passedLook is the first look of the last pass, if nothing in it stood against the run.
	passedLook answers.Answer[firstLook]
}

// readyTimeout bounds what a pass spends on getting a run ready: about 10 round trips, and lookups.
// It takes up a worker, so it is short: where AWS is slower, the next pass goes on from what this
// one found out.
const readyTimeout = 5 * time.Second

// checkOriginal makes sure that a clone of the network ACL as it is now may be put into service.
func (p *Preflight) checkOriginal(acl *networkacl.ACL) error {
	if unsettled := p.Original.CheckSettled(); unsettled != nil {
		return unsettled
	}
	return p.checkAgentsPass(acl)
}

// checkAgentsPass refuses to copy a network ACL that denies the agents, though they are connected.
func (p *Preflight) checkAgentsPass(acl *networkacl.ACL) error {
	return original.CheckAgents(acl, run.Desired(p.Object), p.History.Polls.HasConnected())
}
