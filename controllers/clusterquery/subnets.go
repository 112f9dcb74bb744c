// SPDX-License-Identifier: Apache-2.0

package clusterquery

import "strings"

const (
	// AttributeSubnet is the attribute that an agent registers its instance's subnet with.
	AttributeSubnet = "ecs.subnet-id"
	// MostSubnets is how many subnets one expression names: ECS documents no bound for its length,
	// and this many stay below 1 KiB.
	MostSubnets = 30
	// Separator is between the subnets of an expression.
	Separator = ", "
)

// InSubnets is the expression for the container instances in some subnets.
func InSubnets(subnetIDs ...string) string {
	if len(subnetIDs) == 1 {
		return "attribute:" + AttributeSubnet + " == " + subnetIDs[0]
	}
	return "attribute:" + AttributeSubnet + " in [" + strings.Join(subnetIDs, Separator) + "]"
}

// SubnetsIn gives the subnets that an expression of InSubnets names, as it separates them; ok is
// false for any other expression.
func SubnetsIn(expression string) (ids string, ok bool) {
	ids = strings.TrimPrefix(expression, "attribute:"+AttributeSubnet+" == ")
	ids = strings.TrimSuffix(strings.TrimPrefix(ids, "attribute:"+AttributeSubnet+" in ["), "]")
	known := ids != "" && InSubnets(strings.Split(ids, Separator)...) == expression
	return ids, known && !strings.ContainsAny(strings.ReplaceAll(ids, Separator, ""), " []")
}
