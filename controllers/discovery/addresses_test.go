// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/dns"
)

// zone is what DNS knows in a test, and what it was asked for.
type zone struct {
	mu    sync.Mutex
	hosts map[string][]netip.Addr
	asked []string
}

func (z *zone) Lookup(host string) []netip.Addr {
	z.mu.Lock()
	defer z.mu.Unlock()
	if !slices.Contains(z.asked, host) {
		z.asked = append(z.asked, host)
	}
	return z.hosts[host]
}

// names are those that were asked for.
func (z *zone) names() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.asked)
}

func addresses(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func resolver(t *testing.T, options dns.Options) (*discovery.Resolver, *dns.Server) {
	t.Helper()
	server, err := dns.Start(t.Context(), options)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = server.Close() })
	return discovery.NewResolver(server.Addr()), server
}

func TestLookupGivesTheUnionOfRotatingAnswers(t *testing.T) {
	g := NewWithT(t)
	const a, b = "ecs-a-4.ap-northeast-1.amazonaws.com", "ecs-t-4.ap-northeast-1.amazonaws.com"
	z := &zone{hosts: map[string][]netip.Addr{
		a: addresses("52.119.223.69", "52.119.219.115", "52.119.220.39"), b: addresses("52.119.221.107", "52.119.223.82", "52.119.219.118"),
	}}
	r, _ := resolver(t, dns.Options{Zone: z})
	answers := r.Lookup(t.Context(), []string{a, b}, false)
	g.Expect(answers).To(HaveLen(2))
	g.Expect(answers[a]).To(Equal(discovery.Answer{Addresses: addresses("52.119.219.115", "52.119.220.39", "52.119.223.69"), Lookups: 4, Families: []discovery.Family{{Record: "A"}}}))
	g.Expect(answers[b]).To(Equal(discovery.Answer{Addresses: addresses("52.119.219.118", "52.119.221.107", "52.119.223.82"), Lookups: 4, Families: []discovery.Family{{Record: "A"}}}))
}

func TestLookupOfNothingAsksNothing(t *testing.T) {
	g := NewWithT(t)
	z := &zone{}
	r, _ := resolver(t, dns.Options{Zone: z})
	g.Expect(r.Lookup(t.Context(), nil, false)).To(BeEmpty())
	g.Expect(z.names()).To(BeEmpty())
}

func TestLookupBehindACacheGivesTheOneThatItHolds(t *testing.T) {
	g := NewWithT(t)
	z := &zone{hosts: map[string][]netip.Addr{"ecs-a.example": addresses("192.0.2.1", "192.0.2.2")}}
	r, _ := resolver(t, dns.Options{Zone: z, HoldTTL: true})
	g.Expect(r.Lookup(t.Context(), []string{"ecs-a.example"}, false)["ecs-a.example"]).
		To(Equal(discovery.Answer{Addresses: addresses("192.0.2.1"), Lookups: 4, Families: []discovery.Family{{Record: "A"}}}))
}

func TestLookupLeavesOutWhatNoAgentConnectsToOverANetwork(t *testing.T) {
	for name, tc := range map[string]struct {
		has     []string
		want    []string
		explain string
	}{
		"one of three":            {has: []string{"127.0.0.1", "169.254.1.1", "192.0.2.1"}, want: []string{"192.0.2.1"}},
		"IPv4 beside IPv6":        {has: []string{"192.0.2.1", "2001:db8::1"}, want: []string{"192.0.2.1"}},
		"a private address":       {has: []string{"10.0.0.7"}, want: []string{"10.0.0.7"}},
		"loopback beside another": {has: []string{"127.0.0.1", "192.0.2.1"}, want: []string{"192.0.2.1"}},
		"loopback alone":          {has: []string{"127.0.0.1"}, explain: "it has no IPv4 address that agents could connect to"},
		"nowhere":                 {has: []string{"0.0.0.0"}, explain: "it has no IPv4 address that agents could connect to"},
		"link-local":              {has: []string{"169.254.169.254"}, explain: "it has no IPv4 address that agents could connect to"},
		"multicast":               {has: []string{"224.0.0.1"}, explain: "it has no IPv4 address that agents could connect to"},
		"broadcast":               {has: []string{"255.255.255.255"}, explain: "it has no IPv4 address that agents could connect to"},
		"IPv6 alone":              {has: []string{"2001:db8::1"}, explain: "no such host"},
		"nothing":                 {explain: "no such host"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r, _ := resolver(t, dns.Options{Zone: &zone{hosts: map[string][]netip.Addr{"host.example": addresses(tc.has...)}}})
			answer := r.Lookup(t.Context(), []string{"host.example"}, false)["host.example"]
			g.Expect(answer.Addresses).To(Equal(addresses(tc.want...)), "%v", answer.Err)
			if tc.explain != "" {
				g.Expect(answer.Err).To(HaveOccurred())
				g.Expect(discovery.Explain(answer.Err)).To(Equal(tc.explain))
			}
		})
	}
}

