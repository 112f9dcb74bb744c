// SPDX-License-Identifier: Apache-2.0

package run

import (
	"net/netip"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

var at, begun = runtest.At, runtest.Begun

func destination(cidr, hostname string, session v1alpha1.EndpointSession) networkacl.Destination {
	return networkacl.Destination{CIDR: netip.MustParsePrefix(cidr), Hostname: hostname, Session: session}
}
