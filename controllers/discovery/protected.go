// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/controllers/aws/apihosts"
)

// Protected is an address that no run denies: callers, the clean-up or the Kubernetes cluster need
// it.
type Protected struct {
	Address netip.Addr
	// Name has the address: a host, or the id of a VPC endpoint. API is what it serves, such as
	// "the ECS API".
	Name, API string
}

// String describes it for messages.
func (p Protected) String() string { return fmt.Sprintf("%s of %s (%s)", p.Address, p.Name, p.API) }

// UnprotectedError says that the addresses of a host that are never to be denied are not all known.
type UnprotectedError struct {
	Hostname, API string
	// Failure is what lookups of the host left unknown, and why.
	Failure string
	// NotFound says that the DNS knows no such host, though the API needs it.
	NotFound bool
}

// Error implements error.
func (e *UnprotectedError) Error() string {
	return fmt.Sprintf("the addresses of %s (%s) are not all known: %s", e.Hostname, e.API, e.Failure)
}

// LookupProtected looks hosts of APIs up, and gives their addresses, sorted. One that is not
// required need not exist, but that has to be what the DNS answers: no answer is none, for either
// address family. Beside an *UnprotectedError about the first host of which something is unknown it
// gives what the others have.
func (r *Resolver) LookupProtected(ctx context.Context, hosts []apihosts.Host, ipv6 bool) ([]Protected, error) {
	var names []string
	var found []Protected
	for _, host := range hosts {
		if address, err := netip.ParseAddr(host.Hostname); err == nil {
			found = append(found, Protected{address.Unmap().WithZone(""), host.Hostname, host.API})
		} else {
			names = append(names, host.Hostname)
		}
	}

	answers := r.Lookup(ctx, names, ipv6)
	var unresolved error
	for _, host := range hosts {
		answer := answers[host.Hostname]
		for _, address := range answer.Addresses {
			found = append(found, Protected{address, host.Hostname, host.API})
		}
		failed := slices.ContainsFunc(answer.Families, func(f Family) bool { return f.Err != nil })
		if missing := host.Required && len(answer.Addresses) == 0; unresolved == nil && (missing || failed) {
			unresolved = &UnprotectedError{host.Hostname, host.API, answer.Failure(), missing && isNotFound(answer.Err)}
		}
	}

	SortProtected(found)
	return found, unresolved
}

// SortProtected orders addresses, and of the same one by name, so that the same of several is named
// every time.
func SortProtected(all []Protected) {
	slices.SortFunc(all, func(a, b Protected) int { return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Name, b.Name)) })
}

// ProtectedInterfaces are the addresses of the VPC endpoints that serve protected APIs.
func ProtectedInterfaces(endpoints []VPCEndpoint) []Protected {
	services := apihosts.Services()
	var found []Protected
	for _, endpoint := range endpoints {
		api, protected := services[strings.TrimSuffix(endpoint.Service, fipsSuffix)]
		if !protected {
			continue
		}
		for _, each := range endpoint.Interfaces {
			for _, address := range each.Addresses {
				found = append(found, Protected{address, endpoint.ID, api})
			}
		}
	}
	return found
}
