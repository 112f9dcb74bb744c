// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"
	testclock "k8s.io/utils/clock/testing"
)

// patience bounds what would never come. No test depends on how fast the machine is.
const patience = 5 * time.Minute

func TestMain(m *testing.M) {
	SetDefaultEventuallyTimeout(patience)
	m.Run()
}

const acs = "ecs-a-4.ap-northeast-1.amazonaws.com"

// zone is a Zone that never changes.
type zone map[string][]netip.Addr

func (z zone) Lookup(host string) []netip.Addr { return z[host] }

var region = zone{
	acs:                addrs("52.119.223.69", "52.119.219.115", "52.119.220.39"),
	"dual.example.com": addrs("192.0.2.1", "2001:db8::1", "2001:db8::2"),
}

func addrs(ss ...string) []netip.Addr {
	var as []netip.Addr
	for _, s := range ss {
		as = append(as, netip.MustParseAddr(s))
	}
	return as
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	g := NewWithT(t)
	if o.Zone == nil {
		o.Zone = region
	}
	s, err := Start(t.Context(), o)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(s.Close()).To(Succeed()) })
	return s
}

func query(t *testing.T, s *Server, network, name string, qtype uint16) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), qtype)
	c := dns.Client{Net: network, Timeout: time.Minute}
	reply, _, err := c.ExchangeContext(t.Context(), m, s.Addr())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return reply
}

// lookup gives the addresses of n lookups in a row.
func lookup(t *testing.T, s *Server, name string, n int) []netip.Addr {
	t.Helper()
	var as []netip.Addr
	for range n {
		reply := query(t, s, "udp", name, dns.TypeA)
		NewWithT(t).Expect(reply.Answer).To(HaveLen(1), "one address an answer")
		a, _ := netip.AddrFromSlice(reply.Answer[0].(*dns.A).A.To4())
		as = append(as, a)
	}
	return as
}

func TestAddressesTakeTurns(t *testing.T) {
	g := NewWithT(t)
	s := start(t, Options{})
	twice := lookup(t, s, acs, 6)
	g.Expect(twice[:3]).To(ConsistOf(region[acs]))
	g.Expect(twice[3:]).To(Equal(twice[:3]))

	reply := query(t, s, "tcp", acs, dns.TypeA)
	g.Expect(reply.Answer).To(HaveLen(1))
	g.Expect(reply.Answer[0].Header().Ttl).To(Equal(uint32(60)))
	g.Expect(reply.Authoritative).To(BeTrue())
}

func TestQueryTypesTakeTurnsByThemselves(t *testing.T) {
	g := NewWithT(t)
	s := start(t, Options{})
	// Resolvers ask for both families at once. If that used up two turns, a host with an even number of addresses
	// would never show half of them.
	var seen []string
	for range 2 {
		query(t, s, "udp", "dual.example.com", dns.TypeA)
		seen = append(seen, query(t, s, "udp", "dual.example.com", dns.TypeAAAA).Answer[0].(*dns.AAAA).AAAA.String())
	}
	g.Expect(seen).To(ConsistOf("2001:db8::1", "2001:db8::2"))
}

func TestAnswersWithoutAddress(t *testing.T) {
	s := start(t, Options{})
	for name, c := range map[string]struct {
		host  string
		qtype uint16
		rcode int
	}{
		"unknown host":      {"nobody.example.com", dns.TypeA, dns.RcodeNameError},
		"unknown host, v6":  {"nobody.example.com", dns.TypeAAAA, dns.RcodeNameError},
		"only other family": {acs, dns.TypeAAAA, dns.RcodeSuccess},
		"other type":        {acs, dns.TypeTXT, dns.RcodeSuccess},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			reply := query(t, s, "udp", c.host, c.qtype)
			g.Expect(dns.RcodeToString[reply.Rcode]).To(Equal(dns.RcodeToString[c.rcode]))
			g.Expect(reply.Answer).To(BeEmpty())
		})
	}
}

