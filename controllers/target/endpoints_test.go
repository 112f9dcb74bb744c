// SPDX-License-Identifier: Apache-2.0

package target

import (
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

func TestKeepAddressesFollowsTheHostsThatAreNamed(t *testing.T) {
	g := NewWithT(t)
	before := []v1alpha1.Endpoint{
		{Hostname: "a.example", Session: v1alpha1.EndpointACS, Addresses: []string{"192.0.2.1"}},
		{Hostname: "gone.example", Session: v1alpha1.EndpointTCS, Addresses: []string{"192.0.2.2"}},
	}
	after := keepAddresses(before, []discovery.Host{
		{Hostname: "a.example", Session: v1alpha1.EndpointACS}, {Hostname: "a.example", Session: v1alpha1.EndpointAdditional},
		{Hostname: "new.example", Session: v1alpha1.EndpointTCS},
	})
	g.Expect(after).To(Equal([]v1alpha1.Endpoint{
		before[0], {Hostname: "a.example", Session: v1alpha1.EndpointAdditional}, {Hostname: "new.example", Session: v1alpha1.EndpointTCS},
	}))
}
