// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	testACL      = "acl-0b3d6f9a1c5e72840"
	testOriginal = "acl-0d5f8a2c4e6b19370"
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
	f.agentsSeen, f.hostsSeen = lookedAt(f.now, 0), lookedAt(f.now, 0)
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
	}, ObservedTime: at(10)}
	count(status.Agents)
	for i, address := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		status.Rules = append(status.Rules, v1alpha1.Rule{
			NetworkACLID: testACL, RuleNumber: int32(80 + i), CIDR: address + "/32", State: v1alpha1.RuleInstalled,
		})
	}
}

func read(f *facts) { f.aclSeen, f.inForce, f.own = lookedAt(f.now, 0), testStart, 3 }

func lets(open ...string) happened {
	return func(f *facts) { f.aclSeen, f.open = lookedAt(f.now, 0), open }
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

// unseen: nothing was looked at for a minute. restarted: nothing was since the manager started.
func unseen(f *facts) {
	past := lookedAt(f.now.Add(-time.Minute), 0)
	f.aclSeen, f.agentsSeen, f.hostsSeen, f.endpointsSeen = past, past, past, past
}

func restarted(f *facts) {
	f.aclSeen, f.agentsSeen, f.hostsSeen, f.endpointsSeen = look{}, look{}, look{}, look{}
}

// uncredited: the agents were not seen disconnected under the run's rules.
func uncredited(f *facts) {
	for i := range f.obj.Status.Agents.ContainerInstances {
		f.obj.Status.Agents.ContainerInstances[i].DisconnectedTime = nil
	}
}

// unknownAgents: ECS did not say lately what the agents do.
func unknownAgents(f *facts) { forgetAgents(f.obj.Status.Agents, arnsOf(f.obj.Status.Agents)) }

// observed: ECS last answered about the agents then, of the time that the run was on.
func observed(minute float64) happened {
	return func(f *facts) { f.obj.Status.Agents.ObservedTime = at(minute) }
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

// cloning: the run's rules are on a clone, which is that far.
func cloning(state v1alpha1.CloneState) happened {
	return func(f *facts) {
		acl := f.obj.Status.NetworkACL
		acl.Mode, acl.ModeReason, acl.OriginalID, acl.State = v1alpha1.NetworkACLModeClone, v1alpha1.NetworkACLModeShared, testOriginal, state
		if state == v1alpha1.CloneCreating {
			acl.ID, f.obj.Status.Rules = "", nil
		}
	}
}

// asked: the object was made an hour before the run's start, and the spec is changed.
func asked(change func(*v1alpha1.AgentDisconnectSpec)) happened {
	return func(f *facts) {
		f.obj.CreationTimestamp = *at(-60)
		change(&f.obj.Spec)
	}
}

func suspend(spec *v1alpha1.AgentDisconnectSpec) { spec.Suspend = new(true) }

// withoutRules: they are gone, since the run is suspended.
func withoutRules(f *facts) { f.obj.Status.Rules = nil }

// looked: a plan was made of the spec as it is.
func looked(refusals ...v1alpha1.Refusal) happened {
	return func(f *facts) {
		f.obj.Spec.Mode = v1alpha1.ModePlan
		found := facts{obj: &v1alpha1.AgentDisconnect{}}
		discovered(&found)
		f.obj.Status.Plan = &v1alpha1.Plan{
			ObservedGeneration: f.obj.Generation, WouldStart: new(len(refusals) == 0), Refusals: refusals, Rules: make([]v1alpha1.PlannedRule, 6),
			Endpoints:  found.obj.Status.Endpoints,
			NetworkACL: &v1alpha1.PlannedNetworkACL{ID: testACL, Mode: v1alpha1.NetworkACLModeInPlace},
			Agents:     &v1alpha1.PlannedAgents{Connected: new(int32(2))},
		}
	}
}

// neverBegun: the run's start deadline passed.
func neverBegun(f *facts) {
	f.obj.Status.Abort = &v1alpha1.Abort{Reason: v1alpha1.AbortStartDeadlineExceeded, Message: "the run had not begun", Time: *at(0)}
	f.obj.Status.RestoredTime, f.obj.Status.CompletionTime = at(0), at(0)
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