func TestNamesAreComparedWithoutCaseAndAnsweredInTheirs(t *testing.T) {
	g := NewWithT(t)
	s := start(t, Options{})
	reply := query(t, s, "udp", "ECS-a-4.AP-northeast-1.amazonaws.com.", dns.TypeA)
	g.Expect(reply.Answer).To(HaveLen(1))
	g.Expect(reply.Answer[0].Header().Name).To(Equal("ECS-a-4.AP-northeast-1.amazonaws.com."))
}

func TestFailingHost(t *testing.T) {
	g := NewWithT(t)
	s := start(t, Options{HoldTTL: true})
	lookup(t, s, acs, 1)
	s.SetFailing("ECS-A-4.ap-northeast-1.amazonaws.com.", true)
	g.Expect(query(t, s, "udp", acs, dns.TypeA).Rcode).To(Equal(dns.RcodeServerFailure))
	g.Expect(query(t, s, "udp", "dual.example.com", dns.TypeA).Rcode).To(Equal(dns.RcodeSuccess))
	s.SetFailing(acs, false)
	lookup(t, s, acs, 1)
}

func TestHeldAnswer(t *testing.T) {
	g := NewWithT(t)
	clock := testclock.NewFakePassiveClock(time.Unix(1_700_000_000, 0))
	s := start(t, Options{HoldTTL: true, TTL: 30 * time.Second, Clock: clock})

	first := lookup(t, s, acs, 5)
	g.Expect(slices.Compact(first)).To(HaveLen(1))
	clock.SetTime(clock.Now().Add(29500 * time.Millisecond))
	reply := query(t, s, "udp", acs, dns.TypeA)
	g.Expect(reply.Answer[0].(*dns.A).A.String()).To(Equal(first[0].String()))
	g.Expect(reply.Answer[0].Header().Ttl).To(Equal(uint32(1)))
	g.Expect(reply.RecursionAvailable).To(BeTrue())

	clock.SetTime(clock.Now().Add(time.Second))
	g.Expect(lookup(t, s, acs, 1)).NotTo(Equal(first[:1]), "the next address's turn")
}

func TestOtherOperationsAreNotImplemented(t *testing.T) {
	g := NewWithT(t)
	s := start(t, Options{})
	m := new(dns.Msg)
	m.SetQuestion(acs+".", dns.TypeA)
	m.Question[0].Qclass = dns.ClassCHAOS
	reply, err := dns.ExchangeContext(t.Context(), m, s.Addr())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.Rcode).To(Equal(dns.RcodeNotImplemented))
}

// The resolver that the manager uses understands every kind of answer.
func TestGoResolver(t *testing.T) {
	g := NewWithT(t)
	s := start(t, Options{})
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, s.Addr())
	}}
	found := map[netip.Addr]bool{}
	for range 3 {
		as, err := r.LookupNetIP(t.Context(), "ip", acs+".")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(as).To(HaveLen(1))
		found[as[0].Unmap()] = true
	}
	g.Expect(found).To(HaveLen(3))

	_, err := r.LookupNetIP(t.Context(), "ip", "nobody.example.com.")
	var dnsErr *net.DNSError
	g.Expect(errors.As(err, &dnsErr)).To(BeTrue())
	g.Expect(dnsErr.IsNotFound).To(BeTrue())

	s.SetFailing(acs, true)
	_, err = r.LookupNetIP(t.Context(), "ip", acs+".")
	g.Expect(errors.As(err, &dnsErr)).To(BeTrue())
	g.Expect(dnsErr.IsTemporary).To(BeTrue())
	g.Expect(dnsErr.IsNotFound).To(BeFalse())
}

func TestStartAndEnd(t *testing.T) {
	g := NewWithT(t)
	before := gleak.Goroutines()
	_, err := Start(t.Context(), Options{})
	g.Expect(err).To(MatchError(ContainSubstring("zone")))

	ctx, cancel := context.WithCancel(t.Context())
	s, err := Start(ctx, Options{Zone: region})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = Start(ctx, Options{Zone: region, Addr: s.Addr()})
	g.Expect(err).To(MatchError(ContainSubstring("in use")))

	cancel()
	g.Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before))
	g.Expect(s.Close()).To(Succeed(), "it ended with its context already")
}
