// SPDX-License-Identifier: Apache-2.0

package ownership_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

const (
	uid        = "7b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11"
	otherUID   = "1b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11"
	clusterUID = "e5b8a1de-3f0c-4be2-8e0b-6a4d5a5b6c7d"
	baseKey    = "agentdisconnect.dev/" + uid
)

// began is when the run of ownership did.
var began = now.Add(-10 * time.Minute)

func ownershipOf(rules ...v1alpha1.Rule) ownership.Ownership {
	return ownership.Ownership{UID: uid, Owner: "team-a/outage", ClusterID: clusterUID, Started: began, Expires: now, Rules: rules}
}

func TestTagsOfOneRule(t *testing.T) {
	g := NewWithT(t)
	tags := ownershipOf(Rule(80, "52.119.223.69/32", creating)).Tags()
	g.Expect(tags).To(HaveLen(2))
	g.Expect(tags).To(HaveKeyWithValue(baseKey+"/owner", "team-a/outage"))
	g.Expect(tags[baseKey]).To(MatchRegexp(`^v1 2026-01-02T02:54:05Z 2026-01-02T03:04:05Z ` + clusterUID + ` 1:[\w-]{6} 80:[\w-]{6}$`))

	claims, malformed := ownership.ParseClaims(tags)
	g.Expect(malformed).To(BeEmpty())
	g.Expect(claims).To(HaveLen(1))
	claim := claims[0]
	g.Expect(claim.Owns(DenyOut(80, "52.119.223.69/32"))).To(BeTrue())
	g.Expect(claim.Covers(v1alpha1.Rule{NetworkACLID: "acl-00000000", RuleNumber: 80, CIDR: "52.119.223.69/32", State: deleting, Hostname: "x"})).
		To(BeTrue(), "of the entry alone")
	for _, e := range []networkacl.Entry{
		DenyOut(81, "52.119.223.69/32"), DenyOut(80, "52.119.223.70/32"), AllowOut(80, "52.119.223.69/32"),
		Ingress(DenyOut(80, "52.119.223.69/32")), TCP(DenyOut(80, "52.119.223.69/32"), 443, 443),
	} {
		g.Expect(claim.Owns(e)).To(BeFalse(), "%v", e)
	}
}

func manyRules(n int) []v1alpha1.Rule {
	var rules []v1alpha1.Rule
	for i := range n {
		rules = append(rules, Rule(networkacl.LastNumber-int32(i), fmt.Sprintf("2001:db8::%x/128", i), installed))
	}
	return rules
}

func TestTheLargestLedgerFits(t *testing.T) {
	g := NewWithT(t)
	o := ownershipOf(manyRules(v1alpha1.MaxRules)...)
	o.ClusterID = strings.Repeat("x", 300)
	o.Owner = strings.Repeat("n", 63) + "/" + strings.Repeat("o", 253)
	tags := o.Tags()
	g.Expect(slices.Collect(maps.Keys(tags))).To(ConsistOf(ownership.TagKeys(uid)))
	g.Expect(ownership.Covered(tags, o)).To(BeTrue())
	claims, malformed := ownership.ParseClaims(tags)
	g.Expect(malformed).To(BeEmpty())
	g.Expect(claims[0].Rules).To(HaveLen(v1alpha1.MaxRules))
	g.Expect(claims[0].Owner).To(HaveLen(256))
}

// However the words fall, none is cut and no value is too long.
func TestValuesAreFilledToTheBrim(t *testing.T) {
	g := NewWithT(t)
	longest := 0
	for length := range 64 {
		o := ownershipOf(manyRules(40)...)
		o.ClusterID = strings.Repeat("x", length+1)
		tags := o.Tags()
		for _, value := range tags {
			longest = max(longest, len(value))
		}
		g.Expect(ownership.Covered(tags, o)).To(BeTrue())
	}
	g.Expect(longest).To(Equal(256))
}

func TestALargerLedgerIsNeverTakenForWhole(t *testing.T) {
	g := NewWithT(t)
	o := ownershipOf(manyRules(200)...)
	g.Expect(ownership.Covered(o.Tags(), o)).To(BeFalse())
	claims, malformed := ownership.ParseClaims(o.Tags())
	g.Expect(claims).To(BeEmpty())
	g.Expect(malformed).To(Equal([]string{baseKey}))
}

func ruleGen() *rapid.Generator[v1alpha1.Rule] {
	return rapid.Custom(func(t *rapid.T) v1alpha1.Rule {
		number := rapid.Int32Range(networkacl.FirstNumber, networkacl.LastNumber)
		return Rule(number.Draw(t, "number"), RangeGen().Draw(t, "range").String(), rapid.SampledFrom([]v1alpha1.RuleState{creating, installed, deleting}).Draw(t, "state"))
	})
}

func ownershipGen() *rapid.Generator[ownership.Ownership] {
	return rapid.Custom(func(t *rapid.T) ownership.Ownership {
		return ownership.Ownership{
			UID:       rapid.SampledFrom([]string{uid, otherUID}).Draw(t, "uid"),
			Owner:     rapid.StringMatching(`[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}`).Draw(t, "owner"),
			ClusterID: rapid.OneOf(rapid.StringMatching(`[0-9a-f-]{1,36}`), rapid.String()).Draw(t, "cluster"),
			Started:   began.Add(-time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "earlier"))),
			Expires:   now.Add(time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "later"))),
			Rules:     rapid.SliceOfNDistinct(ruleGen(), 0, v1alpha1.MaxRules, func(r v1alpha1.Rule) int32 { return r.RuleNumber }).Draw(t, "rules"),
		}
	})
}

func TestTagsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		o := ownershipGen().Draw(t, "ownership")
		tags := o.Tags()
		for key, value := range tags {
			g.Expect(key).To(MatchRegexp(`^[A-Za-z0-9+=._:/@-]{1,128}$`))
			g.Expect(value).To(MatchRegexp(`^[A-Za-z0-9 +=._:/@-]{1,256}$`))
			g.Expect(ownership.TagKeys(o.UID)).To(ContainElement(key))
		}
		mixed := o
		mixed.Rules = Shuffled(t, o.Rules, "mixed")
		g.Expect(mixed.Tags()).To(Equal(tags))

		g.Expect(ownership.Covered(tags, o)).To(BeTrue())
		claims, malformed := ownership.ParseClaims(tags)
		g.Expect(malformed).To(BeEmpty())
		g.Expect(claims).To(HaveLen(1))
		claim := claims[0]
		g.Expect(claim.UID).To(Equal(o.UID))
		g.Expect(strings.HasPrefix(o.Owner, claim.Owner)).To(BeTrue())
		g.Expect(claim.Owner).To(HaveLen(min(len(o.Owner), 256)))
		g.Expect(claim.Started).To(Equal(o.Started.Truncate(time.Second)))
		g.Expect(claim.Expires).To(Equal(o.Expires.Truncate(time.Second)))
		g.Expect(claim.Rules).To(HaveLen(len(o.Rules)))
		for _, r := range o.Rules {
			g.Expect(claim.Covers(r)).To(BeTrue())
		}
		another := ruleGen().Draw(t, "another rule")
		owned := slices.ContainsFunc(o.Rules, func(r v1alpha1.Rule) bool { return EntryOf(r).Equal(EntryOf(another)) })
		g.Expect(claim.Covers(another)).To(Equal(owned))
	})
}

func TestCovered(t *testing.T) {
	one, two := Rule(80, "10.0.0.1/32", installed), Rule(90, "10.0.0.2/32", creating)
	tags := ownershipOf(one, two).Tags()
	for name, tc := range map[string]struct {
		change func(*ownership.Ownership)
		want   bool
	}{
		"the same":                    {func(*ownership.Ownership) {}, true},
		"part of a second":            {func(o *ownership.Ownership) { o.Expires = now.Add(time.Second - 1) }, true},
		"another zone":                {func(o *ownership.Ownership) { o.Expires = now.In(time.FixedZone("", 3600)) }, true},
		"fewer rules":                 {func(o *ownership.Ownership) { o.Rules = o.Rules[:1] }, false},
		"no rules":                    {func(o *ownership.Ownership) { o.Rules = nil }, false},
		"other states and host names": {func(o *ownership.Ownership) { o.Rules[0].State, o.Rules[0].Hostname = deleting, "x" }, true},
		"one more": {func(o *ownership.Ownership) {
			o.Rules = append(o.Rules, Rule(81, "10.0.0.3/32", creating))
		}, false},
		"the same number, another range": {func(o *ownership.Ownership) { o.Rules[0].CIDR = "10.0.0.9/32" }, false},
		"another number":                 {func(o *ownership.Ownership) { o.Rules[0].RuleNumber = 81 }, false},
		"later":                          {func(o *ownership.Ownership) { o.Expires = now.Add(time.Second) }, false},
		"begun later":                    {func(o *ownership.Ownership) { o.Started = began.Add(time.Second) }, false},
		"another cluster":                {func(o *ownership.Ownership) { o.ClusterID = otherUID }, false},
		"another owner":                  {func(o *ownership.Ownership) { o.Owner = "team-b/outage" }, false},
		"another run":                    {func(o *ownership.Ownership) { o.UID = otherUID }, false},
	} {
		o := ownershipOf(one, two)
		tc.change(&o)
		NewWithT(t).Expect(ownership.Covered(tags, o)).To(Equal(tc.want), name)
	}
}

func TestTagRoom(t *testing.T) {
	g := NewWithT(t)
	o := ownershipOf(Rule(80, "10.0.0.1/32", installed))
	clone := map[string]string{ownership.TagClone: "x", ownership.TagOriginal: "acl-1"}
	g.Expect(ownership.TagRoom(nil, o, nil)).To(Equal(48))
	g.Expect(ownership.TagRoom(o.Tags(), o, nil)).To(Equal(48), "rewritten")
	g.Expect(ownership.TagRoom(nil, o, clone)).To(Equal(46))
	tags := map[string]string{"aws:a": "", "aws:b": ""}
	for i := range 48 {
		tags[fmt.Sprintf("tag-%d", i)] = ""
	}
	untouched := maps.Clone(tags)
	g.Expect(ownership.TagRoom(tags, o, nil)).To(Equal(0))
	g.Expect(ownership.TagRoom(tags, o, clone)).To(Equal(-2))
	g.Expect(tags).To(Equal(untouched))
}

func TestManagedBy(t *testing.T) {
	for _, tc := range []struct {
		key, value, want string
	}{
		{"managedByFIS", "EXP123", "AWS Fault Injection Service"},
		{"managedByFIS", "", "AWS Fault Injection Service"},
		{"FMManaged", "true", "AWS Firewall Manager"},
		{"FMManaged", "", "AWS Firewall Manager"},
		{"FMManaged", "false", ""},
		{"fmmanaged", "true", ""},
		{"Name", "managedByFIS", ""},
	} {
		who, managed := ownership.ManagedBy(map[string]string{"Name": "x", tc.key: tc.value})
		NewWithT(t).Expect(who).To(Equal(tc.want), tc.key+"="+tc.value)
		NewWithT(t).Expect(managed).To(Equal(tc.want != ""))
	}
}
