// SPDX-License-Identifier: Apache-2.0

package ec2acl_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

// replies answers each call with the next body, the last one again and again, without a network.
type replies struct {
	bodies [][]byte
	calls  int
}

func (r *replies) Do(*http.Request) (*http.Response, error) {
	body := r.bodies[min(r.calls, len(r.bodies)-1)]
	r.calls++
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"text/xml;charset=UTF-8"}},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

func answering(bodies ...[]byte) *ec2.Client {
	return ec2.NewFromConfig(awssdk.Config{
		Region: "ap-northeast-1", HTTPClient: &replies{bodies: bodies}, Retryer: func() awssdk.Retryer { return awssdk.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
	})
}

const emptyAnswer = `<DescribeNetworkAclsResponse><networkAclSet/></DescribeNetworkAclsResponse>`

// described is the answer of DescribeNetworkAcls with one network ACL.
func described(entries ...string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><DescribeNetworkAclsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><networkAclSet><item>` +
		`<networkAclId>` + ACLID + `</networkAclId><vpcId>vpc-1</vpcId><default>false</default><entrySet>` + strings.Join(entries, "") + `</entrySet>` +
		`<associationSet><item><networkAclAssociationId>aclassoc-1</networkAclAssociationId><networkAclId>` + ACLID + `</networkAclId><subnetId>subnet-1</subnetId></item></associationSet>` +
		`<tagSet><item><key>Name</key><value>x</value></item></tagSet></item></networkAclSet></DescribeNetworkAclsResponse>`
}

func described1(number, protocol, action, egress, more string) string {
	return fmt.Sprintf(`<item><ruleNumber>%s</ruleNumber><protocol>%s</protocol><ruleAction>%s</ruleAction><egress>%s</egress>%s</item>`, number, protocol, action, egress, more)
}

// A network ACL as AWS reports it is understood as a whole, or not at all: nothing is claimed of,
// or done to, an entry that says less than AWS's own do.
func FuzzDescribedNetworkACL(f *testing.F) {
	const v4, v6 = "<cidrBlock>0.0.0.0/0</cidrBlock>", "<ipv6CidrBlock>::/0</ipv6CidrBlock>"
	f.Add([]byte(described(described1("100", "-1", "allow", "true", v4), described1("101", "-1", "allow", "true", v6),
		described1("80", "-1", "deny", "true", "<cidrBlock>52.119.223.69/32</cidrBlock>"), described1("32767", "-1", "deny", "true", v4))))
	f.Add([]byte(described(described1("100", "6", "allow", "false", v4+"<portRange><from>443</from><to>443</to></portRange>"),
		described1("7", "1", "deny", "false", v4+"<icmpTypeCode><type>8</type><code>-1</code></icmpTypeCode>"))))
	f.Add([]byte(described("<item><cidrBlock>0.0.0.0/0</cidrBlock></item>")))
	f.Add([]byte(described(described1("80", "-1", "", "true", v4))))
	f.Add([]byte(described(described1("80", "-1", "log", "true", v4))))
	f.Add([]byte(described(described1("80", "-1", "deny", "true", "<cidrBlock>10.0.0.1/8</cidrBlock>"))))
	f.Add([]byte(described(described1("80", "-1", "deny", "", v4), described1("-2147483648", "-1", "deny", "true", v4), described1("2147483647", "-1", "deny", "true", v4))))
	f.Add([]byte(described(described1("80", "6", "allow", "true", v4+"<portRange/>"))))
	f.Add([]byte(described(described1("80", "-1", "deny", "true", ""))))
	f.Add([]byte(emptyAnswer))
	f.Add([]byte("<html>502 Bad Gateway</html>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		g := NewWithT(t)
		acl, err := ec2acl.Read(context.Background(), answering(body), ACLID)
		again, errAgain := ec2acl.Read(context.Background(), answering(body), ACLID)
		g.Expect(again).To(Equal(acl))
		g.Expect(errAgain == nil).To(Equal(err == nil))
		// A page that names a next one is followed by the end.
		if all, err := ec2acl.FindByTag(context.Background(), answering(body, []byte(emptyAnswer)), ownership.TagClone); err != nil {
			g.Expect(all).To(BeNil())
		}
		if err != nil {
			g.Expect(acl).To(BeNil())
			return
		}
		if acl != nil {
			expectUnderstood(g, acl, string(body))
		}
	})
}

func expectUnderstood(g Gomega, acl *networkacl.ACL, body string) {
	g.Expect(slices.IsSortedFunc(acl.Entries, func(a, b networkacl.Entry) int {
		if a.Egress != b.Egress {
			return map[bool]int{true: -1, false: 1}[a.Egress]
		}
		return int(int64(a.Number) - int64(b.Number))
	})).To(BeTrue())
	g.Expect(slices.IsSorted(acl.SubnetIDs)).To(BeTrue())
	for _, subnet := range acl.SubnetIDs {
		g.Expect(acl.Associations).To(HaveKey(subnet))
	}
	for _, e := range acl.Entries {
		g.Expect(e.CIDR.IsValid()).To(BeTrue())
		g.Expect(e.CIDR).To(Equal(e.CIDR.Masked()))
		g.Expect(e.Number).To(BeNumerically(">=", networkacl.FirstNumber))
		g.Expect(e.Protocol).NotTo(BeEmpty())
		if !e.Allow {
			g.Expect(strings.ToLower(body)).To(ContainSubstring("deny"), "what AWS didn't say denies nothing")
		}
	}
	_, _ = ownership.ParseClaims(acl.Tags)
	_, _ = ownership.ManagedBy(acl.Tags)
	line := Rule(80, "52.119.223.69/32", installed)
	found, there := networkacl.At(acl.Entries, 80)
	next := new(removal.Evidence).Next(removal.OfLine(line), acl.Entries, now)
	deletes := next.Step == removal.StepDelete
	g.Expect(deletes).To(Equal(there && found.Equal(EntryOf(line))))
	prefix := netip.MustParsePrefix(line.CIDR)
	desired := []networkacl.Destination{{CIDR: prefix, Hostname: "ecs-a.example", Session: v1alpha1.EndpointACS}}
	if plan, err := networkacl.NewPlan(networkacl.PlanInput{NetworkACLID: ACLID, Desired: desired, Observed: acl.Entries, Quota: 20}); err == nil {
		after := slices.Clone(acl.Entries)
		for _, create := range plan.Create {
			after = append(after, networkacl.EntryOf(create))
		}
		_, denied := networkacl.Denied(after, To(prefix))
		g.Expect(denied).To(BeTrue())
	}
	if plan, err := clones.NewPlan(acl.Entries, desired, 40); err == nil {
		clone := clones.InClone(plan.Copies)
		for _, create := range plan.Rules {
			clone = append(clone, networkacl.EntryOf(create))
		}
		_, denied := networkacl.Denied(clone, To(prefix))
		g.Expect(denied).To(BeTrue())
		if copies, err := clones.ParseCopies(clones.FormatCopies(plan.Copies)); err == nil {
			g.Expect(copies).To(Equal(plan.Copies))
		}
	}
}

func TestAnEntryThatSaysTooLittleIsNoDeny(t *testing.T) {
	const cidr = "<cidrBlock>0.0.0.0/0</cidrBlock>"
	for name, entry := range map[string]string{
		"no action":       described1("80", "-1", "", "true", cidr),
		"another action":  described1("80", "-1", "log", "true", cidr),
		"no direction":    "<item><ruleNumber>80</ruleNumber><protocol>-1</protocol><ruleAction>deny</ruleAction>" + cidr + "</item>",
		"no number":       "<item><egress>true</egress><protocol>-1</protocol><ruleAction>deny</ruleAction>" + cidr + "</item>",
		"a number of 0":   described1("0", "-1", "deny", "true", cidr),
		"no protocol":     described1("80", "", "deny", "true", cidr),
		"no range at all": described1("80", "-1", "deny", "true", ""),
	} {
		acl, err := ec2acl.Read(t.Context(), answering([]byte(described(entry))), ACLID)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("of network ACL "+ACLID)), name)
		NewWithT(t).Expect(acl).To(BeNil(), name)
	}
}
