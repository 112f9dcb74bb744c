// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// The audit's part about what the denies act on: subnets that consent and have no other cluster's agents, and no address that
// callers or the clean-up need.

const (
	// noticedWithin is how long the manager may take to notice that an address became protected, or another cluster came: a look
	// at either is a minute old at most, and two looks have to agree.
	noticedWithin = 100 * time.Second
	// withdrawnWithin is how long rules may stand after consent was withdrawn: the 40 seconds that are promised, and some slack.
	withdrawnWithin = 45 * time.Second
	// believedFor is how old an answer about other clusters may be, and some slack.
	believedFor = 65 * time.Second
	// readsToNotice is how many reads it takes to be sure that two of them came after the change.
	readsToNotice = 3
)

// unwelcome is since when denies on a network ACL have had no business in a subnet, and how often the manager has read network
// ACLs since, reads at one moment counted once.
type unwelcome struct {
	since, read time.Time
	reads       int
}

// overstayed reports whether rules should be gone by now. A manager that was away has reads to make first.
func (u unwelcome) overstayed(now time.Time, most time.Duration) bool {
	return u.reads >= readsToNotice && now.Sub(u.since) > most
}

// look notes what the denies must not act on, whenever the manager reads network ACLs, and holds those that stand against it.
func (a *audit) look(call.Call) { a.observe(true) }

// observe notes which subnets lack consent or have which clusters' container instances, by network ACL, and which addresses are
// protected, each with since when. The runs are only asked for where some rules may have stood for too long.
func (a *audit) observe(isRead bool) {
	now, v := a.world.clock.Now(), a.world.sim.Region().View(zero)
	clusters := map[string][]string{}
	for _, instance := range a.world.sim.Region().ContainerInstances() {
		clusters[instance.SubnetID] = append(clusters[instance.SubnetID], instance.ClusterARN)
	}
	lacking, populated, protected := map[string]unwelcome{}, map[string]unwelcome{}, map[netip.Addr]time.Time{}
	a.mu.Lock()
	if a.begun.IsZero() {
		a.begun = now
	}
	for _, found := range v.NetworkACLs() {
		for _, association := range found.Associations {
			key := found.ID + " " + association.SubnetID
			if !a.consents(v, association.SubnetID) {
				lacking[key] = a.lacking[key].seen(now, isRead)
			}
			for _, cluster := range clusters[association.SubnetID] {
				populated[key+" "+cluster] = a.populated[key+" "+cluster].seen(now, isRead)
			}
		}
	}
	for address := range a.world.sim.APIAddresses() {
		if protected[address] = now; !a.protected[address].IsZero() {
			protected[address] = a.protected[address]
		}
	}
	a.lacking, a.populated, a.protected = lacking, populated, protected
	a.mu.Unlock()

	late := map[string]bool{}
	for key, is := range lacking {
		late[key] = is.overstayed(now, withdrawnWithin)
	}
	for key, is := range populated {
		late[key] = is.overstayed(now, noticedWithin)
	}
	maps.DeleteFunc(late, func(_ string, is bool) bool { return !is })
	if len(late) > 0 && isRead {
		a.standingOn(late, now)
	}
}

// seen is the state after one more look, which may be a read of the manager's.
func (u unwelcome) seen(now time.Time, isRead bool) unwelcome {
	if u.since.IsZero() {
		u.since = now
	}
	if isRead && !now.Equal(u.read) {
		u.read, u.reads = now, u.reads+1
	}
	return u
}

// standingOn: no run that is on has a deny on a network ACL where it should be gone by now. late has network ACL and subnet where
// consent is lacking, and with a cluster's ARN where that has instances.
func (a *audit) standingOn(late map[string]bool, now time.Time) {
	for _, obj := range a.runs() {
		if phase, _ := run.PhaseAt(&obj, now); phase != run.Active {
			continue
		}
		for key := range late {
			where := strings.Fields(key)
			if !a.denies(&obj, where[0]) {
				continue
			}
			if len(where) == 2 {
				a.violation("rules of %s stand on %s, which subnet %s has without consent", obj.Name, where[0], where[1])
			} else if unwanted(&obj, where[2]) {
				a.violation("rules of %s stand on %s, whose subnet %s has instances of %s", obj.Name, where[0], where[1], where[2])
			}
		}
	}
}

// denies reports whether a deny that a run's ledger names stands on a network ACL.
func (a *audit) denies(obj *v1alpha1.AgentDisconnect, aclID string) bool {
	standing := a.world.denies(aclID)
	return slices.ContainsFunc(obj.Status.Rules, func(rule v1alpha1.Rule) bool {
		return rule.NetworkACLID == aclID && standing[int(rule.RuleNumber)] == rule.CIDR
	})
}

// consents reports whether a subnet consents to runs of the world's namespace.
func (a *audit) consents(v region.View, subnetID string) bool {
	subnet, _ := v.Subnet(subnetID)
	key := a.world.options.ConsentTagKey
	return key == "" || subnet.Tags[key] == "true" || slices.Contains(strings.Fields(subnet.Tags[key]), a.world.namespace)
}

// first: the first deny of a run is made where every subnet consents at that moment, and no other cluster has instances that
// were there before the first pass, or for longer than an answer of ECS is believed.
func (a *audit) first(obj *v1alpha1.AgentDisconnect, c call.Call) {
	aclID, now, v := c.Param("NetworkAclId"), a.world.clock.Now(), a.world.sim.Region().View(zero)
	if a.denies(obj, aclID) {
		return
	}
	a.mu.Lock()
	populated, begun := a.populated, a.begun
	a.mu.Unlock()
	found, _ := a.world.sim.Region().NetworkACL(aclID)
	for _, association := range found.Associations {
		if !a.consents(v, association.SubnetID) {
			a.violation("the first rule of %s was requested on %s, which subnet %s has without consent", obj.Name, aclID, association.SubnetID)
		}
	}
	for key, is := range populated {
		where := strings.Fields(key)
		if where[0] == aclID && unwanted(obj, where[2]) && (is.since.Equal(begun) || now.Sub(is.since) > believedFor) {
			a.violation("the first rule of %s was requested on %s, whose subnet %s has instances of %s", obj.Name, aclID, where[1], where[2])
		}
	}
}

// unwanted reports whether a run must not hit a cluster's container instances.
func unwanted(obj *v1alpha1.AgentDisconnect, clusterARN string) bool {
	return clusterARN != obj.Status.Target.ClusterARN && run.StartSpec(obj).OtherClusters != v1alpha1.OtherClustersAllow
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
			a.violation("rule %s was requested, which denies %s of %s", place(c), address, name)
		}
	}
}

// onConsenting: all subnets that a network ACL serves consent, or one of them does.
func (a *audit) onConsenting(aclID, subnetID, what string) {
	found, _ := a.world.sim.Region().NetworkACL(aclID)
	for _, association := range found.Associations {
		since := a.since(func() time.Time { return a.lacking[aclID+" "+association.SubnetID].since })
		if !since.IsZero() && (subnetID == "" || association.SubnetID == subnetID) && a.world.clock.Now().Sub(since) > withdrawnWithin {
			a.violation("%s was requested, which acts on subnet %s without consent", what, association.SubnetID)
		}
	}
}

func (a *audit) since(of func() time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return of()
}
