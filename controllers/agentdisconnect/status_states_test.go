// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

func TestConditionsOfEveryState(t *testing.T) {
	for name, tc := range map[string]struct {
		facts                                    facts
		succeeded, endpoints, rules, agents, why string // why: the reason of Stalled
		health                                   string
	}{
		"just created": {facing(ModePending),
			"Unknown/Discovering", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"found out, second poll due": {facing(ModePending, discovered, stillGrowing),
			"Unknown/Discovering", "True/Discovered", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"found out and settled": {facing(ModePending, discovered),
			"Unknown/Discovering", "True/Settled", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"waiting": {facing(ModePending, discovered, stopped(theWeight)),
			"Unknown/Waiting", "True/Settled", "False/NotStarted", "False/NotStarted", "", "Current"},
		"refused": {facing(ModePending, stopped(aPerson)),
			"Unknown/Refused", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "AccessDenied", "Failed"},
		"refused between the hosts' names and their addresses": {facing(ModePending, named, stopped(aPerson)),
			"Unknown/Refused", "Unknown/NotLookedUp", "False/NotStarted", "False/NotStarted", "AccessDenied", "Failed"},
		"refused for a host": {facing(ModePending, named, stopped(refuse(v1alpha1.ReasonHostNotResolved, "ecs-a.example has no address"))),
			"Unknown/Refused", "False/HostNotResolved", "False/NotStarted", "False/NotStarted", "HostNotResolved", "Failed"},
		"refused for an endpoint": {facing(ModePending, stopped(refuse(v1alpha1.ReasonInvalidEndpoint, "ECS named x"))),
			"Unknown/Refused", "False/InvalidEndpoint", "False/NotStarted", "False/NotStarted", "InvalidEndpoint", "Failed"},
		"long before its time": {facing(ModeWaiting, asked(func(spec *v1alpha1.AgentDisconnectSpec) { spec.StartAfter = at(300) })),
			"Unknown/Waiting", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "Current"},
		"warmed up, before its time": {facing(ModePending, discovered, stopped(wait(v1alpha1.ReasonNotYet, "the run is ready"))),
			"Unknown/Waiting", "True/Settled", "False/NotStarted", "False/NotStarted", "", "Current"},
		"suspended before it began": {facing(ModeSuspended, asked(suspend)),
			"Unknown/Suspended", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "Current"},
		"suspended after it was found out": {facing(ModeSuspended, asked(suspend), discovered),
			"Unknown/Suspended", "True/Discovered", "False/NotStarted", "False/NotStarted", "", "Current"},
		"never begun": {facing(ModeMissed, neverBegun),
			"False/StartDeadlineExceeded", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "StartDeadlineExceeded", "Failed"},
		"planning": {facing(ModePlan),
			"Unknown/Discovering", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"planning while AWS throttles": {facing(ModePlan, stopped(theWeight)),
			"Unknown/Discovering", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"planning, and a person must act": {facing(ModePlan, stopped(aPerson)),
			"Unknown/Refused", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "AccessDenied", "Failed"},
		"planned": {facing(ModePlan, looked()),
			"True/Planned", "True/Discovered", "False/NotStarted", "False/NotStarted", "", "Current"},
		"planned, and a run would be refused": {facing(ModePlan, looked(v1alpha1.Refusal{Reason: v1alpha1.ReasonNoConsent, Message: "no tag"})),
			"False/PlanRefused", "True/Discovered", "False/NotStarted", "False/NotStarted", "PlanRefused", "Failed"},
		"planned after a run": {facing(ModePlan, started, agents(false, false), restored, backAgain, completed(12), looked()),
			"True/Planned", "True/Discovered", "False/Removed", "False/Reconnected", "", "Current"},
		"a run again after a plan": {facing(ModeFinished, started, agents(false, false), restored, backAgain, completed(12), looked()),
			"True/Completed", "True/Discovered", "False/Removed", "False/Reconnected", "", "Current"},
		"begun, its clone asked for": {facing(ModeActive, started, cloning(v1alpha1.CloneCreating)),
			"Unknown/Installing", "True/Settled", "False/Cloning", "False/SomeConnected", "", "InProgress"},
		"begun, its clone made": {facing(ModeActive, started, cloning(v1alpha1.CloneReady), read),
			"Unknown/Installing", "True/Settled", "False/Cloning", "False/SomeConnected", "", "InProgress"},
		"begun, its clone about to serve": {facing(ModeActive, started, cloning(v1alpha1.CloneAssociating), read),
			"Unknown/Installing", "True/Settled", "False/Cloning", "False/SomeConnected", "", "InProgress"},
		"begun, its clone not allowed": {facing(ModeActive, started, cloning(v1alpha1.CloneReady), read, stopped(aPerson)),
			"Unknown/Installing", "True/Settled", "False/Cloning", "False/SomeConnected", "AccessDenied", "Failed"},
		"its clone serves, not read back": {facing(ModeActive, started, cloning(v1alpha1.CloneServing)),
			"Unknown/Installing", "True/Settled", "Unknown/NotRead", "False/SomeConnected", "", "InProgress"},
		"blocking by a clone": {facing(ModeActive, started, cloning(v1alpha1.CloneServing), read),
			"Unknown/Blocking", "True/Settled", "True/Installed", "False/SomeConnected", "", "Current"},
		"suspended, its rules being lifted": {facing(ModeSuspended, asked(suspend), started, agents(false, false)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "True/AllDisconnected", "", "InProgress"},
		"suspended, and its rules can't be lifted": {facing(ModeSuspended, asked(suspend), started, stopped(aPerson)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/Suspended", "AccessDenied", "Failed"},
		"suspended": {facing(ModeSuspended, asked(suspend), started, withoutRules),
			"Unknown/Suspended", "True/Discovered", "False/Suspended", "False/Suspended", "", "Current"},
		"suspended, its agents on their way back": {facing(ModeSuspended, asked(suspend), started, agents(false, false), withoutRules),
			"Unknown/Suspended", "True/Discovered", "False/Suspended", "True/AllDisconnected", "", "Current"},
		"suspended while AWS throttles": {facing(ModeSuspended, asked(suspend), started, withoutRules, stopped(theWeight)),
			"Unknown/Suspended", "True/Discovered", "False/Suspended", "False/Suspended", "", "Current"},
		"suspended by a clone that still serves": {facing(ModeSuspended, asked(suspend), started, cloning(v1alpha1.CloneServing)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/Suspended", "", "InProgress"},
		"suspended, its clone kept": {facing(ModeSuspended, asked(suspend), started, cloning(v1alpha1.CloneReady)),
			"Unknown/Suspended", "True/Discovered", "False/Suspended", "False/Suspended", "", "Current"},
		"begun": {facing(ModeActive, started),
			"Unknown/Installing", "True/Settled", "Unknown/NotRead", "False/SomeConnected", "", "InProgress"},
		"begun, one still let through": {facing(ModeActive, started, lets("192.0.2.3/32")),
			"Unknown/Installing", "True/Settled", "False/Incomplete", "False/SomeConnected", "", "InProgress"},
		"begun, and a person must act": {facing(ModeActive, started, lets("192.0.2.3/32"), stopped(aPerson)),
			"Unknown/Installing", "True/Settled", "False/Incomplete", "False/SomeConnected", "AccessDenied", "Failed"},
		"blocking": {facing(ModeActive, started, read),
			"Unknown/Blocking", "True/Settled", "True/Installed", "False/SomeConnected", "", "Current"},
		"blocking, one disconnected": {facing(ModeActive, started, read, agents(true, false), stillGrowing),
			"Unknown/Blocking", "True/Discovered", "True/Installed", "False/SomeConnected", "", "Current"},
		"blocking, all disconnected": {facing(ModeActive, started, read, agents(false, false)),
			"Unknown/Blocking", "True/Settled", "True/Installed", "True/AllDisconnected", "", "Current"},
		"blocking while AWS throttles": {facing(ModeActive, started, read, stopped(theWeight)),
			"Unknown/Blocking", "True/Settled", "True/Installed", "False/SomeConnected", "", "Current"},
		"blocking, and a person must act": {facing(ModeActive, started, read, stopped(aPerson)),
			"Unknown/Blocking", "True/Settled", "True/Installed", "False/SomeConnected", "AccessDenied", "Failed"},
		"blocking, and nobody could look since": {facing(ModeActive, started, read, agents(false, false), unseen),
			"Unknown/Blocking", "Unknown/NotObserved", "Unknown/NotObserved", "Unknown/NotObserved", "", "Current"},
		"blocking, all disconnected, and the network ACL can't be read": {facing(ModeActive, started, read, agents(false, false), func(f *facts) { f.aclSeen.at = f.now.Add(-time.Minute) }),
			"Unknown/Blocking", "True/Settled", "Unknown/NotObserved", "Unknown/NotObserved", "", "Current"},
		"begun, after a restart that can't look": {facing(ModeActive, started, agents(false, false), restarted),
			"Unknown/Installing", "Unknown/NotObserved", "Unknown/NotRead", "Unknown/NotObserved", "", "InProgress"},
		"denied by a third party alone": {facing(ModeActive, started, read, func(f *facts) { f.own, f.foreign, f.inForce = 0, 1, time.Time{} }),
			"Unknown/Installing", "True/Settled", "False/DeniedByOthers", "False/SomeConnected", "", "InProgress"},
		"disconnected while the rules are not in force": {facing(ModeActive, started, lets("192.0.2.3/32"), agents(false, false)),
			"Unknown/Installing", "True/Settled", "False/Incomplete", "False/NotByTheRules", "", "InProgress"},
		"disconnected, but not seen so under the rules": {facing(ModeActive, started, read, agents(false, false), uncredited),
			"Unknown/Blocking", "True/Settled", "True/Installed", "False/NotByTheRules", "", "Current"},
		"the subnet is elsewhere": {facing(ModeActive, started, read, func(f *facts) { f.elsewhere = "subnet s is not on network ACL a, as last read" }),
			"Unknown/Installing", "True/Settled", "False/SubnetElsewhere", "False/SomeConnected", "", "InProgress"},
		"restoring": {facing(ModeExpired, started, read, agents(false, false)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "True/AllDisconnected", "", "InProgress"},
		"restoring while AWS throttles": {facing(ModeExpired, started, stopped(theWeight)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "", "InProgress"},
		"restoring, and a person must act": {facing(ModeExpired, started, stopped(aPerson)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "AccessDenied", "Failed"},
		"its clone serves at the end": {facing(ModeExpired, started, cloning(v1alpha1.CloneServing), agents(false, false)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "True/AllDisconnected", "", "InProgress"},
		"its clone left to delete": {facing(ModeExpired, started, cloning(v1alpha1.CloneReady), restored),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "", "InProgress"},
		"its clone edited": {facing(ModeExpired, started, cloning(v1alpha1.CloneServing), withoutRules, stopped(refuse(v1alpha1.ReasonCloneEdited, "someone edited it"))),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "CloneEdited", "Failed"},
		"its clone adopted": {facing(ModeAborted, started, cloning(v1alpha1.CloneAdopted), aborted(v1alpha1.AbortOriginalDeleted), restored),
			"Unknown/Recovering", "True/Discovered", "False/Removed", "False/StayedConnected", "", "InProgress"},
		"over, its clone adopted": {facing(ModeAborted, started, cloning(v1alpha1.CloneAdopted), aborted(v1alpha1.AbortOriginalDeleted), restored, backAgain, completed(12)),
			"False/OriginalNetworkACLDeleted", "True/Discovered", "False/Removed", "False/StayedConnected", "OriginalNetworkACLDeleted", "Failed"},
		"said to be over, though rules are left": {facing(ModeExpired, started, completed(12)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "", "InProgress"},
		"recovering": {facing(ModeExpired, started, agents(false, false), restored),
			"Unknown/Recovering", "True/Discovered", "False/Removed", "True/AllDisconnected", "", "InProgress"},
		"recovering, one back": {facing(ModeExpired, started, agents(false, true), restored),
			"Unknown/Recovering", "True/Discovered", "False/Removed", "False/SomeDisconnected", "", "InProgress"},
		"aborted and restoring": {facing(ModeAborted, started, aborted(v1alpha1.AbortSubnetLeft)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "", "InProgress"},
		"aborted and recovering": {facing(ModeAborted, started, agents(false, false), aborted(v1alpha1.AbortSubnetLeft), restored),
			"Unknown/Recovering", "True/Discovered", "False/Removed", "True/AllDisconnected", "", "InProgress"},
		"deleted, restoring": {facing(ModeDeleting, started),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "", "InProgress"},
		"deleted, and a person must act": {facing(ModeDeleting, started, stopped(aPerson)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/StayedConnected", "AccessDenied", "Failed"},
		"deleted, all gone": {facing(ModeDeleting, started, restored),
			"Unknown/Restoring", "True/Discovered", "False/Removed", "False/StayedConnected", "", "InProgress"},
		"deleted before it began": {facing(ModeDeleting),
			"Unknown/Restoring", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"completed": {facing(ModeExpired, started, agents(false, false), restored, backAgain, completed(12)),
			"True/Completed", "True/Discovered", "False/Removed", "False/Reconnected", "", "Current"},
		"over, though one never disconnected": {facing(ModeExpired, started, agents(true, false), restored, backAgain, completed(12)),
			"False/AgentsStayedConnected", "True/Discovered", "False/Removed", "False/Reconnected", "AgentsStayedConnected", "Failed"},
		"over, though one never came back": {facing(ModeExpired, started, agents(false, false), restored, agents(true), completed(21)),
			"False/AgentsDidNotReconnect", "True/Discovered", "False/Removed", "False/SomeDisconnected", "AgentsDidNotReconnect", "Failed"},
		"over, though nobody could look whether they came back": {facing(ModeExpired, started, agents(false, false), restored, unknownAgents, completed(21)),
			"False/AgentsNotObserved", "True/Discovered", "False/Removed", "Unknown/NotObserved", "AgentsNotObserved", "Failed"},
		"over, though nobody looked while it was on": {facing(ModeExpired, started, restored, backAgain, observed(4), completed(12)),
			"False/AgentsNotObserved", "True/Discovered", "False/Removed", "False/StayedConnected", "AgentsNotObserved", "Failed"},
		"over after an abort": {facing(ModeAborted, started, agents(false, false), aborted(v1alpha1.AbortDriftDetected), restored, backAgain, completed(12)),
			"False/DriftDetected", "True/Discovered", "False/Removed", "False/Reconnected", "DriftDetected", "Failed"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			setConditions(tc.facts)
			obj := tc.facts.obj
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
