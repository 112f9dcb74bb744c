// SPDX-License-Identifier: Apache-2.0

package run

import (
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

const testACL = "acl-0b3d6f9a1c5e72840"

var testStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// at is a time that many minutes after the start of the run.
func at(minutes float64) *metav1.Time {
	return &metav1.Time{Time: testStart.Add(time.Duration(minutes * float64(time.Minute)))}
}

// begun is the status of a run of 10 minutes.
func begun(change ...func(*v1alpha1.AgentDisconnectStatus)) v1alpha1.AgentDisconnectStatus {
	status := v1alpha1.AgentDisconnectStatus{StartTime: at(0), ExpirationTime: at(10)}
	for _, c := range change {
		c(&status)
	}
	return status
}

func destination(cidr, hostname string, session v1alpha1.EndpointSession) networkacl.Destination {
	return networkacl.Destination{CIDR: netip.MustParsePrefix(cidr), Hostname: hostname, Session: session}
}
