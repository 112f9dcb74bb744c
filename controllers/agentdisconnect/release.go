// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
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
func (s *scope) releasePrivate(found []v1alpha1.Endpoint) {
	asked, status := s.seen.cache.Endpoints.AnsweredAt(), s.status()
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
			since, known := s.seen.missing[key]
			if !known {
				since = asked
			}
			missing[key] = since
			return asked.Sub(since) >= networkacl.ConfirmInterval
		})
	}
	s.seen.missing = missing
	status.Endpoints = slices.DeleteFunc(status.Endpoints, func(e v1alpha1.Endpoint) bool { return run.IsPrivate(e) && len(e.Addresses) == 0 })
}

// hasAddress reports whether an endpoint among those found has an address.
func hasAddress(found []v1alpha1.Endpoint, hostname, address string) bool {
	return slices.ContainsFunc(found, func(e v1alpha1.Endpoint) bool {
		return e.Hostname == hostname && slices.Contains(e.Addresses, address)
	})
}

// removeUnneeded deletes the entries that nothing to be denied needs any more, given a read, while
// the run stays on: those of addresses that were found to be protected, or that were released.
func (r *Reconciler) removeUnneeded(ctx context.Context, s *scope, valid []v1alpha1.Rule) error {
	lines := run.UnneededLines(valid, run.Desired(s.obj))
	if len(lines) == 0 || s.phase != run.Active {
		return nil
	}
	destroy, gone := r.undo(s, lines, s.seen.acl.Entries)
	deleted, trouble := r.destroy(ctx, s, destroy)
	return errors.Join(trouble, r.giveUp(ctx, s, append(gone, deleted...)))
}
