// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// maxInterfacePages bounds the look at a subnet's network interfaces: a /20, the largest that is
// usual, has four such pages.
const maxInterfacePages = 8

// OtherAccounts gives the accounts beside own that have network interfaces in a subnet, sorted:
// those that the subnet is shared with and that use it. Of a very full subnet it looks at 8,000
// interfaces.
func OtherAccounts(ctx context.Context, client aws.EC2, subnetID, own string) ([]string, error) {
	pages := ec2.NewDescribeNetworkInterfacesPaginator(client, &ec2.DescribeNetworkInterfacesInput{
		Filters:    []ec2types.Filter{{Name: awssdk.String("subnet-id"), Values: []string{subnetID}}},
		MaxResults: awssdk.Int32(1000),
	})
	var accounts []string
	for n := 0; pages.HasMorePages() && n < maxInterfacePages; n++ {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for i := range page.NetworkInterfaces {
			if owner := awssdk.ToString(page.NetworkInterfaces[i].OwnerId); owner != "" && owner != own {
				accounts = append(accounts, owner)
			}
		}
	}

	slices.Sort(accounts)
	return slices.Compact(accounts), nil
}
