// SPDX-License-Identifier: Apache-2.0

package iam_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
)

const (
	anACL   = "arn:aws:ec2:ap-northeast-1:123456789012:network-acl/acl-1"
	anyACL  = "arn:aws:ec2:ap-northeast-1:123456789012:network-acl/*"
	anEntry = "ec2:CreateNetworkAclEntry"
)

func parse(g *WithT, text string) *iam.Policy {
	p, err := iam.Parse([]byte(text))
	g.Expect(err).NotTo(HaveOccurred(), text)
	return p
}

// allowing is a policy of one statement with a condition; empty: none.
func allowing(condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"` + anEntry + `","Resource":"` + anyACL + `"` + condition + `}}`
}

// What AWS documents of each operator, for keys that a request has and for those that it hasn't.
func TestConditions(t *testing.T) {
	tag := func(values ...string) iam.Keys { return iam.Keys{}.With("aws:ResourceTag/team", values...) }
	named := func(values ...string) iam.Keys { return iam.Keys{}.With("aws:TagKeys", values...) }
	vpc := func(id string) iam.Keys { return iam.Keys{}.With("ec2:Vpc", "arn:aws:ec2:r:1:vpc/"+id) }
	for _, tc := range []struct {
		condition string
		keys      iam.Keys
		want      bool
	}{
		{``, nil, true},
		{`{"StringEquals":{"aws:ResourceTag/team":"a"}}`, tag("a"), true},
		{`{"StringEquals":{"AWS:resourcetag/TEAM":"a"}}`, tag("a"), true},
		{`{"StringEquals":{"aws:ResourceTag/team":"a"}}`, tag("A"), false},
		{`{"StringEquals":{"aws:ResourceTag/team":"a"}}`, nil, false},
		{`{"StringEquals":{"aws:ResourceTag/team":["a","b"]}}`, tag("b"), true},
		{`{"StringEqualsIfExists":{"aws:ResourceTag/team":"a"}}`, nil, true},
		{`{"StringEqualsIfExists":{"aws:ResourceTag/team":"a"}}`, tag("b"), false},
		{`{"StringEqualsIgnoreCaseIfExists":{"aws:ResourceTag/team":"false"}}`, tag("FALSE"), true},
		{`{"StringEqualsIgnoreCase":{"aws:ResourceTag/team":"a"}}`, tag("A"), true},
		{`{"StringNotEquals":{"aws:ResourceTag/team":"a"}}`, nil, true},
		{`{"StringNotEquals":{"aws:ResourceTag/team":["a","b"]}}`, tag("b"), false},
		{`{"StringNotEqualsIgnoreCase":{"aws:ResourceTag/team":"a"}}`, tag("A"), false},
		{`{"StringLike":{"aws:ResourceTag/team":"a*d?"}}`, tag("abcde"), true},
		{`{"StringLike":{"aws:ResourceTag/team":"a*d?"}}`, tag("abcd"), false},
		{`{"StringNotLike":{"aws:ResourceTag/team":"a*"}}`, tag("b"), true},
		{`{"Null":{"aws:ResourceTag/team":"true"}}`, nil, true},
		{`{"Null":{"aws:ResourceTag/team":"true"}}`, tag("a"), false},
		{`{"Null":{"aws:ResourceTag/team":"false"}}`, tag(""), true},
		{`{"Null":{"aws:ResourceTag/team":"false"}}`, nil, false},
		{`{"ArnEquals":{"ec2:Vpc":"arn:aws:ec2:r:1:vpc/vpc-1"}}`, vpc("vpc-1"), true},
		{`{"ArnEquals":{"ec2:Vpc":"arn:aws:ec2:r:1:vpc/vpc-1"}}`, vpc("vpc-2"), false},
		{`{"ArnLike":{"ec2:Vpc":"arn:aws:ec2:*:1:vpc/*"}}`, vpc("vpc-2"), true},
		{`{"ArnLike":{"ec2:Vpc":"arn:*:vpc/vpc-1"}}`, vpc("vpc-1"), false},
		{`{"ArnNotEquals":{"ec2:Vpc":"arn:aws:ec2:r:1:vpc/vpc-1"}}`, vpc("vpc-2"), true},
		{`{"Bool":{"aws:SecureTransport":"true"}}`, iam.Keys{}.With("aws:SecureTransport", "True"), true},
		{`{"ForAllValues:StringLike":{"aws:TagKeys":["a/*","b"]}}`, named("a/1", "b"), true},
		{`{"ForAllValues:StringLike":{"aws:TagKeys":["a/*","b"]}}`, named("a/1", "c"), false},
		{`{"ForAllValues:StringLike":{"aws:TagKeys":"a"}}`, nil, true},
		{`{"ForAllValues:StringNotEquals":{"aws:TagKeys":"a"}}`, named("b", "a"), false},
		{`{"ForAllValues:StringNotEquals":{"aws:TagKeys":"a"}}`, named("b", "c"), true},
		{`{"ForAnyValue:StringEquals":{"aws:TagKeys":"a"}}`, named("b", "a"), true},
		{`{"ForAnyValue:StringEquals":{"aws:TagKeys":"a"}}`, named("b"), false},
		{`{"ForAnyValue:StringEquals":{"aws:TagKeys":"a"}}`, nil, false},
		{`{"StringEquals":{"aws:ResourceTag/team":"a"},"Null":{"aws:TagKeys":"false"}}`, tag("a"), false},
		{`{"StringEquals":{"aws:ResourceTag/team":"a"},"Null":{"aws:TagKeys":"false"}}`, tag("a").With("aws:TagKeys", "x"), true},
	} {
		t.Run(fmt.Sprint(tc.condition, tc.keys), func(t *testing.T) {
			g := NewWithT(t)
			want := map[bool]iam.Decision{true: iam.Allow, false: iam.ImplicitDeny}[tc.want]
			g.Expect(iam.Decide([]*iam.Policy{parse(g, allowing(tc.condition))}, iam.Request{Action: anEntry, Resource: anACL, Keys: tc.keys})).To(Equal(want))
		})
	}
}

func TestDecisions(t *testing.T) {
	g := NewWithT(t)
	allow := parse(g, allowing(""))
	deny := parse(g, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ec2:Create*","Resource":"*","Condition":{"Null":{"aws:ResourceTag/ours":"true"}}}]}`)
	ask := func(action, resource string, keys iam.Keys, policies ...*iam.Policy) iam.Decision {
		return iam.Decide(policies, iam.Request{Action: action, Resource: resource, Keys: keys})
	}
	g.Expect(ask(anEntry, anACL, nil)).To(Equal(iam.ImplicitDeny), "no policy")
	g.Expect(ask("EC2:createnetworkaclentry", anACL, nil, allow)).To(Equal(iam.Allow), "actions have no case")
	g.Expect(ask("ec2:DeleteNetworkAclEntry", anACL, nil, allow)).To(Equal(iam.ImplicitDeny))
	g.Expect(ask(anEntry, "arn:aws:ec2:ap-northeast-1:123456789012:subnet/subnet-1", nil, allow)).To(Equal(iam.ImplicitDeny))
	g.Expect(ask(anEntry, "*", nil, allow)).To(Equal(iam.ImplicitDeny))
	g.Expect(ask(anEntry, anACL, nil, allow, deny)).To(Equal(iam.ExplicitDeny), "whatever the order")
	g.Expect(ask(anEntry, anACL, nil, deny, allow)).To(Equal(iam.ExplicitDeny))
	g.Expect(ask(anEntry, anACL, iam.Keys{}.With("aws:ResourceTag/ours", "x"), deny, allow)).To(Equal(iam.Allow))
}

