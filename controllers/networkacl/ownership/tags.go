// SPDX-License-Identifier: Apache-2.0

package ownership

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// Keys of the tags that a network ACL carries. Beside them a run has keys of its own: see
// Ownership.Tags.
const (
	// TagDomain is the prefix of every key of the product.
	TagDomain = "agentdisconnect.dev/"
	// TagClone is on every clone, from its creation on: the fixed key that IAM conditions rest on.
	TagClone = TagDomain + "clone"
	// TagCluster has the Kubernetes cluster's id on every clone, under a fixed key: IAM conditions
	// can keep the managers of several clusters from each other's clones.
	TagCluster = TagDomain + "cluster"
	// TagAdopted is on a clone that stays as its subnet's network ACL.
	TagAdopted = TagDomain + "adopted"
	// TagOriginal says which network ACL a clone is a copy of.
	TagOriginal = TagDomain + "original"
	// TagSubnet says which subnet a clone is for.
	TagSubnet = TagDomain + "subnet"
	// TagCopies has a hash of what a clone was given beside its denies: other contents are
	// a third party's edit.
	TagCopies = TagDomain + "copies"
)

const (
	// MaxTags is how many tags AWS lets a resource have. Its own, which begin with aws:, don't
	// count.
	MaxTags = 50
	// maxTagValue is how many characters a tag's value holds.
	maxTagValue = 256
	// maxClusterID keeps the first value from overflowing: the cluster's id is a UUID, of 36
	// characters.
	maxClusterID = 64
	// maxTagParts is how many values a ledger of v1alpha1.MaxRules lines takes at most.
	maxTagParts = 5

	tagVersion = "v1"
	hashLength = 6
)

// Ownership is what the tags of a network ACL say of one run, so that a person without the cluster
// can undo it.
type Ownership struct {
	// UID is the UID of the run's object, a UUID.
	UID string
	// Owner is the object, as namespace/name.
	Owner string
	// ClusterID tells the Kubernetes cluster that the object is in from others.
	ClusterID string
	// Started is when the run began, in whole seconds.
	Started time.Time
	// Expires is when the run ends, in whole seconds.
	Expires time.Time
	// Rules are the lines of the ledger whose entries the network ACL has or is to have.
	Rules []v1alpha1.Rule
}

// Tags gives the tags to write, the same whatever the order of the rules. The value of
// agentdisconnect.dev/<uid> is
//
//	v1 <started> <expires> <cluster> <rules>:<hash> <number>:<hash> <number>:<hash> …
//
// continued in agentdisconnect.dev/<uid>/2 and so on; times are as 2026-01-02T03:04:05Z. The first
// hash is of the list that follows, so that a part of another write shows; the others are of a
// rule's whole entry each. The owner is in agentdisconnect.dev/<uid>/owner.
func (o Ownership) Tags() map[string]string {
	rules := claimed(o.Rules)
	words := []string{
		tagVersion, o.Started.UTC().Format(time.RFC3339), o.Expires.UTC().Format(time.RFC3339), o.ClusterTag(),
		fmt.Sprintf("%d:%s", len(rules), hashOf(listOf(rules))),
	}

	for _, r := range rules {
		words = append(words, r.String())
	}

	tags := map[string]string{}
	if o.Owner != "" {
		tags[ownerKey(o.UID)] = tagWord(o.Owner, maxTagValue)
	}

	for i, value := range fill(words) {
		tags[partKey(o.UID, i+1)] = value
	}
	return tags
}

// ClusterTag gives the value of TagCluster: the id with every character that tags don't take
// replaced.
func (o Ownership) ClusterTag() string { return tagWord(o.ClusterID, maxClusterID) }

// CloneKeys are the fixed keys that a clone has beside the run's own.
func CloneKeys() []string { return []string{TagClone, TagCluster, TagOriginal, TagSubnet, TagCopies} }

// TagKeys are all keys that the tags of a run can have: removing them takes no read.
func TagKeys(uid string) []string {
	var keys []string
	for part := range maxTagParts {
		keys = append(keys, partKey(uid, part+1))
	}
	return append(keys, ownerKey(uid))
}

// TagRoom says how many more tags the network ACL can take when it has those of the run and more.
// Below zero: that many too few.
func TagRoom(tags map[string]string, o Ownership, more map[string]string) int {
	after := maps.Clone(tags)
	if after == nil {
		after = map[string]string{}
	}

	maps.Copy(after, o.Tags())
	maps.Copy(after, more)
	free := MaxTags
	for key := range after {
		if !strings.HasPrefix(key, "aws:") {
			free--
		}
	}
	return free
}

// ManagedBy says which service of AWS made the network ACL or keeps it as it is: no run may write
// to such a one.
func ManagedBy(tags map[string]string) (who string, managed bool) {
	if _, ok := tags["managedByFIS"]; ok {
		return "AWS Fault Injection Service", true
	}
	// Firewall Manager lets go of a network ACL whose tag doesn't say true. Other spellings may be
	// its as well.
	if value, ok := tags["FMManaged"]; ok && !strings.EqualFold(value, "false") {
		return "AWS Firewall Manager", true
	}
	return "", false
}

// partKey is the key of one part of a run's ledger, counted from 1.
func partKey(uid string, part int) string {
	if part == 1 {
		return TagDomain + uid
	}
	return TagDomain + uid + "/" + strconv.Itoa(part)
}

func ownerKey(uid string) string { return TagDomain + uid + "/owner" }

// fill puts the words into as few values as hold them, in order.
func fill(words []string) []string {
	values := []string{words[0]}
	for _, word := range words[1:] {
		last := &values[len(values)-1]
		if len(*last)+1+len(word) > maxTagValue {
			values = append(values, word)
		} else {
			*last += " " + word
		}
	}
	return values[:min(len(values), maxTagParts)]
}

// claimed gives the rules as tags have them: sorted, each once.
func claimed(rules []v1alpha1.Rule) []ClaimedRule {
	var out []ClaimedRule
	for _, r := range rules {
		out = append(out, ClaimedRule{Number: r.RuleNumber, Hash: hashOfEntry(networkacl.EntryOf(r))})
	}
	slices.SortFunc(out, ClaimedRule.compare)
	return slices.Compact(out)
}

func (r ClaimedRule) compare(o ClaimedRule) int {
	return cmp.Or(cmp.Compare(r.Number, o.Number), cmp.Compare(r.Hash, o.Hash))
}

// HashOf is a hash of entries, the same in any order, as the tag TagCopies has it. Defaults don't
// count.
func HashOf(entries []networkacl.Entry) string {
	var lines []string
	for _, e := range entries {
		if !e.IsDefault() {
			lines = append(lines, e.Line())
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func listOf(rules []ClaimedRule) string {
	var words []string
	for _, r := range rules {
		words = append(words, r.String())
	}
	return strings.Join(words, " ")
}

// hashOfEntry is of the whole entry. The network ACL's id isn't part of it: a clone's is unknown
// when its tags are made.
func hashOfEntry(e networkacl.Entry) string { return hashOf(e.Line()) }

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:hashLength]
}

// tagWord gives a text of which every character may stand in a tag, without spaces and never empty,
// cut to a length.
func tagWord(text string, length int) string {
	word := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("+-=._:/@", r) {
			return r
		}
		return '_'
	}, text)
	return cmp.Or(word, "_")[:min(max(len(word), 1), length)]
}
