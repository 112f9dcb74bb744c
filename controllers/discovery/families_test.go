// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

// family is how a DNS server answers for one address family.
type family struct {
	rcode int
	has   []string
}

// families is a DNS server that answers each address family in its own way.
type families struct {
	four, six family
	askedSix  atomic.Bool
}

func (f *families) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(query)
	m.RecursionAvailable = true
	q := query.Question[0]
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 60}
	answer := f.four
	if q.Qtype == dns.TypeAAAA {
		f.askedSix.Store(true)
		answer = f.six
	}
	m.Rcode = answer.rcode
	for _, text := range answer.has {
		if q.Qtype == dns.TypeAAAA {
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: header, AAAA: net.ParseIP(text).To16()})
		} else {
			m.Answer = append(m.Answer, &dns.A{Hdr: header, A: net.ParseIP(text).To4()})
		}
	}
	_ = w.WriteMsg(m)
}

func serve(t *testing.T, handler dns.Handler) *discovery.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	started := make(chan struct{})
	server := &dns.Server{PacketConn: conn, Handler: handler, NotifyStartedFunc: func() { close(started) }}
	go func() { _ = server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = server.Shutdown() })
	return discovery.NewResolver(conn.LocalAddr().String())
}

func TestLookupOfBothFamilies(t *testing.T) {
	const fails, none = dns.RcodeServerFailure, dns.RcodeNameError
	for name, tc := range map[string]struct {
		four, six family
		want      []string
		explain   string
		failure   string // where an address was found all the same
	}{
		"both":                      {four: family{has: []string{"192.0.2.1"}}, six: family{has: []string{"2600:1f14::1"}}, want: []string{"192.0.2.1", "2600:1f14::1"}},
		"IPv4 alone":                {four: family{has: []string{"192.0.2.1"}}, want: []string{"192.0.2.1"}},
		"IPv6 alone":                {six: family{has: []string{"2600:1f14::1"}}, want: []string{"2600:1f14::1"}},
		"IPv4 where IPv6 fails":     {four: family{has: []string{"192.0.2.1"}}, six: family{rcode: fails}, want: []string{"192.0.2.1"}, failure: "AAAA: the DNS server fails"},
		"IPv6 where IPv4 fails":     {four: family{rcode: fails}, six: family{has: []string{"2600:1f14::1"}}, want: []string{"2600:1f14::1"}, failure: "A: the DNS server fails"},
		"a unique local address":    {six: family{has: []string{"fd00:ec2::1"}}, want: []string{"fd00:ec2::1"}},
		"an address behind NAT64":   {six: family{has: []string{"64:ff9b::c000:201"}}, want: []string{"64:ff9b::c000:201"}},
		"an IPv4 address in IPv6":   {six: family{has: []string{"::ffff:192.0.2.7"}}, explain: "it has no address that agents could connect to"},
		"the same in both":          {four: family{has: []string{"192.0.2.7"}}, six: family{has: []string{"::ffff:192.0.2.7"}}, want: []string{"192.0.2.7"}},
		"some that lead nowhere":    {six: family{has: []string{"::1", "::", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "2600:1f14::1"}}, want: []string{"2600:1f14::1"}},
		"neither":                   {four: family{rcode: none}, six: family{rcode: none}, explain: "no such host"},
		"neither, though it exists": {explain: "no such host"},
		"nothing but loopback":      {four: family{rcode: none}, six: family{has: []string{"::1"}}, explain: "it has no address that agents could connect to"},
		"both fail":                 {four: family{rcode: fails}, six: family{rcode: fails}, explain: "the DNS server fails"},
		"no IPv4, and IPv6 fails":   {six: family{rcode: fails}, explain: "the DNS server fails"},
		"no IPv6, and IPv4 fails":   {four: family{rcode: fails}, explain: "the DNS server fails"},
		"loopback, and IPv6 fails":  {four: family{has: []string{"127.0.0.1"}}, six: family{rcode: fails}, explain: "the DNS server fails"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := serve(t, &families{four: tc.four, six: tc.six})
			answer := r.Lookup(t.Context(), []string{"host.example"}, true)["host.example"]
			g.Expect(answer.Addresses).To(HaveLen(len(tc.want)))
			for i, text := range tc.want {
				g.Expect(answer.Addresses[i]).To(Equal(netip.MustParseAddr(text)))
			}
			if tc.explain == "" {
				g.Expect(answer.Err).NotTo(HaveOccurred())
				g.Expect(answer.Lookups).To(Equal(4))
				g.Expect(answer.Failure()).To(Equal(tc.failure), "a family that was not answered")
				g.Expect(answer.Answered()).To(BeTrue())
				return
			}
			g.Expect(answer.Err).To(HaveOccurred())
			g.Expect(discovery.Explain(answer.Err)).To(Equal(tc.explain))
			g.Expect(answer.Failure()).To(ContainSubstring(tc.explain))
			bothFail := tc.four.rcode == fails && tc.six.rcode == fails
			g.Expect(answer.Answered()).To(Equal(!bothFail), "that there is no such host is an answer")
		})
	}
}

func TestLookupAsksForIPv6OnlyWhereItIsWanted(t *testing.T) {
	g := NewWithT(t)
	server := &families{four: family{has: []string{"192.0.2.1"}}, six: family{has: []string{"2600:1f14::1"}}}
	r := serve(t, server)
	g.Expect(r.Lookup(t.Context(), []string{"host.example"}, false)["host.example"].Addresses).To(Equal(addresses("192.0.2.1")))
	g.Expect(server.askedSix.Load()).To(BeFalse())
	g.Expect(r.Lookup(t.Context(), []string{"host.example"}, true)["host.example"].Addresses).To(Equal(addresses("192.0.2.1", "2600:1f14::1")))
	g.Expect(server.askedSix.Load()).To(BeTrue())
}

// once is a DNS server that answers the first question and has something else to say to the others.
type once struct {
	first, then family
	asked       atomic.Int32
}

func (o *once) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	answer := o.then
	if o.asked.Add(1) == 1 {
		answer = o.first
	}
	(&families{four: answer}).ServeDNS(w, query)
}

func TestOneAnswerIsAnAnswer(t *testing.T) {
	for name, tc := range map[string]struct {
		first, then family
		explain     string
	}{
		"an address, then no such host":     {family{has: []string{"192.0.2.1"}}, family{rcode: dns.RcodeNameError}, ""},
		"no usable one, then no such host":  {family{has: []string{"127.0.0.1"}}, family{rcode: dns.RcodeNameError}, "it has no IPv4 address that agents could connect to"},
		"no usable one, then it is refused": {family{has: []string{"127.0.0.1"}}, family{rcode: dns.RcodeRefused}, "the DNS server fails"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			answer := serve(t, &once{first: tc.first, then: tc.then}).Lookup(t.Context(), []string{"host.example"}, false)["host.example"]
			g.Expect(answer.Lookups).To(Equal(1))
			g.Expect(answer.Answered()).To(BeTrue())
			g.Expect(answer.Families).To(Equal([]discovery.Family{{Record: "A"}}))
			if tc.explain == "" {
				g.Expect(answer.Err).NotTo(HaveOccurred())
			} else {
				g.Expect(discovery.Explain(answer.Err)).To(Equal(tc.explain))
			}
		})
	}
}
