// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// The audit's part about what the denies act on: subnets that consent, and no address that callers or the clean-up need.

// noticedWithin is how long the manager may take to notice that a subnet no longer consents, or that an address became protected: a
// look at the VPC's endpoints is a minute old at most, and two looks have to agree.
const noticedWithin = 100 * time.Second

// look notes since when subnets have lacked consent, and addresses have been protected, whenever the manager reads network ACLs.
func (a *audit) look(call.Call) {
	now, v := a.world.clock.Now(), a.world.sim.Region().View(zero)
	lacking, protected := map[string]time.Time{}, map[netip.Addr]time.Time{}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, found := range v.NetworkACLs() {
		for _, association := range found.Associations {
			subnet, _ := v.Subnet(association.SubnetID)
			value := subnet.Tags[a.world.options.ConsentTagKey]
			if a.world.options.ConsentTagKey == "" || value == "true" || slices.Contains(strings.Fields(value), a.world.namespace) {
				continue
			}
			key := found.ID + " " + subnet.ID
			if lacking[key] = now; !a.lacking[key].IsZero() {
				lacking[key] = a.lacking[key]
			}
		}
	}
	for address := range a.world.sim.APIAddresses() {
		if protected[address] = now; !a.protected[address].IsZero() {
			protected[address] = a.protected[address]
		}
	}
	a.lacking, a.protected = lacking, protected
}

// hitting: a deny is made on a network ACL whose subnets consent, of no protected address.
func (a *audit) hitting(c call.Call) {
	cidr, err := netip.ParsePrefix(cidrOf(c))
	if err != nil {
		return
	}
	a.onConsenting(c.Param("NetworkAclId"), "", "rule "+place(c))
	now := a.world.clock.Now()
	for address, name := range a.world.sim.APIAddresses() {
		if since := a.since(func() time.Time { return a.protected[address] }); cidr.Contains(address) && !since.IsZero() && now.Sub(since) > noticedWithin {
			a.violation("rule %s was asked for, which denies %s of %s", place(c), address, name)
		}
	}
}

// onConsenting: all subnets that a network ACL serves consent, or one of them does.
func (a *audit) onConsenting(aclID, subnetID, what string) {
	found, _ := a.world.sim.Region().NetworkACL(aclID)
	for _, association := range found.Associations {
		since := a.since(func() time.Time { return a.lacking[aclID+" "+association.SubnetID] })
		if !since.IsZero() && (subnetID == "" || association.SubnetID == subnetID) && a.world.clock.Now().Sub(since) > noticedWithin {
			a.violation("%s was asked for, which acts on subnet %s without consent", what, association.SubnetID)
		}
	}
}

func (a *audit) since(of func() time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return of()
}
