// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

// takesTwoReads reports whether a clone's disposition comes only after two reads: where denies are
// taken off one that stays, and where its original is gone.
func takesTwoReads(disposition removal.Disposition, original *networkacl.ACL, problem string) bool {
	switch disposition {
	case removal.Leave:
		return false
	case removal.Delete:
		return original == nil
	default:
		return problem != ""
	}
}

// dispositionFor decides what becomes of a clone, given its claim and the original; nil: it is
// gone. The problem says why it isn't undone wholly and what to do; empty: it is.
func dispositionFor(clone *networkacl.ACL, claim ownership.Claim, original *networkacl.ACL) (disposition removal.Disposition, problem string) {
	if problem = explainUnproven(clone, claim, original); problem != "" {
		return removal.Leave, problem
	}

	id, originalID := clone.ID, clone.Tags[ownership.TagOriginal]
	disposition = removal.DispositionOf(clone, original, clone.Tags[ownership.TagSubnet], !isUnedited(clone, claim, original))
	switch {
	case disposition == removal.InUse, disposition == removal.Return && len(clone.SubnetIDs) > 1:
		problem = explainInUse(clone)
	case disposition == removal.Adopt:
		problem = fmt.Sprintf("network ACL %s, the original of clone %s, was deleted: the clone stays as the network ACL of %s, without the run's rules", originalID, id, strings.Join(clone.SubnetIDs, ", "))
	case disposition == removal.Edited:
		problem = fmt.Sprintf("a third party edited clone %s while it served: the run's denies are removed, and the clone stays. Make the same change to %s if it is needed, associate the subnets with their own network ACL again (%s), and delete the clone (aws ec2 delete-network-acl --network-acl-id %s)",
			id, originalID, moveCommand(clone, originalID, clone.SubnetIDs), id)
	}
	return disposition, problem
}

// explainUnproven says why the tags of a network ACL do not prove it, or all of it, to be the clone
// of a run, and what to do; empty: they do. The controller needs no such proof for one that serves
// no subnet: the ledger has its id, and whatever is in it goes with it.
func explainUnproven(clone *networkacl.ACL, claim ownership.Claim, original *networkacl.ACL) string {
	id, originalID := clone.ID, clone.Tags[ownership.TagOriginal]
	switch {
	case clone.Default:
		return fmt.Sprintf("network ACL %s is its VPC's default one, which is no clone: a third party copied the tags. Remove the tags that begin with %s", id, ownership.TagDomain)
	case originalID == "" || clone.Tags[ownership.TagSubnet] == "":
		return fmt.Sprintf("clone %s lacks one of the tags %s and %s, which a third party removed: restore it, then sweep again", id, ownership.TagOriginal, ownership.TagSubnet)
	case originalID == id, original != nil && original.VPCID != clone.VPCID:
		return fmt.Sprintf("the tag %s of clone %s names %s, which is not possible: correct the tag, then sweep again", ownership.TagOriginal, id, originalID)
	case len(clone.SubnetIDs) == 0 && !accountedFor(clone, claim, original):
		return fmt.Sprintf("network ACL %s serves no subnet, and has rules that its tags do not name: check them, and delete the network ACL if it is not needed (aws ec2 delete-network-acl --network-acl-id %s)", id, id)
	}
	return ""
}

// explainInUse says that subnets have a clone that it was not made for.
func explainInUse(clone *networkacl.ACL) string {
	others := without(clone.SubnetIDs, clone.Tags[ownership.TagSubnet])
	return fmt.Sprintf("clone %s is in use by %s, which it was not created for: associate another network ACL (%s), then sweep again",
		clone.ID, strings.Join(others, ", "), moveCommand(clone, "ACL", others))
}

