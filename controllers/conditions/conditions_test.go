// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

const (
	// Two container instances.
	one = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/3f1b"
	two = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/7c9e"
)

var at = runtest.At

// Facts of one pass, put together from what happened.

type happened func(*Input)

func facing(mode run.Phase, all ...happened) Input {
	obj := &v1alpha1.AgentDisconnect{}
	obj.Generation = 3
	obj.Spec.Duration = metav1.Duration{Duration: 10 * time.Minute}
	f := Input{Object: obj, Now: runtest.Start.Add(5 * time.Minute), Phase: mode}
	f.AgentsSeen, f.HostsSeen = run.LookedAt(f.Now, 0), run.LookedAt(f.Now, 0)
	for _, h := range all {
		h(&f)
	}
	return f
}

// discovered: two hosts with three addresses, of which no lookup lacked any for long.
func discovered(f *Input) {
	f.Object.Status.Endpoints = []v1alpha1.Endpoint{
		{Hostname: "ecs-a.example", Session: v1alpha1.EndpointACS, Addresses: []string{"192.0.2.1", "192.0.2.2"}},
		{Hostname: "ecs-t.example", Session: v1alpha1.EndpointTCS, Addresses: []string{"192.0.2.3"}},
	}
}

// named: ECS named the hosts, and DNS was not asked yet.
func named(f *Input) {
	discovered(f)
	for i := range f.Object.Status.Endpoints {
		f.Object.Status.Endpoints[i].Addresses = nil
	}
}

func stillGrowing(f *Input) { f.Unsettled = []string{"ecs-t.example"} }

// started: the run began with two agents and three rules.
func started(f *Input) {
	discovered(f)
	status := &f.Object.Status
	status.StartTime, status.ExpirationTime = at(0), at(10)
	status.NetworkACL = &v1alpha1.NetworkACL{ID: runtest.ACL, Mode: v1alpha1.NetworkACLModeInPlace}
	status.Agents = &v1alpha1.Agents{ContainerInstances: []v1alpha1.ContainerInstance{
		{ARN: one, Connected: new(true)}, {ARN: two, Connected: new(true)},
	}, ObservedTime: at(10)}
	run.CountAgents(status.Agents)
	for i, address := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		status.Rules = append(status.Rules, v1alpha1.Rule{
			NetworkACLID: runtest.ACL, RuleNumber: int32(80 + i), CIDR: address + "/32", State: v1alpha1.RuleInstalled,
		})
	}
}

func read(f *Input) {
	f.ACLSeen, f.EnforcedSince, f.Own = run.LookedAt(f.Now, 0), runtest.Start, 3
}

func lets(open ...string) happened {
	return func(f *Input) { f.ACLSeen, f.Open = run.LookedAt(f.Now, 0), open }
}

// agents says of both what ECS last said, and that it counts as having been seen disconnected.
func agents(connected ...bool) happened {
	return func(f *Input) {
		for i := range connected {
			instance := &f.Object.Status.Agents.ContainerInstances[i]
			instance.Connected = &connected[i]
			if !connected[i] {
				instance.DisconnectedTime = at(3)
			}
		}
		run.CountAgents(f.Object.Status.Agents)
	}
}

// unseen: nothing was looked at for a minute. restarted: nothing was since the manager started.
func unseen(f *Input) {
	past := run.LookedAt(f.Now.Add(-time.Minute), 0)
	f.ACLSeen, f.AgentsSeen, f.HostsSeen, f.EndpointsSeen = past, past, past, past
}

func restarted(f *Input) {
	f.ACLSeen, f.AgentsSeen, f.HostsSeen, f.EndpointsSeen = run.Look{}, run.Look{}, run.Look{}, run.Look{}
}

// uncredited: the agents were not seen disconnected under the run's rules.
func uncredited(f *Input) {
	for i := range f.Object.Status.Agents.ContainerInstances {
		f.Object.Status.Agents.ContainerInstances[i].DisconnectedTime = nil
	}
}

// unknownAgents: ECS did not say lately what the agents do.
func unknownAgents(f *Input) {
	run.ForgetAgents(f.Object.Status.Agents, run.AgentARNs(f.Object.Status.Agents))
}

// observed: ECS last answered about the agents then, of the time that the run was on.
func observed(minute float64) happened {
	return func(f *Input) { f.Object.Status.Agents.ObservedTime = at(minute) }
}

