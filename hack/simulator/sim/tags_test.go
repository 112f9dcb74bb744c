// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"
)

// zero asks a Region for its present.
var zero time.Time

func tag(key, value string) types.Tag {
	return types.Tag{Key: aws.String(key), Value: aws.String(value)}
}

func TestSeveralTagsAtOnce(t *testing.T) {
	s, g := start(t)
	ctx, client := t.Context(), ec2Client(s)
	put := func(ids []string, tags ...types.Tag) string {
		_, err := client.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: tags})
		return code(err)
	}
	remove := func(ids []string, tags ...types.Tag) string {
		_, err := client.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: ids, Tags: tags})
		return code(err)
	}
	tags := func() map[string]string {
		a, _ := s.Region().NetworkACL(dedicatedACL)
		return a.Tags
	}
	g.Expect(s.Region().SetTags(dedicatedACL, map[string]string{"aws:cloudformation:stack-name": "net", "Name": "x"})).To(Succeed())
	both := []string{dedicatedACL, defaultACL}
	g.Expect(put(both, tag("a", "1"), tag("b", ""), tag("c", "é / + - = . _ : @ #"))).To(BeEmpty(), "EC2 takes any characters")
	g.Expect(tags()).To(HaveLen(5))
	g.Expect(put(both, tag("d", "1"), tag("d", "2"))).To(Equal("InvalidParameterValue"), "a key twice")
	g.Expect(put(both, tag("d", "1"), tag("aws:e", "2"))).To(Equal("InvalidParameterValue"))
	g.Expect(put([]string{dedicatedACL, noACL}, tag("d", "1"))).To(Equal("InvalidNetworkAclID.NotFound"))
	g.Expect(put([]string{dedicatedACL, "nonsense-1"}, tag("d", "1"))).To(Equal("InvalidID"))
	g.Expect(put([]string{dedicatedACL, "acl-1"}, tag("d", "1"))).To(Equal("InvalidNetworkAclId.Malformed"))
	g.Expect(tags()).NotTo(HaveKey("d"), "all or none")
	g.Expect(put(both, tag(strings.Repeat("k", 128), strings.Repeat("é", 256)))).To(BeEmpty(), "characters count, not bytes")

	// 50 tags, those of AWS's own not counted: of one too many in a call none is made.
	var many []types.Tag
	for n := range 45 { // beside Name, a, b, c and the long one
		many = append(many, tag(fmt.Sprintf("k%d", n), "v"))
	}
	g.Expect(put([]string{dedicatedACL}, append(many, tag("one more", ""))...)).To(Equal("TagLimitExceeded"))
	g.Expect(tags()).To(HaveLen(6))
	g.Expect(put([]string{dedicatedACL}, many...)).To(BeEmpty())
	g.Expect(tags()).To(HaveLen(51))
	g.Expect(put([]string{dedicatedACL}, tag("a", "2"))).To(BeEmpty(), "another value needs no room")
	g.Expect(put([]string{defaultACL, dedicatedACL}, tag("one more", ""))).To(Equal("TagLimitExceeded"))

	g.Expect(remove([]string{dedicatedACL}, tag("aws:cloudformation:stack-name", "net"))).To(Equal("InvalidParameterValue"))
	g.Expect(remove(both, types.Tag{Key: aws.String("a")}, tag("b", ""), tag("c", "another"), types.Tag{Key: aws.String("never there")})).To(BeEmpty())
	g.Expect(tags()).To(And(Not(HaveKey("a")), Not(HaveKey("b")), HaveKey("c")))
	g.Expect(remove([]string{dedicatedACL, noACL}, types.Tag{Key: aws.String("c")})).To(Equal("InvalidNetworkAclID.NotFound"))
	g.Expect(tags()).To(HaveKey("c"), "all or none")
	g.Expect(remove([]string{dedicatedACL})).To(BeEmpty())
	g.Expect(tags()).To(Equal(map[string]string{"aws:cloudformation:stack-name": "net"}), "no tag named: all but AWS's own")

	over := nameTag("x")
	for n := range 50 {
		over[0].Tags = append(over[0].Tags, tag(fmt.Sprintf("k%d", n), ""))
	}
	_, err := client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID), TagSpecifications: over})
	g.Expect(code(err)).To(Equal("TagLimitExceeded"))
}

func TestFiltersOfAssociationsAndUnknownIDs(t *testing.T) {
	s, g := start(t)
	ctx, client := t.Context(), ec2Client(s)
	found := func(filters ...types.Filter) []string {
		out, err := client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: filters})
		g.Expect(err).NotTo(HaveOccurred())
		var ids []string
		for _, a := range out.NetworkAcls {
			ids = append(ids, *a.NetworkAclId)
		}
		return ids
	}
	by := func(name string, values ...string) types.Filter {
		return types.Filter{Name: aws.String(name), Values: values}
	}
	g.Expect(found(by("association.association-id", association(s, dedicated)))).To(Equal([]string{dedicatedACL}))
	g.Expect(found(by("association.subnet-id", dedicated, shared1))).To(ConsistOf(dedicatedACL, defaultACL))
	g.Expect(found(by("association.subnet-id", dedicated), by("default", "true"))).To(BeEmpty(), "both filters have to pass")
	for _, f := range []types.Filter{
		by("network-acl-id", noACL), by("association.subnet-id", "subnet-0ffffffffffffffff"), by("vpc-id", otherVPC),
		by("association.association-id", "aclassoc-0ffffffffffffffff"), by("tag-key", "nope"), by("tag:Name", ""), by("owner-id", "210987654321"),
	} {
		g.Expect(found(f)).To(BeEmpty(), "%s: no error", *f.Name)
	}
	_, err := client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{dedicatedACL, noACL}})
	g.Expect(code(err)).To(Equal("InvalidNetworkAclID.NotFound"), "one of several")
	_, err = client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{dedicatedACL, "acl-x"}})
	g.Expect(code(err)).To(Equal("InvalidNetworkAclId.Malformed"))
	out, err := client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{
		NetworkAclIds: []string{dedicatedACL, defaultACL}, Filters: []types.Filter{by("default", "false")},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.NetworkAcls).To(HaveLen(1), "ids and filters together")
}
