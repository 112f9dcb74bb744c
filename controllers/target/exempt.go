// SPDX-License-Identifier: Apache-2.0

package target

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// linkLocal are the ranges that never leave a subnet's own link: the instance metadata service, the
// time and DNS services of AWS.
var linkLocal = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("fd00:ec2::/32"),
}

// limits are the addresses that a run does not deny.
type limits struct {
	// protected are those that callers, the clean-up or the cluster need, sorted.
	protected []discovery.Protected
	// hosts are the names of protected hosts: name to the API that it serves.
	hosts map[string]string
	// subnetRanges are the blocks of the run's own subnet, within which no network ACL acts.
	subnetRanges []netip.Prefix
}

// exemption is why a destination is not denied.
type exemption struct {
	networkacl.Destination
	reason, message string
}

// exemptions are the destinations that must not or can't be denied, in their order.
func exemptions(destinations []networkacl.Destination, known limits) []exemption {
	var found []exemption
	for _, d := range destinations {
		if reason, message := known.against(d); reason != "" {
			found = append(found, exemption{d, reason, message})
		}
	}
	return found
}

// against is the reason not to deny a destination; empty: there is none.
func (l limits) against(d networkacl.Destination) (reason, message string) {
	if api := l.hosts[d.Hostname]; api != "" {
		return v1alpha1.ReasonProtectedAddress, fmt.Sprintf("%s is a host of %s", d.Hostname, api)
	}

	for _, needed := range l.protected {
		if d.CIDR.Contains(needed.Address) {
			return v1alpha1.ReasonProtectedAddress, subjectOf(d) + " " + needed.String()
		}
	}

	if d.Session != v1alpha1.EndpointAdditional {
		return "", "" // what agents connect to within the subnet is said as EndpointInSubnet
	}

	for _, own := range l.subnetRanges {
		if own.Overlaps(d.CIDR) {
			return v1alpha1.ReasonNetworkACLHasNoEffect, fmt.Sprintf("%s the subnet's own range %s, and no network ACL acts within a subnet", reaches(d), own)
		}
	}

	for _, local := range linkLocal {
		if local.Overlaps(d.CIDR) {
			return v1alpha1.ReasonNetworkACLHasNoEffect, fmt.Sprintf("%s %s, and network ACLs do not act on link-local traffic", reaches(d), local)
		}
	}
	return "", ""
}

// subjectOf begins a sentence about the protected address that a destination covers.
func subjectOf(d networkacl.Destination) string {
	if d.Hostname == "" {
		return d.CIDR.String() + " covers"
	}
	return d.Hostname + " shares the address"
}

// reaches begins a sentence about a range that a destination reaches into.
func reaches(d networkacl.Destination) string {
	if d.Hostname == "" {
		return d.CIDR.String() + " overlaps"
	}
	return fmt.Sprintf("%s of %s is in", d.CIDR.Addr(), d.Hostname)
}

// refusal is why a run with the destination does not begin, with what to do.
func (e exemption) refusal() *problem.Problem {
	fix := "leave the session that the host serves out of spec.sessions"
	switch {
	case e.Session == v1alpha1.EndpointAdditional && e.Hostname == "":
		fix = "name narrower ranges in spec.additionalEndpoints"
	case e.Session == v1alpha1.EndpointAdditional:
		fix = "take the host out of spec.additionalEndpoints"
	}
	if e.reason == v1alpha1.ReasonProtectedAddress {
		return problem.Refuse(e.reason, "%s, which callers, the clean-up or the cluster need, so that no run may deny it: %s", e.message, fix)
	}
	return problem.Refuse(e.reason, "%s: %s", e.message, fix)
}

// exemptionRefusals are why a run does not begin: of several addresses of a host the first that is
// exempt.
func exemptionRefusals(found []exemption) []error {
	var errs []error
	said := map[string]bool{}
	for _, e := range found {
		about := e.Hostname
		if about == "" {
			about = e.CIDR.String()
		}
		if !said[about] {
			errs = append(errs, e.refusal())
		}
		said[about] = true
	}
	return errs
}

// recordExemptions adds to the exemptions in a status those that it lacks. full says that it has no
// room for all.
func recordExemptions(recorded []v1alpha1.Exemption, found []exemption) (all []v1alpha1.Exemption, full bool) {
	all = slices.Clone(recorded)
	for _, e := range found {
		cidr := e.CIDR.String()
		if slices.ContainsFunc(all, func(x v1alpha1.Exemption) bool { return x.CIDR == cidr }) {
			continue
		}
		if len(all) >= v1alpha1.MaxExemptions {
			return all, true
		}
		all = append(all, v1alpha1.Exemption{CIDR: cidr, Reason: e.reason, Message: aws.Truncate(e.message, 512)})
	}

	slices.SortFunc(all, func(a, b v1alpha1.Exemption) int { return strings.Compare(a.CIDR, b.CIDR) })
	return all, false
}
