// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// tenants is an EC2 that has the network interfaces belong to these accounts in turn.
type tenants struct {
	aws.EC2
	accounts []string
}

func (s tenants) DescribeNetworkInterfaces(ctx context.Context, in *ec2.DescribeNetworkInterfacesInput, options ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error) {
	out, err := s.EC2.DescribeNetworkInterfaces(ctx, in, options...)
	if err == nil {
		for i := range out.NetworkInterfaces {
			out.NetworkInterfaces[i].OwnerId = awssdk.String(s.accounts[i%len(s.accounts)])
		}
	}
	return out, err
}

func TestOtherAccountsInASubnet(t *testing.T) {
	g := NewWithT(t)
	_, clients := simulate(t)
	found, err := discovery.OtherAccounts(t.Context(), clients.EC2, subnetID, "123456789012")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeEmpty(), "the simulated interfaces are the account's own")

	shared := tenants{clients.EC2, []string{"999999999999", "123456789012"}}
	found, err = discovery.OtherAccounts(t.Context(), shared, subnetID, "123456789012")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(Equal([]string{"999999999999"}))

	shared.accounts = []string{"999999999999", "111111111111"}
	found, err = discovery.OtherAccounts(t.Context(), shared, subnetID, "123456789012")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(Equal([]string{"111111111111", "999999999999"}), "in order")
}

func TestOtherAccountsSaysWhereItCannotLook(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	s.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkInterfaces", Denied: true})
	_, err := discovery.OtherAccounts(t.Context(), clients.EC2, subnetID, "123456789012")
	g.Expect(aws.Classify(err)).To(Equal(aws.Denied))
}
