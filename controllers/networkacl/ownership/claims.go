// SPDX-License-Identifier: Apache-2.0

package ownership

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// Claim is what the tags of a network ACL say of one run.
type Claim struct {
	UID string
	// Owner is the run's object, as namespace/name. Empty: the tag that names it was removed, or
	// written by another hand.
	Owner     string
	ClusterID string
	// Started and Expires are when the run began and when it ends.
	Started, Expires time.Time
	// Rules are in the order of the tags: by number.
	Rules []ClaimedRule
}

// ClaimedRule is an entry that a run owns: its number, and a few characters of a hash of all of it.
type ClaimedRule struct {
	Number int32
	Hash   string
}

// String is the rule as tags have it.
func (r ClaimedRule) String() string { return fmt.Sprintf("%d:%s", r.Number, r.Hash) }

// Covers reports whether the claim has the entry of a line of the ledger.
func (c Claim) Covers(line v1alpha1.Rule) bool { return c.Owns(networkacl.EntryOf(line)) }

// Owns reports whether the claim is to this entry: number and hash match the whole of it. A person
// who may tag a network ACL can write a claim to any entry; none but those of the shape that runs
// make are theirs.
func (c Claim) Owns(e networkacl.Entry) bool {
	return e.CIDR.Bits() >= widest(e.CIDR) && e.Equal(networkacl.Deny(e.Number, e.CIDR)) && slices.Contains(c.Rules, ClaimedRule{Number: e.Number, Hash: hashOfEntry(e)})
}

// MissingLines gives the entries of a network ACL that its tags claim for a run and that the run's
// ledger lacks, as lines of it: Installed, for they stand there. A line that was edited to name
// something else at an entry's number does not stand for it; one that was released at that number
// does, since the run gave the entry up.
func MissingLines(tags map[string]string, uid, aclID string, ledger []v1alpha1.Rule, observed []networkacl.Entry) []v1alpha1.Rule {
	claim, wrong := parseClaim(tags, uid)
	if wrong != "" {
		return nil
	}

	var lost []v1alpha1.Rule
	for _, e := range observed {
		line := v1alpha1.Rule{NetworkACLID: aclID, RuleNumber: e.Number, CIDR: e.CIDR.String(), State: v1alpha1.RuleInstalled}
		if claim.Owns(e) && !slices.ContainsFunc(ledger, func(l v1alpha1.Rule) bool { return accountsFor(l, line) }) {
			lost = append(lost, line)
		}
	}
	return lost
}

// accountsFor reports whether a line of the ledger says what became of the entry of another.
func accountsFor(line, other v1alpha1.Rule) bool {
	return line.NetworkACLID == other.NetworkACLID && line.RuleNumber == other.RuleNumber && (line.CIDR == other.CIDR || line.State == v1alpha1.RuleReleased)
}

// widest is the length of the widest prefix that a run may deny, as the API bounds the ranges of
// the spec.
func widest(cidr netip.Prefix) int {
	if networkacl.FamilyOf(cidr) == networkacl.IPv4 {
		return 16
	}
	return 48
}

// Covered reports whether the tags of a network ACL say what the run needs them to, and no more: an
// entry that they claim counts as the run's when its ledger is lost.
func Covered(tags map[string]string, o Ownership) bool {
	claim, wrong := parseClaim(tags, o.UID)
	if wrong != "" {
		return false
	}
	return claim.Owner == o.Tags()[ownerKey(o.UID)] && claim.ClusterID == o.ClusterTag() &&
		claim.Started.Equal(o.Started.Truncate(time.Second)) && claim.Expires.Equal(o.Expires.Truncate(time.Second)) && slices.Equal(claim.Rules, claimed(o.Rules))
}

var (
	// ourKey is a key that a run has, its UID first. Other keys of the domain belong to no run.
	ourKey = regexp.MustCompile(`^` + regexp.QuoteMeta(TagDomain) + `([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/.*)?$`)
	// The number of rules and of an entry, each with a hash.
	countedHash = regexp.MustCompile(`^(0|[1-9][0-9]{0,4}):([A-Za-z0-9_-]{6})$`)
)

// ParseClaims reads the claims of all runs from the tags of a network ACL, sorted by UID. Malformed
// names the run's keys that are missing or can't be read: nothing is claimed by such a run, and
// what it owns isn't known.
func ParseClaims(tags map[string]string) (claims []Claim, malformed []string) {
	uids := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		match := ourKey.FindStringSubmatch(key)
		if match == nil {
			continue
		}
		uids[match[1]] = true
		if !slices.Contains(TagKeys(match[1]), key) {
			malformed = append(malformed, key)
		}
	}

	for _, uid := range slices.Sorted(maps.Keys(uids)) {
		if claim, wrong := parseClaim(tags, uid); wrong != "" {
			malformed = append(malformed, wrong)
		} else {
			claims = append(claims, claim)
		}
	}

	slices.Sort(malformed)
	return claims, malformed
}

// parseClaim reads the claim of one run, or gives the key of the tag that is wrong.
func parseClaim(tags map[string]string, uid string) (claim Claim, wrong string) {
	base := partKey(uid, 1)
	words := strings.Split(tags[base], " ")
	if len(words) < 5 || words[0] != tagVersion {
		return Claim{}, base
	}

	started, begins := parseTime(words[1])
	expires, ends := parseTime(words[2])
	counted := countedHash.FindStringSubmatch(words[4])
	if !begins || !ends || counted == nil || words[3] != tagWord(words[3], maxClusterID) {
		return Claim{}, base
	}

	claim = Claim{UID: uid, ClusterID: words[3], Started: started, Expires: expires}
	if owner := tags[ownerKey(uid)]; owner == tagWord(owner, maxTagValue) { // people read it, on terminals too
		claim.Owner = owner
	}

	count, _ := strconv.Atoi(counted[1]) // at most five digits
	if claim.Rules, wrong = parseRules(tags, uid, words[5:], count); wrong != "" {
		return Claim{}, wrong
	}

	if hashOf(listOf(claim.Rules)) != counted[2] {
		return Claim{}, base
	}
	return claim, ""
}

// parseRules reads rules until there are as many as there should be, sorted, each once. Parts
// beyond that are of an earlier, longer list.
func parseRules(tags map[string]string, uid string, words []string, count int) (rules []ClaimedRule, wrong string) {
	for part := 1; ; part++ {
		key := partKey(uid, part)
		if part > 1 {
			words = strings.Split(tags[key], " ")
		}
		for _, word := range words {
			match := countedHash.FindStringSubmatch(word)
			if match == nil {
				return nil, key
			}
			rule := ClaimedRule{Number: networkacl.ParseInteger(match[1]), Hash: match[2]}
			if !networkacl.IsInRange(rule.Number, networkacl.FirstNumber, networkacl.LastNumber) || len(rules) > 0 && rules[len(rules)-1].compare(rule) >= 0 {
				return nil, key
			}
			rules = append(rules, rule)
		}
		switch {
		case len(rules) > count:
			return nil, key
		case len(rules) == count:
			return rules, ""
		case part == maxTagParts:
			return nil, partKey(uid, 1) // no ledger is as long as this
		}
	}
}

// parseTime reads a time that is written exactly as tags have it.
func parseTime(word string) (at time.Time, ok bool) {
	at, err := time.Parse(time.RFC3339, word)
	return at.UTC(), err == nil && at.UTC().Format(time.RFC3339) == word
}
