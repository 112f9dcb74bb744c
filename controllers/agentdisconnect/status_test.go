// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	testACL = "acl-0b3d6f9a1c5e72840"
	// Two container instances.
	one = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/3f1b"
	two = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/7c9e"
)

// Facts of one pass, put together from what happened.

type happened func(*facts)

func facing(mode Mode, all ...happened) facts {
	obj := &v1alpha1.AgentDisconnect{}
	obj.Generation = 3
	obj.Spec.Duration = metav1.Duration{Duration: 10 * time.Minute}
	f := facts{obj: obj, now: testStart.Add(5 * time.Minute), mode: mode}
	for _, h := range all {
		h(&f)
	}
	return f
}

// discovered: two hosts with three addresses, of which no lookup lacked any for long.
func discovered(f *facts) {
	f.obj.Status.Endpoints = []v1alpha1.Endpoint{
		{Hostname: "ecs-a.example", Session: v1alpha1.EndpointACS, Addresses: []string{"192.0.2.1", "192.0.2.2"}},
		{Hostname: "ecs-t.example", Session: v1alpha1.EndpointTCS, Addresses: []string{"192.0.2.3"}},
	}
}

// named: ECS named the hosts, and DNS was not asked yet.
func named(f *facts) {
	discovered(f)
	for i := range f.obj.Status.Endpoints {
		f.obj.Status.Endpoints[i].Addresses = nil
	}
}

func stillGrowing(f *facts) { f.unsettled = []string{"ecs-t.example"} }

// started: the run began with two agents and three rules.
func started(f *facts) {
	discovered(f)
	status := &f.obj.Status
	status.StartTime, status.ExpirationTime = at(0), at(10)
	status.NetworkACL = &v1alpha1.NetworkACL{ID: testACL, Mode: v1alpha1.NetworkACLModeInPlace}
	status.Agents = &v1alpha1.Agents{ContainerInstances: []v1alpha1.ContainerInstance{
		{ARN: one, Connected: new(true)}, {ARN: two, Connected: new(true)},
	}}
	count(status.Agents)
	for i, address := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		status.Rules = append(status.Rules, v1alpha1.Rule{
			NetworkACLID: testACL, RuleNumber: int32(80 + i), CIDR: address + "/32", State: v1alpha1.RuleInstalled,
		})
	}
}

func read(f *facts) { f.aclRead = true }

func lets(open ...string) happened {
	return func(f *facts) { f.aclRead, f.open = true, open }
}

// agents says of both what ECS last said, and that it counts as having been seen disconnected.
func agents(connected ...bool) happened {
	return func(f *facts) {
		for i := range connected {
			instance := &f.obj.Status.Agents.ContainerInstances[i]
			instance.Connected = &connected[i]
			if !connected[i] {
				instance.DisconnectedTime = at(3)
			}
		}
		count(f.obj.Status.Agents)
	}
}

// restored: the rules are gone, all of them.
func restored(f *facts) { f.obj.Status.Rules, f.obj.Status.RestoredTime = nil, at(11) }

// backAgain: the agents were seen connected after the rules were gone.
func backAgain(f *facts) {
	connected := []bool{true, true}
	agents(connected...)(f)
	f.obj.Status.Agents.ReconnectedTime = at(12)
}

func completed(minute float64) happened {
	return func(f *facts) { f.obj.Status.CompletionTime = at(minute) }
}

func aborted(reason string) happened {
	return func(f *facts) {
		f.obj.Status.Abort = &v1alpha1.Abort{Reason: reason, Message: "this was seen", Time: *at(4)}
	}
}

func stopped(p *problem) happened { return func(f *facts) { f.trouble = p } }

var (
	aPerson   = refuse(v1alpha1.ReasonAccessDenied, "grant it")
	theWeight = wait(v1alpha1.ReasonThrottled, "AWS limits the rate")
)

// brief is a condition in short: True/Installed.
func brief(obj *v1alpha1.AgentDisconnect, conditionType string) string {
	c := meta.FindStatusCondition(obj.Status.Conditions, conditionType)
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s/%s", c.Status, c.Reason)
}

// health is what kstatus, and so Argo CD, Flux and kubectl wait alike, reads from the conditions.
func health(obj *v1alpha1.AgentDisconnect) string {
	switch {
	case obj.Status.ObservedGeneration != obj.Generation, meta.IsStatusConditionTrue(obj.Status.Conditions, v1alpha1.ConditionReconciling):
		return "InProgress"
	case meta.IsStatusConditionTrue(obj.Status.Conditions, v1alpha1.ConditionStalled):
		return "Failed"
	}
	return "Current"
}

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
		"restoring": {facing(ModeExpired, started, read, agents(false, false)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "True/AllDisconnected", "", "InProgress"},
		"restoring while AWS throttles": {facing(ModeExpired, started, stopped(theWeight)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/Reconnected", "", "InProgress"},
		"restoring, and a person must act": {facing(ModeExpired, started, stopped(aPerson)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/Reconnected", "AccessDenied", "Failed"},
		"recovering": {facing(ModeExpired, started, agents(false, false), restored),
			"Unknown/Recovering", "True/Discovered", "False/Removed", "True/AllDisconnected", "", "InProgress"},
		"recovering, one back": {facing(ModeExpired, started, agents(false, true), restored),
			"Unknown/Recovering", "True/Discovered", "False/Removed", "False/Reconnected", "", "InProgress"},
		"aborted and restoring": {facing(ModeAborted, started, aborted(v1alpha1.AbortSubnetLeft)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/Reconnected", "", "InProgress"},
		"aborted and recovering": {facing(ModeAborted, started, agents(false, false), aborted(v1alpha1.AbortSubnetLeft), restored),
			"Unknown/Recovering", "True/Discovered", "False/Removed", "True/AllDisconnected", "", "InProgress"},
		"deleted, restoring": {facing(ModeDeleting, started),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/Reconnected", "", "InProgress"},
		"deleted, and a person must act": {facing(ModeDeleting, started, stopped(aPerson)),
			"Unknown/Restoring", "True/Discovered", "False/Restoring", "False/Reconnected", "AccessDenied", "Failed"},
		"deleted, all gone": {facing(ModeDeleting, started, restored),
			"Unknown/Restoring", "True/Discovered", "False/Removed", "False/Reconnected", "", "InProgress"},
		"deleted before it began": {facing(ModeDeleting),
			"Unknown/Restoring", "Unknown/NotDiscovered", "False/NotStarted", "False/NotStarted", "", "InProgress"},
		"completed": {facing(ModeExpired, started, agents(false, false), restored, backAgain, completed(12)),
			"True/Completed", "True/Discovered", "False/Removed", "False/Reconnected", "", "Current"},
		"over, though one never disconnected": {facing(ModeExpired, started, agents(true, false), restored, backAgain, completed(12)),
			"False/AgentsStayedConnected", "True/Discovered", "False/Removed", "False/Reconnected", "AgentsStayedConnected", "Failed"},
		"over, though one never came back": {facing(ModeExpired, started, agents(false, false), restored, agents(true), completed(21)),
			"False/AgentsDidNotReconnect", "True/Discovered", "False/Removed", "False/Reconnected", "AgentsDidNotReconnect", "Failed"},
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
