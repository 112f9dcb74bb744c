// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

var _ = Describe("The largest status", func() {
	// Beyond 1.5 MiB, what fields belong to whom included, etcd refuses an object: the ledger could not be written.
	It("can be stored with every list full of the longest things that AWS has", func(ctx context.Context) {
		obj := &v1alpha1.AgentDisconnect{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Namespace: "default"},
			Spec:       v1alpha1.AgentDisconnectSpec{Cluster: "demo", SubnetID: "subnet-0a1b2c3d", Duration: metav1.Duration{Duration: time.Hour}},
		}
		Expect(kube.Create(ctx, obj)).To(Succeed())
		before := obj.DeepCopy()
		obj.Status = fullest()
		Expect(kube.Status().Patch(ctx, obj, client.MergeFrom(before), client.FieldOwner("manager"))).To(Succeed())
		Expect(obj.Status.Agents.ContainerInstances).To(HaveLen(v1alpha1.MaxContainerInstances))
	})
})

// fullest is the largest status that the controller can come to.
func fullest() v1alpha1.AgentDisconnectStatus {
	now := metav1.NewTime(time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC))
	account := "arn:aws-us-gov:ecs:us-gov-east-1:123456789012:"
	name := strings.Repeat("n", 255)
	acl := "acl-0a1b2c3d4e5f67890"
	s := v1alpha1.AgentDisconnectStatus{
		ObservedGeneration: 1, State: strings.Repeat("S", 1024), Reason: strings.Repeat("R", 1024), RunID: strings.Repeat("r", 63), RequestTime: &now, StartTime: &now, ExpirationTime: &now, EnforcedTime: &now, RestoredTime: &now, RecoveredTime: &now, CompletionTime: &now, DriftRepairs: 3,
		Target: &v1alpha1.Target{AccountID: "123456789012", RoleARN: "arn:aws-us-gov:iam::123456789012:role/" + strings.Repeat("p", 602), Region: "us-gov-east-1", ClusterARN: account + "cluster/" + name, VPCID: "vpc-0a1b2c3d4e5f67890"},
		NetworkACL: &v1alpha1.NetworkACL{
			ID: acl, Mode: v1alpha1.NetworkACLModeClone, ModeReason: v1alpha1.NetworkACLModeShared, OriginalID: acl,
			State: v1alpha1.CloneAssociating, Attempt: 1, LastAttemptTime: &now,
			DeadManSwitch: &v1alpha1.DeadManSwitch{State: v1alpha1.SwitchArming, ScheduleGroup: strings.Repeat("g", 64), Time: &now},
		},
		StartedWith: &v1alpha1.StartedWith{
			Sessions: []v1alpha1.Session{v1alpha1.SessionACS, v1alpha1.SessionTCS}, NetworkACLMode: v1alpha1.NetworkACLModeInPlace,
			OtherClusters: v1alpha1.OtherClustersRefuse, OnDrift: v1alpha1.OnDriftReapply, AdditionalEndpoints: &v1alpha1.AdditionalEndpoints{}, StartAfter: &now,
			Callers:         &v1alpha1.Callers{RecoverWithin: &metav1.Duration{Duration: time.Hour}, Require: v1alpha1.RequireRecovery},
			CloudTrailDelay: &metav1.Duration{Duration: 3599 * time.Second},
		},
		Agents: &v1alpha1.Agents{Total: new(int32(1000)), Disconnected: new(int32(1000)), Reached: "1000/1000", ObservedTime: &now, DisconnectedTime: &now, ReconnectedTime: &now},
		Abort:  &v1alpha1.Abort{Reason: v1alpha1.AbortNetworkACLShared, Message: strings.Repeat("m", 1024), Time: now},
	}
	for i := range 160 {
		s.NetworkACL.Baseline = append(s.NetworkACL.Baseline, fmt.Sprintf("%s%03d", strings.Repeat("e", 125), i))
	}
	for i := range int32(v1alpha1.MaxRules) {
		s.NetworkACL.DeadManSwitch.RuleNumbers = append(s.NetworkACL.DeadManSwitch.RuleNumbers, 32766-i)
	}
	s.NetworkACL.CarryOver = s.NetworkACL.Baseline
	for i := range 10 {
		s.StartedWith.AdditionalEndpoints.Hostnames = append(s.StartedWith.AdditionalEndpoints.Hostnames, strings.Repeat("h.", 125)+fmt.Sprintf("h%d", i))
		s.StartedWith.AdditionalEndpoints.CIDRs = append(s.StartedWith.AdditionalEndpoints.CIDRs, fmt.Sprintf("2001:db8:ffff:ffff:ffff:ffff:ffff:fff%d/128", i))
	}
	s.StartedWith.Probe = &v1alpha1.Probe{TaskDefinition: account + "task-definition/" + name + ":999999999", Interval: &metav1.Duration{Duration: 599 * time.Second}}
	s.Probe = &v1alpha1.ProbeStatus{
		TaskDefinitionARN: s.StartedWith.Probe.TaskDefinition, AWSVPC: new(true), Attempts: 1 << 30, LastAttemptTime: &now, Unanswered: new(true), LastOutcome: strings.Repeat("R", 64),
	}
	for i := range v1alpha1.MaxProbeOutcomes {
		s.Probe.Outcomes = append(s.Probe.Outcomes, v1alpha1.ProbeOutcome{
			Reason: fmt.Sprintf("%s%02d", strings.Repeat("R", 62), i), Count: 1 << 30, FirstTime: now, LastTime: now, Message: strings.Repeat("m", 512),
		})
	}
	for i := range 2 * v1alpha1.MaxProbeTasks {
		s.Probe.Tasks = append(s.Probe.Tasks, v1alpha1.ProbeTask{
			ARN: fmt.Sprintf("%stask/%s/%032d", account, name, i), ContainerInstanceARN: account + "container-instance/" + name + "/" + strings.Repeat("0", 32), Stopping: new(true),
		})
	}
	for i := range 7 {
		s.Conditions = append(s.Conditions, metav1.Condition{
			Type: fmt.Sprintf("Condition%d", i), Status: metav1.ConditionTrue, Reason: v1alpha1.StateBlocking, Message: strings.Repeat("m", 1024), LastTransitionTime: now,
		})
	}
	for i := range v1alpha1.MaxEndpoints {
		e := v1alpha1.Endpoint{Hostname: fmt.Sprintf("%s%02d", strings.Repeat("h", 251), i), Session: v1alpha1.EndpointAdditional}
		for j := range v1alpha1.MaxAddresses {
			e.Addresses = append(e.Addresses, fmt.Sprintf("2001:db8:ffff:ffff:ffff:ffff:ffff:%04x", j))
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	for i := range v1alpha1.MaxRules {
		s.Rules = append(s.Rules, v1alpha1.Rule{
			NetworkACLID: acl, RuleNumber: int32(i + 1), CIDR: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128",
			Hostname: strings.Repeat("h", 253), State: v1alpha1.RuleInstalled, LastAttemptTime: &now,
		})
	}
	for i := range v1alpha1.MaxExemptions {
		s.Exemptions = append(s.Exemptions, v1alpha1.Exemption{
			CIDR: fmt.Sprintf("2001:db8:ffff:ffff:ffff:ffff:ffff:ff%02x/128", i), Reason: strings.Repeat("R", 64), Message: strings.Repeat("m", 512),
		})
	}
	for i := range v1alpha1.MaxContainerInstances {
		s.Agents.ContainerInstances = append(s.Agents.ContainerInstances, v1alpha1.ContainerInstance{
			ARN: fmt.Sprintf("%scontainer-instance/%s/%032x", account, name, i), Connected: new(false), DisconnectedTime: &now, Gone: new(true),
		})
	}
	s.Callers = fullestCallers(now)
	for range v1alpha1.MaxTimeline {
		s.Timeline = append(s.Timeline, v1alpha1.TimelineEntry{
			Time: now, Type: v1alpha1.TimelineCarriedOver, Reason: strings.Repeat("R", 64), Message: strings.Repeat("m", 256),
			Disconnected: new(int32(1000)), Total: new(int32(1000)), Count: math.MaxInt32,
		})
	}
	s.Plan = fullestPlan(s)
	return s
}

// fullestCallers is the most that the controller can come to say of callers.
func fullestCallers(now metav1.Time) *v1alpha1.CallersStatus {
	const many = math.MaxInt32
	c := &v1alpha1.CallersStatus{
		ObservedTime: &now, CompleteSince: &now, CompleteUntil: &now, Message: strings.Repeat("m", 1024),
		Calls: many, MetCalls: many, Met: many, Recovered: many, NotRecovered: many, NotKnown: many, StartedTwice: many,
		OtherErrors: many, Window: &v1alpha1.CallerWindow{Calls: many, Tasks: many}, Unreadable: many, Withheld: many,
	}
	for i := range v1alpha1.MaxCallerErrors {
		c.Errors = append(c.Errors, v1alpha1.CallerError{Code: fmt.Sprintf("%s%d", strings.Repeat("E", 127), i), Calls: many})
	}
	for range v1alpha1.MaxCallers {
		c.Callers = append(c.Callers, v1alpha1.Caller{
			Principal: strings.Repeat("p", 1024), Service: strings.Repeat("s", 1024), Family: strings.Repeat("f", 255),
			Outcome: v1alpha1.CallerNotRecovered, Calls: many, MetCalls: many, StartedTasks: many, ExtraTasks: many,
			FirstAgentTime: now, LastAgentTime: now, RecoveredTime: &now,
		})
	}
	return c
}

// fullestPlan is the largest plan that the controller can come to.
func fullestPlan(s v1alpha1.AgentDisconnectStatus) *v1alpha1.Plan {
	p := &v1alpha1.Plan{
		WouldStart: new(false),
		Time:       s.Abort.Time, ObservedGeneration: 1, Endpoints: s.Endpoints,
		NetworkACL: &v1alpha1.PlannedNetworkACL{
			ID: s.NetworkACL.ID, Mode: s.NetworkACL.Mode, ModeReason: s.NetworkACL.ModeReason, OtherSubnets: new(int32(200)), Renumbered: new(true),
		},
		Headroom: &v1alpha1.Headroom{
			EntryQuota: new(int32(40)), EntryQuotaAssumed: new(true), IPv4Entries: new(int32(-40)), IPv6Entries: new(int32(-40)), NetworkACLs: new(int32(0)), Tags: new(int32(0)),
		},
		Agents:  &v1alpha1.PlannedAgents{Total: new(int32(1000)), Connected: new(int32(1000))},
		Outside: &v1alpha1.InstanceList{Total: new(int32(1000)), AtLeast: new(true)},
	}
	for range v1alpha1.MaxRefusals {
		p.Refusals = append(p.Refusals, v1alpha1.Refusal{Reason: strings.Repeat("R", 64), Message: strings.Repeat("m", 1024)})
	}
	for range v1alpha1.MaxNotes {
		p.Notes = append(p.Notes, strings.Repeat("n", 1024))
	}
	for _, rule := range s.Rules {
		p.Rules = append(p.Rules, v1alpha1.PlannedRule{RuleNumber: rule.RuleNumber, CIDR: rule.CIDR, Hostname: rule.Hostname})
	}
	for i, instance := range s.Agents.ContainerInstances[:v1alpha1.MaxNamed] {
		p.Agents.ContainerInstances = append(p.Agents.ContainerInstances, instance.ARN)
		p.OtherClusters = append(p.OtherClusters, fmt.Sprintf("%.320s%d", s.Target.ClusterARN, i))
		p.NetworkACL.OtherSubnetIDs = append(p.NetworkACL.OtherSubnetIDs, fmt.Sprintf("subnet-%017x", i))
	}
	p.Outside.ContainerInstances = p.Agents.ContainerInstances
	return p
}
