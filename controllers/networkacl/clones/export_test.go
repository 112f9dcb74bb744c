// SPDX-License-Identifier: Apache-2.0

package clones

import (
	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// HasRoomForBoth reports whether a clone can get from one set of copies to another without a state in between that differs from
// both: at once, or by way of copies that allow what either allows. The numbers and the quota may leave no room for those.
func HasRoomForBoth(baseline, wanted []Copy, owned []v1alpha1.Rule, desired []networkacl.Destination, quota int) bool {
	quota = networkacl.EffectiveQuota(quota, withLines(InClone(baseline), owned))
	both, ok := unionOf(baseline, wanted, owned, desired, quota)
	return changesOnly(baseline, wanted, owned, quota) || ok && changesOnly(baseline, both, owned, quota)
}
