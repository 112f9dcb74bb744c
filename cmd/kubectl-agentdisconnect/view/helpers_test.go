// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// now is the time of the views.
var now = time.Date(2026, 11, 29, 10, 21, 1, 0, time.UTC)

type object = v1alpha1.AgentDisconnect

// change changes an object.
type change = func(*object)

// fresh is an object that no manager has looked at.
func fresh(changes ...change) *object {
	obj := &object{
		ObjectMeta: metav1.ObjectMeta{Namespace: "chaos", Name: "checkout-agents", UID: "0d1b101a-608d-46f1-90b7-6d1e72c7b23f", Generation: 1, CreationTimestamp: metav1.Time{Time: now.Add(-4 * time.Minute)}},
		Spec:       v1alpha1.AgentDisconnectSpec{Cluster: "demo", SubnetID: "subnet-0c2e4a6b8d1f35790", Duration: metav1.Duration{Duration: 10 * time.Minute}},
		Status:     v1alpha1.AgentDisconnectStatus{ObservedGeneration: -1},
	}
	for _, change := range changes {
		change(obj)
	}
	return obj
}

// condition sets a condition of the present generation.
func condition(kind string, status metav1.ConditionStatus, reason, message string) change {
	return func(obj *object) {
		obj.Status.ObservedGeneration = obj.Generation
		obj.Status.Conditions = append(obj.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: obj.Generation})
	}
}

// in is a run in a state, with the message that the state has.
func in(status metav1.ConditionStatus, state, message string) change {
	return condition(v1alpha1.ConditionSucceeded, status, state, message)
}

func isStalled(reason, message string) change {
	return condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message)
}

func at(d time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(d)} }

const (
	blockingMessage = "network ACL acl-01ab775c2a21943ea, a clone of acl-0d5f8a2c4e6b19370, denies 6 addresses of 2 hosts by 6 rules of this run, as read back; until AgentsDisconnected is True, RunTask still answers with a task, which hangs in PENDING"
	noConsent       = "subnet subnet-0c2e4a6b8d1f35790 has no tag agentdisconnect.dev/allow: its owner consents with the value true, or with the namespaces that may, separated by spaces"
)

// started has begun 3 minutes ago, and its rules are in place.
func started(obj *object) {
	obj.Status.StartTime, obj.Status.ExpirationTime = at(-3*time.Minute), at(7*time.Minute)
	obj.Status.NetworkACL = &v1alpha1.NetworkACL{ID: "acl-01ab775c2a21943ea", Mode: v1alpha1.NetworkACLModeClone}
	for i := range 6 {
		obj.Status.Rules = append(obj.Status.Rules, v1alpha1.Rule{RuleNumber: int32(80 + i), State: v1alpha1.RuleInstalled})
	}
	obj.Status.Agents = &v1alpha1.Agents{Total: new(int32(3)), Disconnected: new(int32(2)), Reached: "2/3"}
	condition(v1alpha1.ConditionRulesInstalled, metav1.ConditionTrue, "Installed", "")(obj)
}

// blocking is a run that is on.
func blocking(changes ...change) *object {
	return fresh(append([]change{in(metav1.ConditionUnknown, v1alpha1.StateBlocking, blockingMessage), started}, changes...)...)
}

// completed is a run that is over.
func completed(obj *object) {
	obj.Status.StartTime, obj.Status.ExpirationTime, obj.Status.RestoredTime, obj.Status.CompletionTime = at(-20*time.Minute), at(-10*time.Minute), at(-10*time.Minute), at(-8*time.Minute)
	obj.Status.Agents = &v1alpha1.Agents{Total: new(int32(2)), Disconnected: new(int32(0)), Reached: "2/2"}
}

func plan(obj *object) {
	obj.Spec.Mode = v1alpha1.ModePlan
	obj.Status.Plan = &v1alpha1.Plan{
		Time: *at(-time.Minute), ObservedGeneration: 1, WouldStart: new(true), Notes: []string{"agents notice a dropped path only after 1 to 4 minutes, so less than 5m proves little"},
		NetworkACL: &v1alpha1.PlannedNetworkACL{ID: "acl-0d5f8a2c4e6b19370", Mode: v1alpha1.NetworkACLModeClone, ModeReason: v1alpha1.NetworkACLModeShared, OtherSubnets: new(int32(2)), OtherSubnetIDs: []string{"subnet-0e8d6c4b2a9f71350", "subnet-0f9b7d5c3e1a86420"}},
		Rules: []v1alpha1.PlannedRule{
			{RuleNumber: 80, CIDR: "52.119.219.115/32", Hostname: "ecs-a-4.ap-northeast-1.amazonaws.com"},
			{RuleNumber: 81, CIDR: "52.119.220.39/32", Hostname: "ecs-a-4.ap-northeast-1.amazonaws.com"},
			{RuleNumber: 90, CIDR: "52.119.219.118/32", Hostname: "ecs-t-4.ap-northeast-1.amazonaws.com"},
			{RuleNumber: 95, CIDR: "192.0.2.10/32"},
		},
		Headroom: &v1alpha1.Headroom{EntryQuota: new(int32(20)), IPv4Entries: new(int32(12)), NetworkACLs: new(int32(190)), Tags: new(int32(-1))},
		Agents:   &v1alpha1.PlannedAgents{Total: new(int32(3)), Connected: new(int32(2))},
		Outside:  &v1alpha1.InstanceList{Total: new(int32(100)), AtLeast: new(true)},
	}
}
