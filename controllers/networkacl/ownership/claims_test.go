// SPDX-License-Identifier: Apache-2.0

package ownership_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// Whatever of a run's tags is missing, or is of an earlier write, shows: it is written again, and never half believed.
func TestTagsThatWereTamperedWithAreNoticed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		o := ownershipGen().Draw(t, "ownership")
		earlier := o
		earlier.Rules = rapid.SliceOfNDistinct(ruleGen(), 0, v1alpha1.MaxRules, func(r v1alpha1.Rule) int32 { return r.RuleNumber }).Draw(t, "earlier")
		tags, before := o.Tags(), earlier.Tags()
		whole, _ := ownership.ParseClaims(tags)
		for key := range tags {
			stripped := maps.Clone(tags)
			delete(stripped, key)
			g.Expect(ownership.Covered(stripped, o)).To(BeFalse(), key)
			claims, malformed := ownership.ParseClaims(stripped)
			if strings.HasSuffix(key, "/owner") {
				g.Expect(malformed).To(BeEmpty())
				g.Expect(claims[0].Rules).To(Equal(whole[0].Rules), "the owner's name is for people")
				g.Expect(claims[0].Owner).To(BeEmpty())
				continue
			}
			g.Expect(claims).To(BeEmpty())
			g.Expect(malformed).To(Equal([]string{key}))

			if value, ok := before[key]; ok && value != tags[key] && key != ownership.TagDomain+o.UID {
				stripped[key] = value
				claims, malformed = ownership.ParseClaims(stripped)
				g.Expect(claims).To(BeEmpty(), "a part of an earlier write")
				g.Expect(malformed).To(HaveLen(1))
			}
		}
		// What an earlier, longer list left over is not read.
		maps.Copy(before, tags)
		g.Expect(ownership.Covered(before, o)).To(BeTrue())
		claims, malformed := ownership.ParseClaims(before)
		g.Expect(claims).To(Equal(whole))
		g.Expect(malformed).To(BeEmpty())
	})
}

func TestParseClaimsOfTwoRunsAmongForeignTags(t *testing.T) {
	g := NewWithT(t)
	one, two := ownershipOf(Rule(80, "10.0.0.1/32", installed)), ownershipOf(Rule(81, "10.0.0.2/32", installed))
	two.UID = otherUID
	tags := map[string]string{
		"Name": "main", "aws:cloudformation:stack-name": "x", "agentdisconnect.dev": "x", "agentdisconnect.dev/": "x", "agentdisconnect.dev/allow": "true",
		ownership.TagClone: "x", ownership.TagAdopted: "x", ownership.TagOriginal: "acl-1", ownership.TagSubnet: "subnet-1", "x" + baseKey: "x",
		"agentdisconnect.devil/" + uid: "x", strings.ToUpper(baseKey): "x",
	}
	maps.Copy(tags, one.Tags())
	maps.Copy(tags, two.Tags())
	claims, malformed := ownership.ParseClaims(tags)
	g.Expect(malformed).To(BeEmpty())
	g.Expect(claims).To(HaveLen(2))
	g.Expect(claims[0].UID).To(Equal(otherUID))
	g.Expect(claims[1].Covers(one.Rules[0])).To(BeTrue())
	g.Expect(claims[1].Covers(two.Rules[0])).To(BeFalse())

	delete(tags, baseKey)
	tags[baseKey+"/x"], tags[baseKey+"/02"] = "", ""
	claims, malformed = ownership.ParseClaims(tags)
	g.Expect(claims).To(HaveLen(1), "one run's mess is not another's")
	g.Expect(malformed).To(Equal([]string{baseKey, baseKey + "/02", baseKey + "/x"}))
}

