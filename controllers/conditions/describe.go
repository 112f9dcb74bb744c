// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"fmt"
	"net/netip"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// DescribeEndpoints says how many addresses of how many hosts are known.
func DescribeEndpoints(endpoints []v1alpha1.Endpoint) string {
	addresses := 0
	for _, endpoint := range endpoints {
		addresses += len(endpoint.Addresses)
	}
	return fmt.Sprintf("%s of %s", problem.Plural(addresses, "address", "addresses"), problem.Plural(len(endpoints), "host", "hosts"))
}

// describeDenied says how many addresses of how many hosts a run denies: all that are known, but
// for those that are exempt.
func describeDenied(status *v1alpha1.AgentDisconnectStatus) string {
	denied := slices.Clone(status.Endpoints)
	for i := range denied {
		denied[i].Addresses = slices.DeleteFunc(slices.Clone(denied[i].Addresses), func(text string) bool {
			address, err := netip.ParseAddr(text)
			return err == nil && len(run.WithoutExempt([]networkacl.Destination{{CIDR: netip.PrefixFrom(address, address.BitLen())}}, status.Exemptions)) == 0
		})
	}
	return DescribeEndpoints(denied)
}

// describeExempt says what a run does not deny though it would; empty: there is nothing of the
// kind.
func describeExempt(exempt []v1alpha1.Exemption) string {
	if len(exempt) == 0 {
		return ""
	}
	first := exempt[0].CIDR + " (" + exempt[0].Message + ")"
	if more := len(exempt) - 1; more > 0 {
		first += fmt.Sprintf(" and %d more, see status.exemptions", more)
	}
	return "; not denied: " + first
}

// describeHit says which subnets a network ACL in place acts on, where they are more than the run's
// own.
func (f Input) describeHit() string {
	if len(f.SubnetsHit) < 2 {
		return ""
	}
	return fmt.Sprintf(" (in place: the rules act on all its %d subnets, %s)", len(f.SubnetsHit), problem.List(f.SubnetsHit))
}
