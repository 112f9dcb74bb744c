// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// lookUp looks the hosts in the status up and adds what is new to their addresses, IPv6 ones only where the subnet has
// them. Nothing is ever taken away. The error names a host of which no address is known.
func (r *Reconciler) lookUp(ctx context.Context, s *scope, ipv6 bool) error {
	endpoints := s.status().Endpoints
	if s.now.Sub(s.seen.looked) >= r.options.LookupInterval || run.UnresolvedHost(endpoints) != "" {
		var names []string
		for _, endpoint := range endpoints {
			if !run.IsPrivate(endpoint) {
				names = append(names, endpoint.Hostname)
			}
		}
		slices.Sort(names)
		answers := r.resolver.Lookup(ctx, slices.Compact(names), ipv6)
		grown := map[string]bool{}
		for i := range endpoints {
			host := endpoints[i].Hostname
			grown[host] = run.AddAddresses(&endpoints[i], answers[host].Addresses) || grown[host]
		}
		for host, answer := range answers {
			s.seen.note(host, answer, grown[host], s.now, run.StaleIntervals*r.options.LookupInterval)
		}
		s.seen.looked = s.now
		if host := overflowing(endpoints, answers); host != "" {
			return s.tooMany(host)
		}
	}
	if host := run.UnresolvedHost(endpoints); host != "" {
		return problem.Refuse(v1alpha1.ReasonHostNotResolved, "%s has no address to deny (%s; asked of %s): check the name, and the DNS server that the manager asks (--dns-server)", host, s.seen.lookups[host].failure, r.resolver)
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

// tooMany refuses a run, or ends it, since an agent would get through the address that the status has no room for.
func (s *scope) tooMany(host string) error {
	const message = "%s has more than %d addresses, which no network ACL has room for"
	if s.status().StartTime != nil {
		s.abort(v1alpha1.AbortPlanDoesNotFit, message, host, v1alpha1.MaxAddresses)
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonTooManyEndpoints, message+": name fewer hosts", host, v1alpha1.MaxAddresses)
}

// note keeps how the lookups of a host went; grown says that they gave an address that was not known. Only time between two
// answers of every family is quiet, and only where they are no further apart than the given gap.
func (m *memory) note(host string, answer discovery.Answer, grown bool, now time.Time, gap time.Duration) {
	history := m.lookups[host]
	if history.failure = answer.Failure(); answer.Answered() {
		history.answered = now
	}
	if between := now.Sub(history.covered); history.failure == "" && !history.covered.IsZero() && between <= gap {
		history.quiet += between
	}
	if history.failure == "" {
		history.covered = now
	}
	if grown {
		history.quiet = 0
	}
	m.lookups[host] = history
}

// answered is when the host of which that is longest ago was looked up with an answer; zero: one was not since the process
// began. VPC endpoints have no host to look up.
func (m *memory) answered(endpoints []v1alpha1.Endpoint, now time.Time) time.Time {
	oldest := now
	for _, endpoint := range endpoints {
		if !run.IsPrivate(endpoint) {
			oldest = run.Earliest(oldest, m.lookups[endpoint.Hostname].answered)
		}
	}
	return oldest
}

// unsettled gives the hosts that may still have addresses which no lookup gave: lookups of them were not answered for long
// enough, or were not lately.
func (s *scope) unsettled() []string {
	return s.hostsWhere(func(history lookups) bool {
		return history.quiet < discovery.SettledAfter || !run.LookedAt(history.covered, s.options.LookupInterval).Fresh(s.now)
	})
}

// failing gives the hosts whose last lookups left something unknown, each with the reason.
func (s *scope) failing() []string {
	hosts := s.hostsWhere(func(history lookups) bool { return history.failure != "" })
	for i, host := range hosts {
		hosts[i] = fmt.Sprintf("%s (%s)", host, s.seen.lookups[host].failure)
	}
	return hosts
}

// hostsWhere gives the hosts of the status of whose lookups something holds.
func (s *scope) hostsWhere(holds func(lookups) bool) []string {
	var hosts []string
	for _, endpoint := range s.status().Endpoints {
		if !run.IsPrivate(endpoint) && holds(s.seen.lookups[endpoint.Hostname]) {
			hosts = append(hosts, endpoint.Hostname)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
