// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

var _ = Describe("A clone", func() {
	It("serves the named subnet alone, and is gone afterwards", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx, withSubnet(sharedSubnet), amongOthers)
		seen := w.get(ctx, obj)
		acl := seen.Status.NetworkACL
		Expect(acl.Mode).To(Equal(v1alpha1.NetworkACLModeClone))
		Expect(acl.ModeReason).To(Equal(v1alpha1.NetworkACLModeShared))
		Expect(acl.OriginalID).To(Equal(sharedACL))
		Expect(w.denies(sharedACL)).To(BeEmpty())
		Expect(w.denies(acl.ID)).To(HaveLen(6))
		clone, _ := w.sim.Region().SubnetACL(sharedSubnet)
		Expect(clone.ID).To(Equal(acl.ID))
		Expect(clone.Tags).To(HaveKeyWithValue(ownership.TagClone, string(obj.UID)))
		Expect(clone.Tags).To(HaveKeyWithValue(ownership.TagOriginal, sharedACL))
		Expect(clone.Tags).To(HaveKeyWithValue(ownership.TagSubnet, sharedSubnet))
		other, _ := w.sim.Region().SubnetACL(plainSubnet)
		Expect(other.ID).To(Equal(sharedACL))

		w.setAgents(false)
		w.run(ctx, 10*time.Minute, obj)
		w.expectRestored()
		w.setAgents(true)
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateAgentsStayedConnected), describe(w.get(ctx, obj)))
	})
})

// amongOthers accepts that other clusters' agents in the subnet are cut off too.
func amongOthers(obj *v1alpha1.AgentDisconnect) { obj.Spec.OtherClusters = v1alpha1.OtherClustersAllow }
