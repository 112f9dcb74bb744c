// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// recognized are the parameters that each action has in AWS's model of EC2, with N for the number
// of an item. Some have no effect here.
var recognized = map[string]string{
	"DescribeVpcs":                 "VpcId.N " + described,
	"DescribeSubnets":              "SubnetId.N " + described,
	"DescribeNetworkAcls":          "NetworkAclId.N " + described,
	"DescribeVpcEndpoints":         "VpcEndpointId.N " + described,
	"DescribeNetworkInterfaces":    "NetworkInterfaceId.N IncludeManagedResources " + described,
	"DescribeTags":                 described,
	"CreateNetworkAcl":             "VpcId ClientToken TagSpecification.N.ResourceType TagSpecification.N.Tag.N.Key TagSpecification.N.Tag.N.Value",
	"DeleteNetworkAcl":             "NetworkAclId",
	"CreateNetworkAclEntry":        networkACLEntry,
	"ReplaceNetworkAclEntry":       networkACLEntry,
	"DeleteNetworkAclEntry":        "NetworkAclId RuleNumber Egress",
	"ReplaceNetworkAclAssociation": "AssociationId NetworkAclId",
	"CreateTags":                   "ResourceId.N Tag.N.Key Tag.N.Value",
	"DeleteTags":                   "ResourceId.N Tag.N.Key Tag.N.Value",
}

const (
	described       = "Filter.N.Name Filter.N.Value.N MaxResults NextToken"
	networkACLEntry = "NetworkAclId RuleNumber Egress Protocol RuleAction CidrBlock Ipv6CidrBlock Icmp.Code Icmp.Type PortRange.From PortRange.To"

	// common are those of every action, also of signatures in the query.
	common = "Action Version DryRun AWSAccessKeyId Signature SignatureMethod SignatureVersion SecurityToken Timestamp Expires"
)

// checkRecognized refuses parameters that the action doesn't have. AWS names the part that it
// doesn't know: Item in Filter.1.Item.1. The case of letters counts.
func checkRecognized(action string, form url.Values) error {
	known := strings.Fields(recognized[action] + " " + common)
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if strings.HasPrefix(strings.ToLower(name), "x-amz-") {
			continue
		}
		if part := unrecognized(known, name); part != "" {
			return region.Errorf("UnknownParameter", "The parameter %s is not recognized", part)
		}
	}
	return nil
}

// unrecognized is the first part of a name that no known name has at that place, after the same
// parts.
func unrecognized(known []string, name string) string {
	at := ""
	for part := range strings.SplitSeq(name, ".") {
		if _, err := strconv.ParseUint(part, 10, 31); err == nil && at != "" && hasPart(known, at+".N") {
			part = "N"
		}
		next := strings.TrimPrefix(at+"."+part, ".")
		if !hasPart(known, next) {
			return part
		}
		at = next
	}
	return ""
}

// hasPart reports whether a name is among the known ones, or begins one of them.
func hasPart(known []string, name string) bool {
	return slices.ContainsFunc(known, func(k string) bool { return k == name || strings.HasPrefix(k, name+".") })
}