func TestLookupAsksForTheNameItselfAndNoOther(t *testing.T) {
	g := NewWithT(t)
	z := &zone{}
	r, _ := resolver(t, dns.Options{Zone: z})
	answers := r.Lookup(t.Context(), []string{"ecs-a.nowhere.example"}, false)
	g.Expect(discovery.Explain(answers["ecs-a.nowhere.example"].Err)).To(Equal("no such host"))
	g.Expect(z.names()).To(Equal([]string{"ecs-a.nowhere.example"}), "a search domain of the pod would put hosts of the cluster in its place")
}

func TestLookupOfAHostThatFailsLeavesTheOthersAlone(t *testing.T) {
	g := NewWithT(t)
	r, server := resolver(t, dns.Options{Zone: &zone{hosts: map[string][]netip.Addr{
		"good.example": addresses("192.0.2.1"), "bad.example": addresses("192.0.2.2"),
	}}})
	server.SetFailing("bad.example", true)
	answers := r.Lookup(t.Context(), []string{"bad.example", "good.example", "none.example"}, false)
	g.Expect(answers["good.example"].Addresses).To(Equal(addresses("192.0.2.1")))
	g.Expect(discovery.Explain(answers["bad.example"].Err)).To(Equal("the DNS server fails"))
	g.Expect(discovery.Explain(answers["none.example"].Err)).To(Equal("no such host"))

	server.SetFailing("bad.example", false)
	g.Expect(r.Lookup(t.Context(), []string{"bad.example"}, false)["bad.example"].Err).NotTo(HaveOccurred())
}

func TestLookupsOfManyHostsAllComeBack(t *testing.T) {
	g := NewWithT(t)
	z := &zone{hosts: map[string][]netip.Addr{}}
	var names []string
	for i := range 64 {
		names = append(names, fmt.Sprintf("host-%d.example", i))
		z.hosts[names[i]] = addresses(fmt.Sprintf("192.0.2.%d", i))
	}
	r, _ := resolver(t, dns.Options{Zone: z})
	answers := r.Lookup(t.Context(), names, false)
	for _, name := range names {
		g.Expect(answers[name].Err).NotTo(HaveOccurred(), name)
		g.Expect(answers[name].Addresses).To(Equal(z.hosts[name]), name)
	}
}

// systemServer is the DNS server that the system's resolver asks; nil: that of the machine.
var systemServer atomic.Pointer[string]

// The system's resolver is replaced before any test: connections of tests that are over may still read it.
func TestMain(m *testing.M) {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if server := systemServer.Load(); server != nil {
			address = *server
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	m.Run()
}

// Without a server the system's own resolver is asked, as a manager does that has no --dns-server.
func TestLookupAsksTheSystemsResolverByDefault(t *testing.T) {
	g := NewWithT(t)
	_, server := resolver(t, dns.Options{Zone: &zone{hosts: map[string][]netip.Addr{"a.example": addresses("52.119.223.69")}}})
	systemServer.Store(new(server.Addr()))
	t.Cleanup(func() { systemServer.Store(nil) })
	answer := discovery.NewResolver("").Lookup(t.Context(), []string{"a.example"}, false)["a.example"]
	g.Expect(answer.Err).NotTo(HaveOccurred())
	g.Expect(answer.Addresses).To(Equal(addresses("52.119.223.69")))
}

// silence is a DNS server that says nothing.
func silence(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().String()
}

func TestLookupDoesNotWaitForAServerThatSaysNothing(t *testing.T) {
	g := NewWithT(t)
	r := discovery.NewResolver(silence(t))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	names := []string{"a.example", "b.example"}
	for name, answer := range r.Lookup(ctx, names, false) {
		g.Expect(answer.Addresses).To(BeEmpty(), name)
		g.Expect(discovery.Explain(answer.Err)).To(Equal("the DNS server does not answer"), "%v", answer.Err)
	}
}

func TestExplainSaysTheSameForTheSameCause(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Err: "no such host", IsNotFound: true, Server: "10.0.0.2:53"}, "no such host"},
		{&net.DNSError{Err: "read udp 10.0.0.1:5353->10.0.0.2:53: i/o timeout", IsTimeout: true}, "the DNS server does not answer"},
		{&net.DNSError{Err: "server misbehaving", IsTemporary: true}, "the DNS server fails"},
		{fmt.Errorf("looking up: %w", context.DeadlineExceeded), "the DNS server does not answer"},
		{errors.New("it has none"), "it has none"},
	} {
		NewWithT(t).Expect(discovery.Explain(tc.err)).To(Equal(tc.want))
	}
}

func TestExplainOfAServerThatIsNotThere(t *testing.T) {
	g := NewWithT(t)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	address := conn.LocalAddr().String()
	g.Expect(conn.Close()).To(Succeed())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer := discovery.NewResolver(address).Lookup(ctx, []string{"a.example"}, false)["a.example"]
	g.Expect(discovery.Explain(answer.Err)).To(Or(Equal("the DNS server fails"), Equal("the DNS server does not answer")), "%v", answer.Err)
}

func TestResolversAreNamed(t *testing.T) {
	g := NewWithT(t)
	g.Expect(discovery.NewResolver("").String()).To(Equal("the system's resolver"))
	g.Expect(discovery.NewResolver("192.0.2.53:53").String()).To(Equal("DNS server 192.0.2.53:53"))
}
