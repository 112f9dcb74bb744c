// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"net/netip"
	"slices"
	"strings"
	"sync"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// zone is what DNS knows. It may change while the server runs.
type zone struct {
	mu    sync.Mutex
	hosts map[string][]netip.Addr
}

// newZone knows the hosts of a world, and the API's host names where the world has none of that name.
func newZone(w *world.World, apis map[string][]netip.Addr) *zone {
	z := &zone{hosts: apis}
	for _, h := range w.Hosts {
		delete(z.hosts, strings.ToLower(h.Name))
	}
	for _, h := range w.Hosts {
		for _, a := range h.Addresses {
			name := strings.ToLower(h.Name)
			z.hosts[name] = append(z.hosts[name], netip.MustParseAddr(a))
		}
	}
	return z
}

// Lookup implements dns.Zone.
func (z *zone) Lookup(host string) []netip.Addr {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.hosts[host])
}

func (z *zone) set(host string, addresses []netip.Addr) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if len(addresses) == 0 {
		delete(z.hosts, strings.ToLower(host))
		return
	}
	z.hosts[strings.ToLower(host)] = addresses
}
