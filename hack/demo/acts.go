// SPDX-License-Identifier: Apache-2.0

package main

import "time"

// act is a part of the walk-through: a title, and what is to be seen in it.
type act struct {
	title string
	steps []step
}

// acts are the whole walk-through. The limits are many times what a step takes, and bound what one that fails costs.
func (w *walk) acts() []act {
	agent := w.inRegion // of a time that agents take
	const brief = 20 * time.Second
	return []act{
		{"Act 1: one subnet of a default VPC, whose subnets share one network ACL", []step{
			{"Start the control plane, the Region and the manager", "a manager that is ready, and agents that are connected", 5 * time.Minute, w.start},
			{"RunTask works", "a task, placed in the subnet", brief, w.runTask},
			{"The network ACL before, and who shares it", "other subnets on the subnet's network ACL, with agents in them", brief, w.showBefore},
			{"Apply the manifest", "an object that the API server accepts", brief, w.apply},
			{"Endpoints and their addresses are found", "every address of every host, in status.endpoints", 30 * time.Second, w.findEndpoints},
			{"The subnet is on a clone, and the shared network ACL as it was", "a clone for this subnet alone that denies every address, and the original untouched", 30 * time.Second, w.showDuring},
			{"The agents lose their control plane", "all agents disconnected in the status, and time-outs in their log", brief + agent(8*time.Minute), w.loseAgents},
			{"RunTask fails with AGENT", "failures with reason AGENT, and CloudTrail's record of them", brief + agent(10*time.Minute), w.runTaskFails},
			{"The time is over: the subnet gets its network ACL back", "no rule of ours in the subnet's way, from the expiration time on", 90 * time.Second, w.expire},
			{"The agents come back", "agentConnected for every agent", brief + agent(10*time.Minute), w.regainAgents},
			{"RunTask works again", "a task, placed in the subnet", brief, w.runTask},
			{"Everything is as it was before", "the same network ACLs, entries, associations and tags, and no clone", brief, w.compare},
			{"The object tells what happened", "Succeeded=True, and no finalizer", 30 * time.Second, w.conclude},
		}},
		{"Act 2: look first, pause, and apply again", []step{
			{"mode: Plan says what a run would do", "a plan without a refusal, and no write to AWS", brief, w.plan},
			{"Without mode: Plan, it runs", "the subnet on a clone that denies every address", 30 * time.Second, w.runPlanned},
			{"suspend: true lifts the rules", "the subnet on its own network ACL, and the same expiration time", brief, w.suspend},
			{"Without suspend, they are back", "the subnet on the same clone again", brief, w.resume},
			{"Delete the object: it ends at once", "the same network ACLs, entries, associations and tags, and no object", brief, w.deleteRun},
			{"Apply the finished manifest of act 1 again", "the same object, and no call to AWS but the reads of the manager's first sweep", 2 * time.Minute, w.applyAgain},
			{"The agents of the other subnets never blinked", "agents that were connected all the time, by ECS and by their own logs", brief, w.neverBlinked},
		}},
	}
}