func TestParseClaimsNeverGuesses(t *testing.T) {
	good := ownershipOf(Rule(80, "10.0.0.1/32", installed)).Tags()[baseKey]
	words := strings.Split(good, " ")
	for name, value := range map[string]string{
		"nothing":               "",
		"another version":       strings.Replace(good, "v1", "v2", 1),
		"no start":              strings.Replace(good, "2026-01-02T02:54:05Z", "once", 1),
		"no end":                strings.Replace(good, "2026-01-02T03:04:05Z", "soon", 1),
		"one time alone":        strings.Replace(good, "2026-01-02T02:54:05Z ", "", 1),
		"a time with an offset": strings.Replace(good, "03:04:05Z", "03:04:05+00:00", 1),
		"a time with fractions": strings.Replace(good, "03:04:05Z", "03:04:05.5Z", 1),
		"no cluster":            strings.Replace(good, clusterUID, "", 1),
		"a rule more":           good + " 81:aaaaaa",
		"a rule less":           strings.Join(words[:5], " "),
		"another count":         strings.Replace(good, " 1:", " 2:", 1),
		"another rule":          strings.Replace(good, " 80:", " 81:", 1),
		"a zero in front":       strings.Replace(good, " 80:", " 080:", 1),
		"a space at the end":    good + " ",
		"a hash cut short":      good[:len(good)-1],
	} {
		claims, malformed := ownership.ParseClaims(map[string]string{baseKey: value})
		g := NewWithT(t)
		g.Expect(claims).To(BeEmpty(), name)
		g.Expect(malformed).To(HaveLen(1), name)
		g.Expect(malformed[0]).To(HavePrefix(baseKey), name)
	}
}

func FuzzParseClaims(f *testing.F) {
	whole := ownershipOf(manyRules(30)...).Tags()
	f.Add(baseKey, whole[baseKey], baseKey+"/2", whole[baseKey+"/2"])
	f.Add(baseKey, whole[baseKey], baseKey+"/owner", "a/b")
	f.Add(baseKey, "v1 2026-01-02T02:54:05Z 2026-01-02T03:04:05Z _ 0:47DEQp", baseKey+"/2", "")
	f.Add("agentdisconnect.dev/clone", "", baseKey+"/", "\x00")
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string) {
		g := NewWithT(t)
		tags := map[string]string{key1: value1, key2: value2}
		claims, malformed := ownership.ParseClaims(tags)
		g.Expect(slices.IsSorted(malformed)).To(BeTrue())
		for _, claim := range claims {
			// What is believed could have been written: the list is whole, and its first part is there.
			g.Expect(tags).To(HaveKey(ownership.TagDomain + claim.UID))
			g.Expect(malformed).NotTo(ContainElement(ownership.TagDomain + claim.UID))
			g.Expect(tags[ownership.TagDomain+claim.UID]).To(ContainSubstring(fmt.Sprintf(" %d:", len(claim.Rules))))
		}
	})
}

func TestMissingLines(t *testing.T) {
	g := NewWithT(t)
	one, two := Rule(80, "10.0.0.1/32", installed), Rule(81, "10.0.0.2/32", installed)
	o := ownershipOf(one, two)
	observed := []networkacl.Entry{EntryOf(one), EntryOf(two), DenyOut(82, "10.0.0.3/32")}
	one.NetworkACLID, two.NetworkACLID = ACLID, ACLID
	g.Expect(ownership.MissingLines(o.Tags(), o.UID, ACLID, []v1alpha1.Rule{one}, observed)).To(Equal([]v1alpha1.Rule{two}))
	g.Expect(ownership.MissingLines(o.Tags(), o.UID, ACLID, []v1alpha1.Rule{one, two}, observed)).To(BeEmpty())
	g.Expect(ownership.MissingLines(o.Tags(), o.UID, ACLID, nil, []networkacl.Entry{AllowOut(80, "10.0.0.1/32")})).To(BeEmpty())
	cut := o.Tags()
	cut[ownership.TagDomain+o.UID] = "v1"
	g.Expect(ownership.MissingLines(cut, o.UID, ACLID, nil, observed)).To(BeEmpty(), "what can't be read claims nothing")
}