// A document that means more than this package knows is refused: to leave a part out would be to judge by another policy.
func TestDocumentsThatAreRefused(t *testing.T) {
	statement := func(text string) string {
		return `{"Version":"2012-10-17","Statement":[{"Sid":"One","Effect":"Allow",` + text + `}]}`
	}
	const known = `"Action":"ec2:*","Resource":"*"`
	for text, why := range map[string]string{
		`{}`: "Version is \"\"",
		`{"Version":"2008-10-17","Statement":[]}`:                                                                                      "write 2012-10-17",
		`{"Version":"2012-10-17","Statement":[]}`:                                                                                      "no statement",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}`:                                                                    "lacks an Action",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Maybe",` + known + `}]}`:                                                      "write Allow or Deny",
		statement(`"NotAction":"ec2:*","Resource":"*"`):                                                                                `"NotAction"`,
		statement(`"Action":"ec2:*","NotResource":"*"`):                                                                                `"NotResource"`,
		statement(known + `,"Principal":"*"`):                                                                                          `"Principal"`,
		statement(`"Action":"ec2","Resource":"*"`):                                                                                     "is no action",
		statement(`"Action":"ec2:*","Resource":"acl-1"`):                                                                               "is no ARN",
		statement(`"Action":"ec2:*","Resource":"arn:aws:ec2:r:1:${aws:username}"`):                                                     "policy variables",
		statement(known + `,"Condition":{"NumericLessThan":{"a":"1"}}`):                                                                "NumericLessThan is not known",
		statement(known + `,"Condition":{"ForSomeValues:StringLike":{"a":"1"}}`):                                                       "ForSomeValues:StringLike is not known",
		statement(known + `,"Condition":{"NullIfExists":{"a":"true"}}`):                                                                "NullIfExists is not known",
		statement(known + `,"Condition":{"Null":{"a":"yes"}}`):                                                                         "takes true or false",
		statement(known + `,"Condition":{"StringEquals":{"a":[]}}`):                                                                    "has no value",
		statement(known + `,"Condition":{"StringEquals":{"a":"${aws:userid}"}}`):                                                       "policy variables",
		`{"Version":"2012-10-17","Statement":[{"Sid":"a b","Effect":"Allow",` + known + `}]}`:                                          "letters and digits",
		`{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow",` + known + `},{"Sid":"A","Effect":"Allow",` + known + `}]}`: "statement 2 (A): the Sid",
	} {
		t.Run(why, func(t *testing.T) {
			_, err := iam.Parse([]byte(text))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(why)))
		})
	}
}
