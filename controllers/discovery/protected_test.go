// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	simdns "agentdisconnect.dev/agentdisconnect/hack/simulator/dns"
)

// Hosts of protected APIs in a zone: one that callers need, another one, and one that is an address.
var (
	neededAPI = aws.APIHost{Hostname: "ecs.example", API: "the ECS API", Required: true}
	otherAPI  = aws.APIHost{Hostname: "scheduler.example", API: "the EventBridge Scheduler API"}
	literal   = aws.APIHost{Hostname: "192.0.2.9", API: "the AWS API that the manager calls"}
)

func protected(address string, host aws.APIHost) discovery.Protected {
	return discovery.Protected{Address: netip.MustParseAddr(address), Name: host.Hostname, API: host.API}
}

func TestProtectedAddressesAreThoseOfAllHosts(t *testing.T) {
	for name, tc := range map[string]struct {
		hosts []aws.APIHost
		ipv6  bool
		want  []discovery.Protected
	}{
		"none": {},
		"IPv4": {hosts: []aws.APIHost{otherAPI, neededAPI}, want: []discovery.Protected{
			protected("192.0.2.1", neededAPI), protected("192.0.2.2", neededAPI), protected("192.0.2.2", otherAPI),
		}},
		"both families": {hosts: []aws.APIHost{neededAPI}, ipv6: true, want: []discovery.Protected{
			protected("192.0.2.1", neededAPI), protected("192.0.2.2", neededAPI), protected("2001:db8::1", neededAPI),
		}},
		"an address": {hosts: []aws.APIHost{literal}, want: []discovery.Protected{protected("192.0.2.9", literal)}},
		"an IPv6 address with a zone": {
			hosts: []aws.APIHost{{Hostname: "fe80::1%eth0", API: "x"}}, want: []discovery.Protected{{netip.MustParseAddr("fe80::1"), "fe80::1%eth0", "x"}},
		},
		"an IPv4 address in IPv6": {
			hosts: []aws.APIHost{{Hostname: "::ffff:192.0.2.9", API: "x"}}, want: []discovery.Protected{{netip.MustParseAddr("192.0.2.9"), "::ffff:192.0.2.9", "x"}},
		},
		"one that need not exist": {
			hosts: []aws.APIHost{{Hostname: "nowhere.example", API: "x"}, literal}, want: []discovery.Protected{protected("192.0.2.9", literal)},
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
	second := aws.APIHost{Hostname: "sts.example", API: "the STS API", Required: true}
	found, err := r.LookupProtected(t.Context(), []aws.APIHost{otherAPI, neededAPI, second}, false)
	g.Expect(found).To(Equal([]discovery.Protected{protected("192.0.2.2", otherAPI)}))
	g.Expect(err).To(MatchError("ecs.example (the ECS API) has no address as far as lookups tell: no such host"))
	unknown, ok := errors.AsType[*discovery.UnprotectedError](err)
	g.Expect(ok).To(BeTrue())
	g.Expect(unknown.NotFound()).To(BeTrue())
	_, ofDNS := errors.AsType[*net.DNSError](err)
	g.Expect(ofDNS).To(BeTrue(), "what the DNS said is kept")

	// A server that fails says nothing of the host.
	_, err = serve(t, &families{four: family{rcode: dns.RcodeServerFailure}}).LookupProtected(t.Context(), []aws.APIHost{neededAPI}, false)
	unknown, ok = errors.AsType[*discovery.UnprotectedError](err)
	g.Expect(ok).To(BeTrue(), "%v", err)
	g.Expect(unknown.NotFound()).To(BeFalse())
}

func TestProtectedAddressesAreOrderedByAddressAndName(t *testing.T) {
	g := NewWithT(t)
	all := []discovery.Protected{protected("192.0.2.2", otherAPI), protected("192.0.2.2", neededAPI), protected("192.0.2.1", otherAPI)}
	discovery.SortProtected(all)
	g.Expect(all).To(Equal([]discovery.Protected{protected("192.0.2.1", otherAPI), protected("192.0.2.2", neededAPI), protected("192.0.2.2", otherAPI)}))
	g.Expect(all[0].String()).To(Equal("192.0.2.1 of scheduler.example (the EventBridge Scheduler API)"))
}
