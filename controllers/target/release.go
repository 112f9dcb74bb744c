// SPDX-License-Identifier: Apache-2.0

package target

import (
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// releasePrivate takes out of the endpoints the addresses of VPC endpoints whose interfaces are
// gone: the next interface to get such an address has nothing to do with the run. Two answers of
// AWS have to lack it, since one may lag. What lookups of hosts gave stays, since lookups that lack
// an address say nothing.
func (t *Target) releasePrivate(found []v1alpha1.Endpoint) {
	asked, status := t.Cache.Endpoints.AnsweredAt(), t.Status()
	missing := map[string]time.Time{}
	for i := range status.Endpoints {
		endpoint := &status.Endpoints[i]
		if !run.IsPrivate(*endpoint) {
			continue
		}
		endpoint.Addresses = slices.DeleteFunc(slices.Clone(endpoint.Addresses), func(address string) bool {
			if hasAddress(found, endpoint.Hostname, address) {
				return false
			}
			key := endpoint.Hostname + " " + address
			since, known := t.seen.missing[key]
			if !known {
				since = asked
			}
			missing[key] = since
			return asked.Sub(since) >= networkacl.ConfirmInterval
		})
	}

	t.seen.missing = missing
	status.Endpoints = slices.DeleteFunc(status.Endpoints, func(e v1alpha1.Endpoint) bool { return run.IsPrivate(e) && len(e.Addresses) == 0 })
}

// hasAddress reports whether an endpoint among those found has an address.
func hasAddress(found []v1alpha1.Endpoint, hostname, address string) bool {
	return slices.ContainsFunc(found, func(e v1alpha1.Endpoint) bool {
		return e.Hostname == hostname && slices.Contains(e.Addresses, address)
	})
}
