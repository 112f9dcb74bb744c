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
			{"Start the control plane, the Region and the manager", "a manager that is ready, and agents that are connected", 20 * time.Minute, w.start},
			{"RunTask works", "a task, placed in the subnet", brief, w.runTask},
			{"The network ACL before the run, and the subnets that share it", "other subnets on the subnet's network ACL, with agents in them", brief, w.showBefore},
			{"Apply the manifest", "an object that the API server accepts", brief, w.apply},
			{"The manager finds the endpoints and their addresses", "every address of every host, in status.endpoints", 30 * time.Second, w.findEndpoints},
			{"The subnet is on a clone, and the shared network ACL is unchanged", "a clone for this subnet alone that denies every address, and the original untouched", 30 * time.Second, w.showDuring},
			{"The agents are disconnected from ECS", "all agents disconnected in the status, and time-outs in their log", brief + agent(8*time.Minute), w.loseAgents},
			{"RunTask fails with AGENT when the run's probe calls it", "AGENT in each of several calls", 50 * time.Second, w.probeMeetsAgent},
			{"Two callers meet AGENT: one tries again, one gives up", "AGENT in the answers that both print", brief, w.callersMeetAgent},
			{"CloudTrail shows who called", "the record of the call by the caller that gave up", brief + agent(10*time.Minute), w.recorded},
			{"The time is over: the subnet is on its own network ACL again", "no rule of the run acts on the subnet, from the expiration time on", 90 * time.Second, w.expire},
			{"The agents connect again", "agentConnected for every agent", brief + agent(10*time.Minute), w.regainAgents},
			{"The caller that tries again has its task", "a task for it, and none for the caller that gave up", brief, w.callersEnd},
			{"AWS is in the same state as before", "the same network ACLs, entries, associations and tags, and no clone", brief, w.compare},
			{"The run goes on to look at its callers", "the state Verifying", 30 * time.Second, w.awaitVerifying},
		}},
		{"Act 2, while the first run reads CloudTrail: plan, suspend and delete", []step{
			{"mode: Plan reports what a run would do", "a plan without a refusal, and no write to AWS", brief, w.plan},
			{"Without mode: Plan, the run begins", "the subnet on a clone that denies every address", 30 * time.Second, w.runPlanned},
			{"suspend: true lifts the rules", "the subnet on its own network ACL, and the same expiration time", brief, w.suspend},
			{"Without suspend, the rules act again", "the subnet on the same clone again", brief, w.resume},
			{"Delete the object: the run ends at once", "the same network ACLs, entries, associations and tags, and no object", brief, w.deleteRun},
		}},
		{"Act 3: who survived it", []step{
			{"The object reports the result, and which caller recovered", "Succeeded=True, CallersRecovered=False, and what the callers printed in status.callers", 4 * time.Minute, w.judge},
			{"The report of the run", "a report that names both callers", brief, w.report},
			{"Apply the finished manifest of act 1 again", "the same object, and no call to AWS but the reads of the manager's first sweep", 2 * time.Minute, w.applyAgain},
			{"The agents of the other subnets stayed connected", "agents that were connected all the time, according to ECS and to their own logs", brief, w.neverBlinked},
		}},
	}
}