func TestMissingLinesOfALedgerWithAnEditedLine(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*v1alpha1.Rule)
		lost bool
	}{
		"nothing":                      {func(*v1alpha1.Rule) {}, false},
		"another state":                {func(l *v1alpha1.Rule) { l.State = v1alpha1.RuleDeleting }, false},
		"released":                     {func(l *v1alpha1.Rule) { l.State = v1alpha1.RuleReleased }, false},
		"another range":                {func(l *v1alpha1.Rule) { l.CIDR = "10.0.0.0/8" }, true},
		"another address":              {func(l *v1alpha1.Rule) { l.CIDR = "10.0.0.9/32" }, true},
		"no range":                     {func(l *v1alpha1.Rule) { l.CIDR = "" }, true},
		"another number":               {func(l *v1alpha1.Rule) { l.RuleNumber = 99 }, true},
		"another network ACL":          {func(l *v1alpha1.Rule) { l.NetworkACLID = "acl-2" }, true},
		"released, then another range": {func(l *v1alpha1.Rule) { l.State, l.CIDR = v1alpha1.RuleReleased, "10.0.0.0/8" }, false},
	} {
		g := NewWithT(t)
		line := Rule(80, "10.0.0.1/32", installed)
		line.NetworkACLID = ACLID
		o, edited := ownershipOf(line), line
		tc.edit(&edited)
		lost := ownership.MissingLines(o.Tags(), o.UID, ACLID, []v1alpha1.Rule{edited}, []networkacl.Entry{EntryOf(line)})
		if tc.lost {
			g.Expect(lost).To(Equal([]v1alpha1.Rule{line}), name)
		} else {
			g.Expect(lost).To(BeEmpty(), name)
		}
	}
}

// A person who may tag a network ACL could else have the manager delete entries of any kind.
func TestAClaimIsToNoWiderRangeThanARunMayDeny(t *testing.T) {
	for cidr, owned := range map[string]bool{
		"10.0.0.1/32": true, "10.1.0.0/16": true, "10.0.0.0/15": false, "0.0.0.0/0": false,
		"2001:db8::1/128": true, "2001:db8::/48": true, "2001:db8::/47": false, "::/0": false,
	} {
		g := NewWithT(t)
		line := Rule(80, cidr, installed)
		claims, malformed := ownership.ParseClaims(ownershipOf(line).Tags())
		g.Expect(malformed).To(BeEmpty())
		g.Expect(claims[0].Covers(line)).To(Equal(owned), cidr)
	}
}

func TestClusterTagAndCloneKeys(t *testing.T) {
	g := NewWithT(t)
	for id, tag := range map[string]string{
		clusterUID: clusterUID, "": "_", "a b/c\u00e9": "a_b/c_", strings.Repeat("x", 300): strings.Repeat("x", 64),
	} {
		o := ownershipOf()
		o.ClusterID = id
		g.Expect(o.ClusterTag()).To(Equal(tag))
	}
	g.Expect(ownership.CloneKeys()).To(ConsistOf(ownership.TagClone, ownership.TagCluster, ownership.TagOriginal, ownership.TagSubnet, ownership.TagCopies))
}

func TestHashOf(t *testing.T) {
	g := NewWithT(t)
	one, two := AllowOut(1, "0.0.0.0/0"), DenyOut(2, "0.0.0.0/0")
	both := ownership.HashOf([]networkacl.Entry{one, two})
	g.Expect(ownership.HashOf([]networkacl.Entry{two, one})).To(Equal(both))
	g.Expect(ownership.HashOf([]networkacl.Entry{DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0"), one, two})).To(Equal(both))
	g.Expect(ownership.HashOf([]networkacl.Entry{one})).NotTo(Equal(both))
	g.Expect(ownership.HashOf(nil)).NotTo(Equal(ownership.HashOf([]networkacl.Entry{one})))
}
