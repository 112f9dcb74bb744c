// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

func TestConditionsOfEveryState(t *testing.T) {
	for name, tc := range map[string]struct {
		facts                                    Input
		succeeded, endpoints, rules, agents, why string // why: the reason of Stalled
		health                                   string
	}{
		"just created": {facing(run.Pending),
			"Unknown/Discovering", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"found out, second poll due": {facing(run.Pending, discovered, stillGrowing),
			"Unknown/Discovering", "True/Discovered", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"found out and settled": {facing(run.Pending, discovered),
			"Unknown/Discovering", "True/Settled", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"waiting": {facing(run.Pending, discovered, stopped(theWeight)),
			"Unknown/Waiting", "True/Settled", "False/NotStarted", "False/NotStarted", "", "Current"},
		"refused": {facing(run.Pending, stopped(aPerson)),
			"Unknown/Refused", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "AccessDenied", "Failed"},
		"refused between the hosts' names and their addresses": {facing(run.Pending, named, stopped(aPerson)),
			"Unknown/Refused", "Unknown/NotLookedUp", "False/NotStarted", "False/NotStarted", "AccessDenied", "Failed"},
		"refused for a host": {facing(run.Pending, named, stopped(problem.Refuse(v1alpha1.ReasonHostNotResolved, "ecs-a.example has no address"))),
			"Unknown/Refused", "False/HostNotResolved", "False/NotStarted", "False/NotStarted", "HostNotResolved", "Failed"},
		"refused for an endpoint": {facing(run.Pending, stopped(problem.Refuse(v1alpha1.ReasonInvalidEndpoint, "ECS named x"))),
			"Unknown/Refused", "False/InvalidEndpoint", "False/NotStarted", "False/NotStarted", "InvalidEndpoint", "Failed"},
		"long before its time": {facing(run.Waiting, asked(func(spec *v1alpha1.AgentDisconnectSpec) { spec.StartAfter = at(300) })),
			"Unknown/Waiting", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "Current"},
		"warmed up, before its time": {facing(run.Pending, discovered, stopped(problem.Wait(v1alpha1.ReasonNotYet, "the run is ready"))),
			"Unknown/Waiting", "True/Settled", "False/NotStarted", "False/NotStarted", "", "Current"},
		"suspended before it began": {facing(run.Suspended, asked(suspend)),
			"Unknown/Suspended", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "Current"},
		"suspended after it was found out": {facing(run.Suspended, asked(suspend), discovered),
			"Unknown/Suspended", "True/Discovered", "False/NotStarted", "False/NotStarted", "", "Current"},
		"never begun": {facing(run.Missed, neverBegun),
			"False/StartDeadlineExceeded", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "StartDeadlineExceeded", "Failed"},
		"planning": {facing(run.Planning),
			"Unknown/Discovering", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"planning while AWS throttles": {facing(run.Planning, stopped(theWeight)),
			"Unknown/Discovering", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"planning, and a person must act": {facing(run.Planning, stopped(aPerson)),
			"Unknown/Refused", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "AccessDenied", "Failed"},
		"planned": {facing(run.Planning, looked()),
			"True/Planned", "True/Discovered", "False/NotStarted", "False/NotStarted", "", "Current"},
		"planned, and a run would be refused": {facing(run.Planning, looked(v1alpha1.Refusal{Reason: v1alpha1.ReasonNoConsent, Message: "no tag"})),
			"False/PlanRefused", "True/Discovered", "False/NotStarted", "False/NotStarted", "PlanRefused", "Failed"},
		"planned after a run": {facing(run.Planning, started, agents(false, false), restored, backAgain, completed(12), looked()),
			"True/Planned", "True/Discovered", "False/Removed", "False/Reconnected", "", "Current"},
		"a run again after a plan": {facing(run.Finished, started, agents(false, false), restored, backAgain, completed(12), looked()),
			"True/Completed", "True/Discovered", "False/Removed", "False/Reconnected", "", "Current"},
		"begun, its clone asked for": {facing(run.Active, started, cloning(v1alpha1.CloneCreating)),
			"Unknown/Installing", "True/Settled", "False/Cloning", "False/SomeConnected", "", "InProgress"},
		"begun, its clone made": {facing(run.Active, started, cloning(v1alpha1.CloneReady), read),
			"Unknown/Installing", "True/Settled", "False/Cloning", "False/SomeConnected", "", "InProgress"},
		"begun, its clone about to serve": {facing(run.Active, started, cloning(v1alpha1.CloneAssociating), read),
			"Unknown/Installing", "True/Settled", "False/Cloning", "False/SomeConnected", "", "InProgress"},
		"begun, its clone not allowed": {facing(run.Active, started, cloning(v1alpha1.CloneReady), read, stopped(aPerson)),
			"Unknown/Installing", "True/Settled", "False/Cloning", "False/SomeConnected", "AccessDenied", "Failed"},
		"its clone serves, not read back": {facing(run.Active, started, cloning(v1alpha1.CloneServing)),
			"Unknown/Installing", "True/Settled", "Unknown/NotRead", "False/SomeConnected", "", "InProgress"},
		"blocking by a clone": {facing(run.Active, started, cloning(v1alpha1.CloneServing), read),
			"Unknown/Blocking", "True/Settled", "True/Installed", "False/SomeConnected", "", "Current"},
		"suspended, its rules being lifted": {facing(run.Suspended, asked(suspend), started, agents(false, false)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "True/AllDisconnected", "", "InProgress"},
		"suspended, and its rules can't be lifted": {facing(run.Suspended, asked(suspend), started, stopped(aPerson)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/Suspended", "AccessDenied", "Failed"},
		"suspended": {facing(run.Suspended, asked(suspend), started, withoutRules),
			"Unknown/Suspended", "True/Discovered", "False/Suspended", "False/Suspended", "", "Current"},
		"suspended, its agents on their way back": {facing(run.Suspended, asked(suspend), started, agents(false, false), withoutRules),
			"Unknown/Suspended", "True/Discovered", "False/Suspended", "True/AllDisconnected", "", "Current"},
		"suspended while AWS throttles": {facing(run.Suspended, asked(suspend), started, withoutRules, stopped(theWeight)),
			"Unknown/Suspended", "True/Discovered", "False/Suspended", "False/Suspended", "", "Current"},
		"suspended by a clone that still serves": {facing(run.Suspended, asked(suspend), started, cloning(v1alpha1.CloneServing)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/Suspended", "", "InProgress"},
		"suspended, its clone kept": {facing(run.Suspended, asked(suspend), started, cloning(v1alpha1.CloneReady)),
			"Unknown/Suspended", "True/Discovered", "False/Suspended", "False/Suspended", "", "Current"},
		"begun": {facing(run.Active, started),
			"Unknown/Installing", "True/Settled", "Unknown/NotRead", "False/SomeConnected", "", "InProgress"},
		"begun, one still let through": {facing(run.Active, started, lets("192.0.2.3/32")),
			"Unknown/Installing", "True/Settled", "False/Incomplete", "False/SomeConnected", "", "InProgress"},
		"begun, and a person must act": {facing(run.Active, started, lets("192.0.2.3/32"), stopped(aPerson)),
			"Unknown/Installing", "True/Settled", "False/Incomplete", "False/SomeConnected", "AccessDenied", "Failed"},
		"blocking": {facing(run.Active, started, read),
			"Unknown/Blocking", "True/Settled", "True/Installed", "False/SomeConnected", "", "Current"},
		"blocking, one disconnected": {facing(run.Active, started, read, agents(true, false), stillGrowing),
			"Unknown/Blocking", "True/Discovered", "True/Installed", "False/SomeConnected", "", "Current"},
		"blocking, all disconnected": {facing(run.Active, started, read, agents(false, false)),
			"Unknown/Blocking", "True/Settled", "True/Installed", "True/AllDisconnected", "", "Current"},
		"blocking while AWS throttles": {facing(run.Active, started, read, stopped(theWeight)),
			"Unknown/Blocking", "True/Settled", "True/Installed", "False/SomeConnected", "", "Current"},
		"blocking, and a person must act": {facing(run.Active, started, read, stopped(aPerson)),
			"Unknown/Blocking", "True/Settled", "True/Installed", "False/SomeConnected", "AccessDenied", "Failed"},
		"blocking, and no read since": {facing(run.Active, started, read, agents(false, false), unseen),
			"Unknown/Blocking", "Unknown/NotObserved", "Unknown/NotObserved", "Unknown/NotObserved", "", "Current"},
		"blocking by its only rule, and no read since": {facing(run.Active, started, read, unseen, func(f *Input) { f.Own = 1 }),
			"Unknown/Blocking", "Unknown/NotObserved", "Unknown/NotObserved", "Unknown/NotObserved", "", "Current"},
		"blocking, all disconnected, and the network ACL can't be read": {facing(run.Active, started, read, agents(false, false), func(f *Input) { f.ACLSeen.At = f.Now.Add(-time.Minute) }),
			"Unknown/Blocking", "True/Settled", "Unknown/NotObserved", "Unknown/NotObserved", "", "Current"},
		"begun, after a restart that can't look": {facing(run.Active, started, agents(false, false), restarted),
			"Unknown/Installing", "Unknown/NotObserved", "Unknown/NotRead", "Unknown/NotObserved", "", "InProgress"},
		"denied by a third party alone": {facing(run.Active, started, read, func(f *Input) { f.Own, f.Foreign, f.EnforcedSince = 0, 1, time.Time{} }),
			"Unknown/Installing", "True/Settled", "False/DeniedByOthers", "False/SomeConnected", "", "InProgress"},
		"disconnected while the rules are not in force": {facing(run.Active, started, lets("192.0.2.3/32"), agents(false, false)),
			"Unknown/Installing", "True/Settled", "False/Incomplete", "False/NotByTheRules", "", "InProgress"},
		"disconnected, but not seen so under the rules": {facing(run.Active, started, read, agents(false, false), uncredited),
			"Unknown/Blocking", "True/Settled", "True/Installed", "False/NotByTheRules", "", "Current"},
		"the subnet is elsewhere": {facing(run.Active, started, read, func(f *Input) { f.Elsewhere = "subnet s is not on network ACL a, as last read" }),
			"Unknown/Installing", "True/Settled", "False/SubnetElsewhere", "False/SomeConnected", "", "InProgress"},
		"restoring": {facing(run.Expired, started, read, agents(false, false)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "True/AllDisconnected", "", "InProgress"},
		"restoring while AWS throttles": {facing(run.Expired, started, stopped(theWeight)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "", "InProgress"},
		"restoring, and a person must act": {facing(run.Expired, started, stopped(aPerson)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "AccessDenied", "Failed"},
		"its clone serves at the end": {facing(run.Expired, started, cloning(v1alpha1.CloneServing), agents(false, false)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "True/AllDisconnected", "", "InProgress"},
		"its clone left to delete": {facing(run.Expired, started, cloning(v1alpha1.CloneReady), restored),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "", "InProgress"},
		"its clone edited": {facing(run.Expired, started, cloning(v1alpha1.CloneServing), withoutRules, stopped(problem.Refuse(v1alpha1.ReasonCloneEdited, "a third party edited it"))),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "CloneEdited", "Failed"},
		"its clone adopted": {facing(run.Aborted, started, cloning(v1alpha1.CloneAdopted), aborted(v1alpha1.AbortOriginalDeleted), restored),
			"Unknown/Recovering", "True/Discovered", "False/Removed", "False/StayedConnected", "", "InProgress"},
		"over, its clone adopted": {facing(run.Aborted, started, cloning(v1alpha1.CloneAdopted), aborted(v1alpha1.AbortOriginalDeleted), restored, backAgain, completed(12)),
			"False/OriginalNetworkACLDeleted", "True/Discovered", "False/Removed", "False/StayedConnected", "OriginalNetworkACLDeleted", "Failed"},
		"said to be over, though rules are left": {facing(run.Expired, started, completed(12)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "", "InProgress"},
		"said to be over, though rules are left, after a restart": {facing(run.Expired, started, completed(12), restarted),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "Unknown/NotObserved", "", "InProgress"},
		"recovering": {facing(run.Expired, started, agents(false, false), restored),
			"Unknown/Recovering", "True/Discovered", "False/Removed", "True/AllDisconnected", "", "InProgress"},
		"recovering, one back": {facing(run.Expired, started, agents(false, true), restored),
			"Unknown/Recovering", "True/Discovered", "False/Removed", "False/SomeDisconnected", "", "InProgress"},
		"aborted and restoring": {facing(run.Aborted, started, aborted(v1alpha1.AbortSubnetLeft)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "", "InProgress"},
		"aborted and recovering": {facing(run.Aborted, started, agents(false, false), aborted(v1alpha1.AbortSubnetLeft), restored),
			"Unknown/Recovering", "True/Discovered", "False/Removed", "True/AllDisconnected", "", "InProgress"},
		"deleted, restoring": {facing(run.Deleting, started),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "", "InProgress"},
		"deleted, and a person must act": {facing(run.Deleting, started, stopped(aPerson)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "AccessDenied", "Failed"},
		"deleted, all gone": {facing(run.Deleting, started, restored),
			"Unknown/Restoring", "True/Discovered", "False/Removed", "False/StayedConnected", "", "InProgress"},
		"deleted before it began": {facing(run.Deleting),
			"Unknown/Restoring", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"completed": {facing(run.Expired, started, agents(false, false), restored, backAgain, completed(12)),
			"True/Completed", "True/Discovered", "False/Removed", "False/Reconnected", "", "Current"},
		"completed, and looked at no more": {facing(run.Expired, started, agents(false, false), restored, backAgain, completed(12), restarted),
			"True/Completed", "True/Discovered", "False/Removed", "False/Reconnected", "", "Current"},
		"completed, all that is known of TCS alone": {facing(run.Expired, started, telemetryAlone, restored, func(f *Input) { f.Object.Status.EnforcedTime = at(1) }, completed(12)),
			"True/Completed", "True/Discovered", "False/Removed", "Unknown/NotShown", "", "Current"},
		"over, of TCS alone and never in force": {facing(run.Expired, started, telemetryAlone, restored, completed(12)),
			"False/NotEnforced", "True/Discovered", "False/Removed", "Unknown/NotShown", "NotEnforced", "Failed"},
		"over, though one never disconnected": {facing(run.Expired, started, agents(true, false), restored, backAgain, completed(12)),
			"False/AgentsStayedConnected", "True/Discovered", "False/Removed", "False/Reconnected", "AgentsStayedConnected", "Failed"},
		"over, though one never came back": {facing(run.Expired, started, agents(false, false), restored, agents(true), completed(21)),
			"False/AgentsDidNotReconnect", "True/Discovered", "False/Removed", "False/SomeDisconnected", "AgentsDidNotReconnect", "Failed"},
		"over, though no read showed whether they came back": {facing(run.Expired, started, agents(false, false), restored, unknownAgents, completed(21)),
			"False/AgentsNotObserved", "True/Discovered", "False/Removed", "Unknown/NotObserved", "AgentsNotObserved", "Failed"},
		"over, though no read while it was on": {facing(run.Expired, started, restored, backAgain, observed(4), completed(12)),
			"False/AgentsNotObserved", "True/Discovered", "False/Removed", "False/StayedConnected", "AgentsNotObserved", "Failed"},
		"over after an abort": {facing(run.Aborted, started, agents(false, false), aborted(v1alpha1.AbortDriftDetected), restored, backAgain, completed(12)),
			"False/DriftDetected", "True/Discovered", "False/Removed", "False/Reconnected", "DriftDetected", "Failed"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			Set(tc.facts)
			obj := tc.facts.Object
			g.Expect(brief(obj, v1alpha1.ConditionSucceeded)).To(Equal(tc.succeeded))
			g.Expect(brief(obj, v1alpha1.ConditionEndpointsDiscovered)).To(Equal(tc.endpoints))
			g.Expect(brief(obj, v1alpha1.ConditionRulesInstalled)).To(Equal(tc.rules))
			g.Expect(brief(obj, v1alpha1.ConditionAgentsDisconnected)).To(Equal(tc.agents))
			stalled, reconciling := "", ""
			if tc.why != "" {
				stalled = "True/" + tc.why
			}
			if tc.health == "InProgress" {
				reconciling = "True/" + meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionSucceeded).Reason
			}
			g.Expect(brief(obj, v1alpha1.ConditionStalled)).To(Equal(stalled))
			g.Expect(brief(obj, v1alpha1.ConditionReconciling)).To(Equal(reconciling))
			g.Expect(health(obj)).To(Equal(tc.health))
		})
	}
}
