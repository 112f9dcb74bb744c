// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

const (
	// scale makes agents, ECS and CloudTrail quicker, not AWS's answers nor the manager.
	scale = 15
	// look is how often a condition is looked at that is waited for.
	look = 20 * time.Millisecond
	// patience is for each thing that is waited for. It takes seconds as a rule, and bounds what one costs that never comes:
	// a creation whose answer was lost is waited for 5 minutes by design, where reads don't show it.
	patience = 7 * time.Minute
)

// managerArgs have the manager look about 60 times as often as by default, so that what it does follows at once. Its limits of
// calls are as many times the default: by the default ones a run that is on and looks so often leaves no read to one that begins.
var managerArgs = []string{
	"--agent-poll-interval=250ms", "--network-acl-poll-interval=500ms", "--lookup-interval=100ms", "--leader-election-namespace=default",
	"--aws-read-rate=600", "--aws-change-rate=240",
	"--deadman-role-arn=" + switchRole, "--deadman-schedule-group=" + switchGroup,
}

// The dead man's switch of runs on a clone. Its schedules are hours away: none of them fires here.
const (
	switchGroup    = "experiments"
	switchRoleName = "agentdisconnect-deadman"
	switchRole     = "arn:aws:iam::" + world.DefaultAccount + ":role/" + switchRoleName
)

// stage is the stack in which runs are broken, and the Region as it was before them.
type stage struct {
	*stack.Stack
	before landscape
}

// newStage starts all but a manager, and waits for the agents.
func newStage(ctx context.Context) (*stage, error) {
	s, err := stack.Start(ctx, stack.Options{Simulator: sim.Options{Scale: scale}, ManagerArgs: managerArgs, NoManager: true})
	if err != nil {
		return nil, err
	}
	st := &stage{Stack: s}
	if err := errors.Join(st.addSwitch(), st.awaitAgents(ctx)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	st.before = survey(s.Sim.Region())
	return st, nil
}

// addSwitch gives the Region what the manager's flags name: a group, and a role that may delete entries of clones.
func (st *stage) addSwitch() error {
	role, err := policies.SwitchRole(st.Sim.World(), policies.Values{DeadmanRole: switchRoleName})
	if err != nil {
		return err
	}
	r := st.Sim.Region()
	r.Roles().Put(role)
	return r.CreateScheduleGroup("", "", switchGroup, nil)
}

// awaitAgents waits until every agent is connected: only those count in a run.
func (st *stage) awaitAgents(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return st.Sim.WaitForAgents(ctx)
}

// damage says what is not as it was before.
func (st *stage) damage() (left, lost []string) { return st.before.compare(survey(st.Sim.Region())) }

// writes are the calls that changed something in AWS, or failed to, from the first-th on.
func (st *stage) writes(first int) (writes []sim.Call) {
	for _, c := range st.Sim.Calls()[first:] {
		if changes(c) {
			writes = append(writes, c)
		}
	}
	return writes
}

func changes(c call.Call) bool { return !c.ReadOnly && !c.DryRun }

// until looks again and again until it sees what is waited for, and says what it saw last where that never comes.
func until(ctx context.Context, what string, sees func(context.Context) (done bool, seen string)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it did not happen within %s", patience))
	defer cancel()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		done, seen := sees(ctx)
		if done {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last observed: %s", what, context.Cause(ctx), seen)
		}
	}
}
