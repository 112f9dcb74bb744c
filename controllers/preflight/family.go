// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// checkAddressFamilies refuses a subnet whose agents may connect to addresses that the manager's
// own lookups don't show.
func checkAddressFamilies(subnetID string, on target.Subnet) error {
	var native, dns64 error
	if on.IPv6Native {
		native = problem.Refuse(v1alpha1.ReasonSubnetNotSupported, "subnet %s is IPv6-only (ipv6Native): agents there use the dual-stack API of ECS, which may name other hosts to them than to the manager, so the rules could miss them. Choose a subnet with an IPv4 range; it may have an IPv6 range too", subnetID)
	}
	if on.DNS64 {
		dns64 = problem.Refuse(v1alpha1.ReasonSubnetNotSupported, "subnet %s has DNS64 enabled: agents there may connect to IPv6 addresses under 64:ff9b::/96 that the resolver synthesizes from IPv4 addresses, and the manager's lookups don't return those, so the rules would miss them. Disable it (aws ec2 modify-subnet-attribute --subnet-id %s --no-enable-dns64), or choose another subnet", subnetID, subnetID)
	}
	return errors.Join(native, dns64)
}
