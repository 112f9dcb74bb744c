// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// checkNetworkACL refuses a network ACL that is not a run's to use. If something else
// manages it, only that is reported: the user of this run can't mend its other problems.
func checkNetworkACL(f *Findings) error {
	if f.acl == nil {
		if f.subnet.VPCID == "" || !f.aclRead {
			return nil
		}
		return problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS does not show yet which network ACL is associated with subnet %s", f.spec().SubnetID)
	}

	if who, managed := ownership.ManagedBy(f.acl.Tags); managed {
		return problem.Refuse(v1alpha1.ReasonNetworkACLManaged, "network ACL %s is managed by %s, whose changes to it would conflict with those of a run: wait until it no longer manages the network ACL, or choose another subnet", f.acl.ID, who)
	}

	if uid, is := f.acl.Tags[ownership.TagClone]; is {
		return problem.Refuse(v1alpha1.ReasonNetworkACLTemporary, "network ACL %s is itself the clone of a run (%s): the run begins when subnet %s has its own network ACL again",
			f.acl.ID, cmp.Or(ownerOf(f.acl.Tags, uid), uid), f.spec().SubnetID)
	}
	return errors.Join(checkClaims(f), checkForeignClones(f), f.mode.checkRoom(f))
}

// checkClaims makes a run wait for one of another Kubernetes cluster that uses the network ACL, or
// for one of its own that its status has lost.
func checkClaims(f *Findings) error {
	claims, _ := ownership.ParseClaims(f.acl.Tags)
	for _, claim := range claims {
		if claim.UID == f.self.UID && claim.ClusterID == f.self.ClusterID {
			return problem.Wait(v1alpha1.ReasonHolder, "network ACL %s still has entries or tags of an earlier run of this object, which the status does not record: this run begins when a sweep has removed them, some minutes after %s. To remove them sooner: kubectl agentdisconnect sweep --uid %s --apply",
				f.acl.ID, problem.FormatTime(claim.Expires), claim.UID)
		}
		if claim.ClusterID != f.self.ClusterID && f.now.Before(claim.Expires) {
			return problem.Wait(v1alpha1.ReasonHolder, "%s of another Kubernetes cluster (%s) holds network ACL %s until %s: this run begins when that one is over",
				claim.Owner, claim.ClusterID, f.acl.ID, problem.FormatTime(claim.Expires))
		}
	}
	return nil
}

// ownerOf names the object that a clone is of, by the tags on it.
func ownerOf(tags map[string]string, uid string) string {
	claims, _ := ownership.ParseClaims(tags)
	for _, claim := range claims {
		if claim.UID == uid {
			return claim.Owner
		}
	}
	return ""
}

// checkForeignClones makes a run in place wait for clones of the network ACL, and one with a clone
// for those of its own subnet.
func checkForeignClones(f *Findings) error {
	for _, clone := range f.foreign {
		held := f.Reservation()
		held.SubnetID, held.Mode = clone.subnetID, v1alpha1.NetworkACLModeClone
		if held.ConflictsWith(f.Reservation()) {
			return problem.Wait(v1alpha1.ReasonHolder, "%s of another Kubernetes cluster (%s) has subnet %s on clone %s of network ACL %s until %s: this run begins when that one is over",
				clone.claim.Owner, clone.claim.ClusterID, clone.subnetID, clone.id, f.acl.ID, problem.FormatTime(clone.claim.Expires))
		}
	}
	return nil
}

// checkOriginal makes sure that a clone of the network ACL as it is now may be put into service.
func checkOriginal(f *Findings) error {
	return cmp.Or(f.mode.checkSettled(f), f.mode.checkAgentsPass(f))
}

// checkRules refuses a run without a rule of its own: entries of third parties deny every address
// already, so that nothing that agents do would be the run's work.
func checkRules(f *Findings, rules []v1alpha1.Rule) error {
	if len(rules) > 0 || len(f.denied()) == 0 {
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonAlreadyDenied, "network ACL %s already denies all %s (%s): the run would create no rule, and the agents would be disconnected without it. Remove the entries that deny them, or choose another subnet",
		f.acl.ID, conditions.DescribeEndpoints(f.object.Status.Endpoints), denyingEntries(f.acl.Entries, f.denied()))
}

// denyingEntries names the entries that deny destinations, the first few.
func denyingEntries(entries []networkacl.Entry, destinations []networkacl.Destination) string {
	var by []networkacl.Entry
	for _, d := range destinations {
		entry := networkacl.Evaluate(entries, d).Entry
		if !slices.ContainsFunc(by, entry.Equal) {
			by = append(by, entry)
		}
	}

	slices.SortFunc(by, func(a, b networkacl.Entry) int { return int(a.Number - b.Number) })
	var names []string
	for _, entry := range by {
		if entry.Number > networkacl.LastNumber {
			names = append(names, "the default entry, since no other entry allows them")
			continue
		}
		names = append(names, entry.String())
	}

	const most = 3
	if len(names) > most {
		names = append(names[:most], "and others")
	}
	return strings.Join(names, ", ")
}
