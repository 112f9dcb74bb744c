// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

func TestIdentities(t *testing.T) {
	s, g := start(t, func(o *Options) {
		o.World = world.Default()
		o.World.AccessKeys = []world.AccessKey{
			{ID: "AKIAOPERATOR", Secret: "x"},
			{ID: "AKIAREADER", Secret: "x", Allow: []string{"ec2:Describe*"}, Deny: []string{"ec2:DescribeTags"}},
			{ID: "AKIAOTHER", Secret: "x", Account: "210987654321"},
		}
	})
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed(), "Config has the first key")

	reader := ec2.NewFromConfig(s.ConfigFor("AKIAREADER"))
	_, err := reader.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = reader.DescribeTags(t.Context(), &ec2.DescribeTagsInput{})
	g.Expect(code(err)).To(Equal("UnauthorizedOperation"), "deny wins")
	_, err = reader.CreateNetworkAclEntry(t.Context(), deny(81, "52.119.223.69/32"))
	g.Expect(code(err)).To(Equal("UnauthorizedOperation"))
	in := deny(80, "52.119.223.69/32")
	in.DryRun = aws.Bool(true)
	_, err = reader.CreateNetworkAclEntry(t.Context(), in)
	g.Expect(code(err)).To(Equal("UnauthorizedOperation"))
	me, err := sts.NewFromConfig(s.ConfigFor("AKIAREADER")).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	g.Expect(err).NotTo(HaveOccurred(), "needs no permission")
	g.Expect(*me.Arn).To(HaveSuffix("user/AKIAREADER"))

	// Another account has a Region of its own.
	outsider := ec2.NewFromConfig(s.ConfigFor("AKIAOTHER"))
	_, err = outsider.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{dedicatedACL}})
	g.Expect(code(err)).To(Equal("InvalidNetworkAclID.NotFound"))

	s.Faults().Add(faults.Fault{Action: "ec2:*", AccessKey: "AKIAREADER", Error: "InternalError", Times: 1})
	_, err = ec2Client(s).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	g.Expect(err).NotTo(HaveOccurred(), "the fault is another's")
	g.Expect(s.Faults().List()[0].Remaining()).To(Equal(1))
}

func TestDNS(t *testing.T) {
	s, g := start(t)
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.DNSAddr())
	}}
	seen := map[netip.Addr]bool{}
	for range 3 {
		answer, err := r.LookupNetIP(t.Context(), "ip4", world.ACSHost)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answer).To(HaveLen(1), "a single lookup never finds all")
		seen[answer[0].Unmap()] = true
	}
	g.Expect(seen).To(HaveLen(3))
}