// onlyOne: the run has one agent alone.
func onlyOne(f *Input) {
	f.Object.Status.Agents.ContainerInstances = f.Object.Status.Agents.ContainerInstances[:1]
	run.CountAgents(f.Object.Status.Agents)
}

// allGone: no tracked container instance is in the cluster any more.
func allGone(f *Input) {
	for i := range f.Object.Status.Agents.ContainerInstances {
		f.Object.Status.Agents.ContainerInstances[i].Gone = new(true)
	}
	run.CountAgents(f.Object.Status.Agents)
}

// telemetryAlone: the run began with TCS as its only session.
func telemetryAlone(f *Input) {
	f.Object.Spec.Sessions = []v1alpha1.Session{v1alpha1.SessionTCS}
	f.Object.Status.StartedWith = run.StartedWith(&f.Object.Spec)
}

// restored: the rules are gone, all of them.
func restored(f *Input) {
	f.Object.Status.Rules, f.Object.Status.RestoredTime = nil, at(11)
}

// backAgain: the agents were seen connected after the rules were gone.
func backAgain(f *Input) {
	connected := []bool{true, true}
	agents(connected...)(f)
	f.Object.Status.Agents.ReconnectedTime = at(12)
}

// backAtLast: two polls in a row showed all agents connected.
func backAtLast(f *Input) { f.Object.Status.Agents.ReconnectedTime = at(12) }

func completed(minute float64) happened {
	return func(f *Input) { f.Object.Status.CompletionTime = at(minute) }
}

func aborted(reason string) happened {
	return func(f *Input) {
		f.Object.Status.Abort = &v1alpha1.Abort{Reason: reason, Message: "this was seen", Time: *at(4)}
	}
}

// cloning: the run's rules are on a clone, which is that far.
func cloning(state v1alpha1.CloneState) happened {
	return func(f *Input) {
		acl := f.Object.Status.NetworkACL
		acl.Mode, acl.ModeReason, acl.OriginalID, acl.State = v1alpha1.NetworkACLModeClone, v1alpha1.NetworkACLModeShared, runtest.Original, state
		if state == v1alpha1.CloneCreating {
			acl.ID, f.Object.Status.Rules = "", nil
		}
	}
}

// asked: the object was made an hour before the run's start, and the spec is changed.
func asked(change func(*v1alpha1.AgentDisconnectSpec)) happened {
	return func(f *Input) {
		f.Object.CreationTimestamp = *at(-60)
		change(&f.Object.Spec)
	}
}

func suspend(spec *v1alpha1.AgentDisconnectSpec) { spec.Suspend = new(true) }

// withoutRules: they are gone, since the run is suspended.
func withoutRules(f *Input) { f.Object.Status.Rules = nil }

// looked: a plan was made of the spec as it is.
func looked(refusals ...v1alpha1.Refusal) happened {
	return func(f *Input) {
		f.Object.Spec.Mode = v1alpha1.ModePlan
		found := Input{Object: &v1alpha1.AgentDisconnect{}}
		discovered(&found)
		f.Object.Status.Plan = &v1alpha1.Plan{
			ObservedGeneration: f.Object.Generation, WouldStart: new(len(refusals) == 0), Refusals: refusals, Rules: make([]v1alpha1.PlannedRule, 6),
			Endpoints:  found.Object.Status.Endpoints,
			NetworkACL: &v1alpha1.PlannedNetworkACL{ID: runtest.ACL, Mode: v1alpha1.NetworkACLModeInPlace},
			Agents:     &v1alpha1.PlannedAgents{Connected: new(int32(2))},
		}
	}
}

// neverBegun: the run's start deadline passed.
func neverBegun(f *Input) {
	f.Object.Status.Abort = &v1alpha1.Abort{Reason: v1alpha1.AbortStartDeadlineExceeded, Message: "the run had not begun", Time: *at(0)}
	f.Object.Status.RestoredTime, f.Object.Status.CompletionTime = at(0), at(0)
}

func stopped(p *problem.Problem) happened { return func(f *Input) { f.Problem = p } }

var (
	aPerson   = problem.Refuse(v1alpha1.ReasonAccessDenied, "grant it")
	theWeight = problem.Wait(v1alpha1.ReasonThrottled, "AWS limits the rate")
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
