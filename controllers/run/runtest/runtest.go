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
