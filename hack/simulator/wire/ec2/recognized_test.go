// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"testing"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

func TestRecognizedParameters(t *testing.T) {
	for _, tc := range []struct{ action, parameter, unknown string }{
		{"DescribeSubnets", "SubnetId.1", ""},
		{"DescribeSubnets", "Filter.12.Value.3", ""},
		{"DescribeSubnets", "MaxResults", ""},
		{"DescribeSubnets", "X-Amz-Signature", ""},
		{"DescribeSubnets", "SubnetIds.1", "SubnetIds"},
		{"DescribeSubnets", "subnetId.1", "subnetId"},
		{"DescribeSubnets", "VpcId.1", "VpcId"},
		{"DescribeSubnets", "Filter.Item.1.Name", "Item"},
		{"DescribeSubnets", "Filter.1.Values.1", "Values"},
		{"DescribeSubnets", "Filter.1.Name.x", "x"},
		{"DescribeTags", "Max-Results", "Max-Results"},
		{"CreateNetworkAclEntry", "PortRange.From", ""},
		{"CreateNetworkAclEntry", "PortRange.from", "from"},
		{"CreateNetworkAclEntry", "CIDRBlock", "CIDRBlock"},
		{"CreateNetworkAclEntry", "ClientToken", "ClientToken"},
		{"DeleteNetworkAclEntry", "Protocol", "Protocol"},
		{"DeleteNetworkAclEntry", "NetworkAclId.1", "1"},
		{"DeleteNetworkAclEntry", "DryRun", ""},
		{"CreateNetworkAcl", "TagSpecification.1.Tag.2.Key", ""},
		{"CreateNetworkAcl", "TagSpecification.1.Tags.2.Key", "Tags"},
	} {
		err := checkRecognized(tc.action, url.Values{tc.parameter: {"x"}})
		refusal, ok := errors.AsType[*region.Error](err)
		if tc.unknown == "" {
			if err != nil {
				t.Errorf("%s of %s: %v", tc.parameter, tc.action, err)
			}
			continue
		}
		if !ok || refusal.Code != "UnknownParameter" || refusal.Message != "The parameter "+tc.unknown+" is not recognized" {
			t.Errorf("%q of %s: %v", tc.parameter, tc.action, err)
		}
	}
}

func TestAllActionsHaveParameters(t *testing.T) {
	actions := slices.Sorted(maps.Keys(Service().Operations))
	if known := slices.Sorted(maps.Keys(recognized)); !slices.Equal(actions, known) {
		t.Errorf("actions:\n%v\nwith parameters:\n%v", actions, known)
	}
}
