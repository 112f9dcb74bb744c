// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws/apihosts"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	simdns "agentdisconnect.dev/agentdisconnect/hack/simulator/dns"
)

// Hosts of protected APIs in a zone: one that callers need, another one, and one that is an address.
var (
	neededAPI = apihosts.Host{Hostname: "ecs.example", API: "the ECS API", Required: true}
	otherAPI  = apihosts.Host{Hostname: "scheduler.example", API: "the EventBridge Scheduler API"}
	literal   = apihosts.Host{Hostname: "192.0.2.9", API: "the AWS API that the manager calls"}
)

func protected(address string, host apihosts.Host) discovery.Protected {
	return discovery.Protected{Address: netip.MustParseAddr(address), Name: host.Hostname, API: host.API}
}

func TestProtectedAddressesAreThoseOfAllHosts(t *testing.T) {
	for name, tc := range map[string]struct {
		hosts []apihosts.Host
		ipv6  bool
		want  []discovery.Protected
	}{
		"none": {},
		"IPv4": {hosts: []apihosts.Host{otherAPI, neededAPI}, want: []discovery.Protected{
			protected("192.0.2.1", neededAPI), protected("192.0.2.2", neededAPI), protected("192.0.2.2", otherAPI),
		}},
		"both families": {hosts: []apihosts.Host{neededAPI}, ipv6: true, want: []discovery.Protected{
			protected("192.0.2.1", neededAPI), protected("192.0.2.2", neededAPI), protected("2001:db8::1", neededAPI),
		}},
		"an address": {hosts: []apihosts.Host{literal}, want: []discovery.Protected{protected("192.0.2.9", literal)}},
		"an IPv6 address with a zone": {
			hosts: []apihosts.Host{{Hostname: "fe80::1%eth0", API: "x"}}, want: []discovery.Protected{{netip.MustParseAddr("fe80::1"), "fe80::1%eth0", "x"}},
		},
		"an IPv4 address in IPv6": {
			hosts: []apihosts.Host{{Hostname: "::ffff:192.0.2.9", API: "x"}}, want: []discovery.Protected{{netip.MustParseAddr("192.0.2.9"), "::ffff:192.0.2.9", "x"}},
		},
		"one that need not exist": {
			hosts: []apihosts.Host{{Hostname: "nowhere.example", API: "x"}, literal}, want: []discovery.Protected{protected("192.0.2.9", literal)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			z := &zone{hosts: map[string][]netip.Addr{
				neededAPI.Hostname: addresses("192.0.2.2", "192.0.2.1", "2001:db8::1"), otherAPI.Hostname: addresses("192.0.2.2"),
			}}
			r, _ := resolver(t, simdns.Options{Zone: z})
			found, err := r.LookupProtected(t.Context(), tc.hosts, tc.ipv6)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found).To(Equal(tc.want))
			g.Expect(z.names()).NotTo(ContainElement(literal.Hostname), "an address is no name to look up")
		})
	}
}

// A run that can't know an address that it must not deny doesn't begin: the error names the first
// of such hosts, and what is
// known of the others is given beside it.
func TestARequiredHostWithoutAnAddressIsToldBesideTheOthers(t *testing.T) {
	g := NewWithT(t)
	z := &zone{hosts: map[string][]netip.Addr{otherAPI.Hostname: addresses("192.0.2.2")}}
	r, _ := resolver(t, simdns.Options{Zone: z})
	second := apihosts.Host{Hostname: "sts.example", API: "the STS API", Required: true}
	found, err := r.LookupProtected(t.Context(), []apihosts.Host{otherAPI, neededAPI, second}, false)
	g.Expect(found).To(Equal([]discovery.Protected{protected("192.0.2.2", otherAPI)}))
	g.Expect(err).To(MatchError("the addresses of ecs.example (the ECS API) are not all known: no such host"))
	unknown, ok := errors.AsType[*discovery.UnprotectedError](err)
	g.Expect(ok).To(BeTrue())
	g.Expect(unknown.NotFound).To(BeTrue())

	// A server that fails says nothing of the host.
	_, err = serve(t, &families{four: family{rcode: dns.RcodeServerFailure}}).LookupProtected(t.Context(), []apihosts.Host{neededAPI}, false)
	unknown, ok = errors.AsType[*discovery.UnprotectedError](err)
	g.Expect(ok).To(BeTrue(), "%v", err)
	g.Expect(unknown.NotFound).To(BeFalse())
}

// That a host need not exist is for the DNS to say: a server that does not answer says nothing, and may hide an address of either
// family.
func TestNoAnswerAboutAProtectedHostIsNoneOfNoAddress(t *testing.T) {
	failing := family{rcode: dns.RcodeServerFailure}
	for name, tc := range map[string]struct {
		zone *families
		fine bool
	}{
		"no such host":                {&families{four: family{rcode: dns.RcodeNameError}, six: family{rcode: dns.RcodeNameError}}, true},
		"the server fails":            {&families{four: failing, six: failing}, false},
		"it fails for one family":     {&families{four: family{rcode: dns.RcodeNameError}, six: failing}, false},
		"it fails beside an address":  {&families{four: family{has: []string{"192.0.2.2"}}, six: failing}, false},
		"one family has no addresses": {&families{four: family{has: []string{"192.0.2.2"}}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			found, err := serve(t, tc.zone).LookupProtected(t.Context(), []apihosts.Host{otherAPI}, true)
			if len(tc.zone.four.has) > 0 {
				g.Expect(found).To(Equal([]discovery.Protected{protected("192.0.2.2", otherAPI)}))
			}
			if tc.fine {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			unknown, ok := errors.AsType[*discovery.UnprotectedError](err)
			g.Expect(ok).To(BeTrue(), "%v", err)
			g.Expect(unknown.Hostname).To(Equal(otherAPI.Hostname))
			g.Expect(unknown.NotFound).To(BeFalse())
		})
	}
}

func TestProtectedAddressesAreOrderedByAddressAndName(t *testing.T) {
	g := NewWithT(t)
	all := []discovery.Protected{protected("192.0.2.2", otherAPI), protected("192.0.2.2", neededAPI), protected("192.0.2.1", otherAPI)}
	discovery.SortProtected(all)
	g.Expect(all).To(Equal([]discovery.Protected{protected("192.0.2.1", otherAPI), protected("192.0.2.2", neededAPI), protected("192.0.2.2", otherAPI)}))
	g.Expect(all[0].String()).To(Equal("192.0.2.1 of scheduler.example (the EventBridge Scheduler API)"))
}