// moveCommand is the command that gives subnets another network ACL.
func moveCommand(clone *networkacl.ACL, to string, subnets []string) string {
	var commands []string
	for _, subnet := range subnets {
		commands = append(commands, fmt.Sprintf("aws ec2 replace-network-acl-association --association-id %s --network-acl-id %s", clone.Associations[subnet], to))
	}
	return strings.Join(commands, "; ")
}

// explainUnclaimed says what to do with a clone whose claim can't be read.
func explainUnclaimed(acl *networkacl.ACL) string {
	if len(acl.SubnetIDs) == 0 {
		return fmt.Sprintf("clone %s has no tag that names the run's entries. It serves no subnet: check its rules, and delete it if it is not needed (aws ec2 delete-network-acl --network-acl-id %s)", acl.ID, acl.ID)
	}
	return fmt.Sprintf("clone %s has no tag that names the run's entries, and it serves %s: associate the subnets with their own network ACL again (%s), then delete it (aws ec2 delete-network-acl --network-acl-id %s)",
		acl.ID, strings.Join(acl.SubnetIDs, ", "), moveCommand(acl, cmp.Or(acl.Tags[ownership.TagOriginal], "ACL"), acl.SubnetIDs), acl.ID)
}

// explainStripped says what to do with a network ACL that has tags of a clone, and none that says
// that it is this run's; empty: it has no such tags, or is adopted.
func explainStripped(acl *networkacl.ACL, uid string) string {
	if _, adopted := acl.Tags[ownership.TagAdopted]; adopted {
		return ""
	}
	for _, key := range []string{ownership.TagOriginal, ownership.TagSubnet, ownership.TagCopies, ownership.TagCluster} {
		if _, there := acl.Tags[key]; there {
			return fmt.Sprintf("network ACL %s has the tag %s of a clone, but not the tag that names its run: if it is a clone of this run, restore that tag (aws ec2 create-tags --resources %s --tags Key=%s,Value=%s) and sweep again; else remove the tag",
				acl.ID, key, acl.ID, ownership.TagClone, cmp.Or(uid, "UID"))
		}
	}
	return ""
}

// isUnedited reports whether a clone that serves has what its run gave it, and beside the denies
// nothing else.
func isUnedited(clone *networkacl.ACL, claim ownership.Claim, original *networkacl.ACL) bool {
	rest := unclaimedEntries(clone, claim)
	if copies := clone.Tags[ownership.TagCopies]; copies != "" && ownership.HashOf(rest) == copies {
		return true
	}
	// A change of the original was carried over, and the tag not yet written.
	return original != nil && len(rest) == len(unclaimedEntries(original, ownership.Claim{})) && areCopiesOf(rest, unclaimedEntries(original, ownership.Claim{}))
}

// accountedFor reports whether all of a clone that serves no subnet is the run's, one that was
// never finished included.
func accountedFor(clone *networkacl.ACL, claim ownership.Claim, original *networkacl.ACL) bool {
	rest := unclaimedEntries(clone, claim)
	return len(rest) == 0 || isUnedited(clone, claim, original) || original != nil && areCopiesOf(rest, unclaimedEntries(original, ownership.Claim{}))
}

// unclaimedEntries are the entries of a network ACL that are neither claimed nor AWS's own, in its
// order.
func unclaimedEntries(acl *networkacl.ACL, claim ownership.Claim) []networkacl.Entry {
	return slices.DeleteFunc(slices.Clone(acl.Entries), func(e networkacl.Entry) bool { return e.Number > networkacl.LastNumber || claim.Owns(e) })
}

// areCopiesOf reports whether entries are copies of some of the original's, in the same order.
// Outbound ones may have other numbers.
func areCopiesOf(copies, original []networkacl.Entry) bool {
	for _, c := range copies {
		i := slices.IndexFunc(original, func(e networkacl.Entry) bool {
			if e.Egress && c.Egress {
				e.Number = c.Number
			}
			return e.Equal(c)
		})
		if i < 0 {
			return false
		}
		original = original[i+1:]
	}
	return true
}

func without(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == one })
}
