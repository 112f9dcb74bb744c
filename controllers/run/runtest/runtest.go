// SPDX-License-Identifier: Apache-2.0

package runtest

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// ACL is the network ACL of a run, and Original the one that a clone was made of.
const (
	ACL      = "acl-0b3d6f9a1c5e72840"
	Original = "acl-0d5f8a2c4e6b19370"
)

// Start is when the run began.
var Start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// At is a time that many minutes after the start of the run.
func At(minutes float64) *metav1.Time {
	return &metav1.Time{Time: Start.Add(time.Duration(minutes * float64(time.Minute)))}
}

// Begun is the status of a run of 10 minutes.
func Begun(change ...func(*v1alpha1.AgentDisconnectStatus)) v1alpha1.AgentDisconnectStatus {
	status := v1alpha1.AgentDisconnectStatus{StartTime: At(0), ExpirationTime: At(10)}
	for _, c := range change {
		c(&status)
	}
	return status
}

// Asked is an object that was asked for a minute before the start of the run.
func Asked(name string, change ...func(*v1alpha1.AgentDisconnect)) *v1alpha1.AgentDisconnect {
	obj := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, CreationTimestamp: *At(-1)}}
	for _, c := range change {
		c(obj)
	}
	return obj
}

// OnUntil gives an object a run that ends at a time, with a rule in place.
func OnUntil(end time.Time) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) {
		obj.Status.StartTime, obj.Status.ExpirationTime = At(0), &metav1.Time{Time: end}
		obj.Status.NetworkACL = &v1alpha1.NetworkACL{ID: ACL, Mode: v1alpha1.NetworkACLModeInPlace}
		obj.Status.Rules = []v1alpha1.Rule{{RuleNumber: 80, CIDR: "52.119.223.69/32"}}
	}
}
