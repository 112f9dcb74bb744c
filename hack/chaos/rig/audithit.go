// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// The audit's part about what the denies act on: subnets that consent, and no address that callers or the clean-up need.

// noticedWithin is how long a manager may take to notice that a subnet no longer consents: looks a minute apart, of which two have to
// agree, and reads that lag or fail.
const noticedWithin = 5 * time.Minute

// hitting: a deny is made on a network ACL whose subnets consent, of no address of an API.
func (a *audit) hitting(c call.Call) {
	cidr, err := netip.ParsePrefix(cidrOf(c))
	if err != nil {
		return
	}
	a.onConsenting(c.Param("NetworkAclId"), "", "rule "+place(c))
	for address, name := range a.world.Sim.APIAddresses() {
		if cidr.Contains(address) {
			a.violation("rule %s was requested, which denies %s of %s", place(c), address, name)
		}
	}
}

// onConsenting: the subnets that a network ACL serves consent, or one of them does.
func (a *audit) onConsenting(aclID, subnetID, what string) {
	at := a.world.Clock.Now()
	before := a.withoutConsent(at.Add(-noticedWithin), aclID)
	for _, subnet := range a.withoutConsent(at, aclID) {
		if slices.Contains(before, subnet) && (subnetID == "" || subnet == subnetID) {
			a.violation("%s was requested, which acts on subnet %s without consent", what, subnet)
		}
	}
}

// withoutConsent are the subnets that a network ACL served at a time without their consent to the world's namespace.
func (a *audit) withoutConsent(at time.Time, aclID string) []string {
	var lacking []string
	view, key := a.world.region.View(at), a.world.Options.ConsentTagKey
	i := slices.IndexFunc(view.NetworkACLs(), func(found region.ACL) bool { return found.ID == aclID })
	if i < 0 || key == "" {
		return nil
	}
	for _, association := range view.NetworkACLs()[i].Associations {
		subnet, _ := view.Subnet(association.SubnetID)
		if value := subnet.Tags[key]; value != "true" && !slices.Contains(strings.Fields(value), a.world.Namespace) {
			lacking = append(lacking, subnet.ID)
		}
	}
	return lacking
}
