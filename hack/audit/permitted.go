// SPDX-License-Identifier: Apache-2.0

package audit

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

// What the denies act on: subnets that consent and have no other cluster's agents, and no address
// that callers or the clean-up need.

// Notice is how long a manager may take to notice a change, and some slack.
type Notice struct {
	// Consent is for a subnet whose consent was withdrawn.
	Consent time.Duration
	// Protected is for an address that became one of an API; 0: none is to be denied at any time.
	Protected time.Duration
	// Cluster is for container instances of another cluster while a run is on, and Believed how old
	// an answer about them may be when a run begins.
	Cluster, Believed time.Duration
}

// readsToNotice is how many reads it takes to be sure that two of them came after the change.
const readsToNotice = 3

// violation is since when denies on a network ACL have had no business in a subnet, and how often
// the manager has read network ACLs since, reads at one moment counted once.
type violation struct {
	since, read time.Time
	reads       int
}

// isLate reports whether rules should be gone by now. A manager that was away has reads to make
// first.
func (u violation) isLate(now time.Time, most time.Duration) bool {
	return u.reads >= readsToNotice && now.Sub(u.since) > most
}

// seen is the state after one more look, which may be a read of the manager's.
func (u violation) seen(now time.Time, isRead bool) violation {
	if u.since.IsZero() {
		u.since = now
	}
	if isRead && !now.Equal(u.read) {
		u.read, u.reads = now, u.reads+1
	}
	return u
}

// Observe notes what the denies must not act on from now on. It is for those who change the Region,
// or set its clock, and is done by itself whenever a manager reads network ACLs.
func (a *Audit) Observe() { a.observe(false) }

// observe notes which subnets lack consent or have which clusters' container instances, by network
// ACL, and which addresses are protected, each with since when. At a read of a manager's, it holds
// the rules that stand against it.
func (a *Audit) observe(isRead bool) {
	now, v := a.o.Now(), a.region.View(present)
	clusters := map[string][]string{}
	for _, instance := range a.region.ContainerInstances() {
		clusters[instance.SubnetID] = append(clusters[instance.SubnetID], instance.ClusterARN)
	}
	lacking, populated, protected := map[string]violation{}, map[string]violation{}, map[netip.Addr]time.Time{}

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
	for address := range a.o.Simulator.APIAddresses() {
		if protected[address] = now; !a.protected[address].IsZero() {
			protected[address] = a.protected[address]
		}
	}
	a.lacking, a.populated, a.protected = lacking, populated, protected
	a.mu.Unlock()

	if isRead {
		a.checkStanding(lacking, populated, now)
	}
}

// checkStanding: no run that is on has a rule on a network ACL where it should be gone by now. The
// runs are only asked for where some rules may have stood for too long.
func (a *Audit) checkStanding(lacking, populated map[string]violation, now time.Time) {
	late := map[string]bool{} // network ACL and subnet, and the cluster's ARN where one has instances there
	for key, is := range lacking {
		late[key] = is.isLate(now, a.o.Notice.Consent)
	}
	for key, is := range populated {
		late[key] = is.isLate(now, a.o.Notice.Cluster)
	}
	maps.DeleteFunc(late, func(_ string, is bool) bool { return !is })
	if len(late) == 0 {
		return
	}
	for _, obj := range a.o.Begun() {
		if phase, _ := run.PhaseAt(obj, now); phase != run.Active {
			continue
		}
		for key := range late {
			where := strings.Fields(key)
			switch {
			case !a.hasRuleOn(obj, where[0]):
			case len(where) == 2:
				a.violated(Permitted, "rules of %s stand on %s, which subnet %s has without consent", obj.Name, where[0], where[1])
			case isUnwanted(obj, where[2]):
				a.violated(Permitted, "rules of %s stand on %s, whose subnet %s has instances of %s", obj.Name, where[0], where[1], where[2])
			}
		}
	}
}

// hasRuleOn reports whether a rule of a run stands on a network ACL.
func (a *Audit) hasRuleOn(obj *v1alpha1.AgentDisconnect, id string) bool {
	found, _ := a.region.NetworkACL(id)
	return slices.ContainsFunc(a.Left(found), func(made Entry) bool { return made.UID == string(obj.UID) })
}

// consents reports whether a subnet consents to the manager's runs.
func (a *Audit) consents(v region.View, subnetID string) bool {
	subnet, _ := v.Subnet(subnetID)
	key, namespace := a.o.Consent()
	return key == "" || subnet.Tags[key] == "true" || slices.Contains(strings.Fields(subnet.Tags[key]), namespace)
}

// isUnwanted reports whether a run must not hit a cluster's container instances.
func isUnwanted(obj *v1alpha1.AgentDisconnect, clusterARN string) bool {
	return clusterARN != obj.Status.Target.ClusterARN && run.StartSpec(obj).OtherClusters != v1alpha1.OtherClustersAllow
}

// checkFirst: the first rule of a run is made where every subnet consents at that moment, and no
// other cluster has instances that were there before the first look, or for longer than an answer
// of ECS is believed.
func (a *Audit) checkFirst(obj *v1alpha1.AgentDisconnect, c call.Call) {
	id, now, v := c.Param("NetworkAclId"), a.o.Now(), a.region.View(present)
	if a.hasRuleOn(obj, id) {
		return
	}
	a.mu.Lock()
	populated, begun := a.populated, a.begun
	a.mu.Unlock()

	found, _ := v.NetworkACL(id)
	for _, association := range found.Associations {
		if !a.consents(v, association.SubnetID) {
			a.violated(Permitted, "the first rule of %s was requested on %s, which subnet %s has without consent", obj.Name, id, association.SubnetID)
		}
	}
	for key, is := range populated {
		where := strings.Fields(key)
		if where[0] == id && isUnwanted(obj, where[2]) && (is.since.Equal(begun) || now.Sub(is.since) > a.o.Notice.Believed) {
			a.violated(Permitted, "the first rule of %s was requested on %s, whose subnet %s has instances of %s", obj.Name, id, where[1], where[2])
		}
	}
}

// checkDenied: a rule is made on a network ACL whose subnets consent, of no protected address.
func (a *Audit) checkDenied(c call.Call) {
	cidr, err := netip.ParsePrefix(cidrIn(c))
	if err != nil {
		return
	}
	a.checkConsent(c.Param("NetworkAclId"), "", "rule "+spot(c))
	for address, name := range a.o.Simulator.APIAddresses() {
		a.mu.Lock()
		since, known := a.protected[address]
		a.mu.Unlock()
		late := a.o.Notice.Protected == 0 || known && a.o.Now().Sub(since) > a.o.Notice.Protected
		if late && cidr.Contains(address) {
			a.violated(Permitted, "rule %s was requested, which denies %s of %s", spot(c), address, name)
		}
	}
}

// checkConsent: the subnets that a network ACL serves consent, or one of them does. One that never
// did is no news that takes time to be noticed.
func (a *Audit) checkConsent(id, subnetID, what string) {
	found, _ := a.region.NetworkACL(id)
	for _, association := range found.Associations {
		a.mu.Lock()
		since, begun := a.lacking[id+" "+association.SubnetID].since, a.begun
		a.mu.Unlock()

		late := !since.IsZero() && (since.Equal(begun) || a.o.Now().Sub(since) > a.o.Notice.Consent)
		if late && (subnetID == "" || association.SubnetID == subnetID) {
			a.violated(Permitted, "%s was requested, which acts on subnet %s without consent", what, association.SubnetID)
		}
	}
}
