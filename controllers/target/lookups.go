// SPDX-License-Identifier: Apache-2.0

package target

import (
	"context"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// LookUp looks the hosts in the status up and adds what is new to their addresses, IPv6 ones only
// where the subnet has them. It only adds. The error names a host of which no address
// is known.
func (t *Target) LookUp(ctx context.Context, ipv6 bool) error {
	endpoints := t.Status().Endpoints
	if t.Now.Sub(t.History.Lookups.At()) >= t.Options.LookupInterval || run.UnresolvedHost(endpoints) != "" {
		var names []string
		for _, endpoint := range endpoints {
			if !run.IsPrivate(endpoint) {
				names = append(names, endpoint.Hostname)
			}
		}
		answers := t.Resolver.Lookup(ctx, names, ipv6)
		grown := map[string]bool{}
		for i := range endpoints {
			host := endpoints[i].Hostname
			grown[host] = run.AddAddresses(&endpoints[i], answers[host].Addresses) || grown[host]
		}
		t.History.Lookups.Note(answers, grown, t.Now, run.StaleIntervals*t.Options.LookupInterval)
		if host := overflowing(endpoints, answers); host != "" {
			return t.tooMany(host)
		}
	}

	if host := run.UnresolvedHost(endpoints); host != "" {
		return problem.Refuse(v1alpha1.ReasonHostNotResolved, "%s has no address to deny (%s; the manager asked %s): check the name, and the DNS server that the manager asks (--dns-server)", host, t.History.Lookups.Failure(host), t.Resolver)
	}
	return nil
}

// overflowing is a host with more addresses than the status holds for one; empty: there is none.
func overflowing(endpoints []v1alpha1.Endpoint, answers map[string]discovery.Answer) string {
	for _, endpoint := range endpoints {
		for _, address := range answers[endpoint.Hostname].Addresses {
			if !slices.Contains(endpoint.Addresses, address.String()) {
				return endpoint.Hostname
			}
		}
	}
	return ""
}

// tooMany refuses a run, or ends it, since an agent would get through the address that the status
// has no room for.
func (t *Target) tooMany(host string) error {
	const message = "%s has more than %d addresses, which no network ACL has room for"
	if t.Status().StartTime != nil {
		t.Abort(v1alpha1.AbortPlanDoesNotFit, message, host, v1alpha1.MaxAddresses)
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonTooManyEndpoints, message+": name fewer hosts", host, v1alpha1.MaxAddresses)
}
