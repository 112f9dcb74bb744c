// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"fmt"
	"math"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// Quotas of Amazon VPC, by the codes that "Amazon VPC quotas" in its user guide links to.
const (
	quotaService     = "vpc"
	quotaEntries     = "L-2AEEBF1A" // Rules per network ACL
	quotaNetworkACLs = "L-B4A6D682" // Network ACLs per VPC
)

// maxQuota bounds what is believed: AWS grants far less of either.
const maxQuota = 1_000_000

// EntryQuota is how many entries a network ACL may have a direction and address family, the default
// entry included: 20 unless AWS was asked for more, 40 at most. Any error means that the quota
// can't be known here.
func EntryQuota(ctx context.Context, client aws.ServiceQuotas) (int, error) {
	return quota(ctx, client, quotaEntries)
}

// NetworkACLQuota is how many network ACLs a VPC may have: 200 unless AWS was asked for more. Any
// error means that the quota can't be known here.
func NetworkACLQuota(ctx context.Context, client aws.ServiceQuotas) (int, error) {
	return quota(ctx, client, quotaNetworkACLs)
}

// quota asks for the value that holds in the account and Region.
func quota(ctx context.Context, client aws.ServiceQuotas, code string) (int, error) {
	out, err := client.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{
		ServiceCode: awssdk.String(quotaService), QuotaCode: awssdk.String(code),
	})
	if err != nil {
		return 0, err
	}

	if out.Quota == nil || out.Quota.Value == nil {
		return 0, fmt.Errorf("the answer of AWS has no value of the quota %s", code)
	}

	value := *out.Quota.Value
	if math.IsNaN(value) || value < 1 || value > maxQuota {
		return 0, fmt.Errorf("AWS gives %v as value of the quota %s", value, code)
	}
	return int(value), nil
}
