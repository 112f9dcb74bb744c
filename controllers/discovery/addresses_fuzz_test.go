// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

const fuzzedHost = "ecs-a-4.ap-northeast-1.amazonaws.com."

// liar is a DNS server on loopback that answers every query with the same bytes, under the query's id, and then, for a
// resolver that waits for something better, that it failed.
type liar struct {
	net.PacketConn

	mu    sync.Mutex
	bytes []byte
}

func lie(f *testing.F) *liar {
	f.Helper()
	var config net.ListenConfig
	conn, err := config.ListenPacket(f.Context(), "udp", "127.0.0.1:0")
	NewWithT(f).Expect(err).NotTo(HaveOccurred())
	l := &liar{PacketConn: conn}
	f.Cleanup(func() { _ = conn.Close() })
	go l.serve()
	return l
}

func (l *liar) serve() {
	buffer := make([]byte, 4096)
	for {
		n, from, err := l.ReadFrom(buffer)
		if err != nil {
			return // closed
		}
		var query dns.Msg
		if query.Unpack(buffer[:n]) != nil {
			continue
		}
		l.mu.Lock()
		answer := slices.Clone(l.bytes)
		l.mu.Unlock()
		if len(answer) >= 2 {
			copy(answer, buffer[:2])
			_, _ = l.WriteTo(answer, from) // a resolver that left hears nothing
		}
		if failed, err := new(dns.Msg).SetRcode(&query, dns.RcodeServerFailure).Pack(); err == nil {
			_, _ = l.WriteTo(failed, from)
		}
	}
}

func (l *liar) say(message []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes = message
}

// message is an answer with records as a zone file has them.
func message(f *testing.F, qtype uint16, change func(*dns.Msg), records ...string) []byte {
	f.Helper()
	m := new(dns.Msg).SetQuestion(fuzzedHost, qtype)
	m.Response, m.RecursionAvailable = true, true
	for _, text := range records {
		record, err := dns.NewRR(text)
		NewWithT(f).Expect(err).NotTo(HaveOccurred())
		m.Answer = append(m.Answer, record)
	}
	change(m)
	packed, err := m.Pack()
	NewWithT(f).Expect(err).NotTo(HaveOccurred())
	return packed
}

// Whatever a DNS server says, what comes of it is an address that stands in its answer and that agents could connect to,
// or a reason that is the same every time.
func FuzzDNSAnswer(f *testing.F) {
	as := func(*dns.Msg) {}
	for _, records := range [][]string{
		{fuzzedHost + " 60 IN A 52.119.223.69", fuzzedHost + " 60 IN A 52.119.219.115"},
		{fuzzedHost + " 60 IN CNAME x.example.", "x.example. 60 IN A 192.0.2.1"},
		{fuzzedHost + " 60 IN A 127.0.0.1", fuzzedHost + " 60 IN A 0.0.0.0", fuzzedHost + " 60 IN A 224.0.0.1"},
		{fuzzedHost + " 60 IN TXT \"192.0.2.1\""}, {fuzzedHost + " 60 CH A 192.0.2.1"}, nil,
	} {
		f.Add(message(f, dns.TypeA, as, records...), false)
		f.Add(message(f, dns.TypeAAAA, as, append(records, fuzzedHost+" 60 IN AAAA 2001:db8::1", fuzzedHost+" 60 IN AAAA ::ffff:192.0.2.7")...), true)
	}
	f.Add(message(f, dns.TypeA, func(m *dns.Msg) { m.Truncated = true }), false)
	f.Add(message(f, dns.TypeA, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }), true)
	f.Add(message(f, dns.TypeA, func(m *dns.Msg) { m.Question = nil }, fuzzedHost+" 60 IN A 192.0.2.1"), false)
	f.Add([]byte{0, 0, 0x80}, true)
	server := lie(f)
	resolver := discovery.NewResolver(server.LocalAddr().String())
	f.Fuzz(func(t *testing.T, answer []byte, ipv6 bool) {
		if len(answer) > 1200 {
			return // no more than a packet
		}
		g := NewWithT(t)
		server.say(answer)
		hosts := []string{strings.TrimSuffix(fuzzedHost, ".")}
		found := resolver.Lookup(t.Context(), hosts, ipv6)
		g.Expect(found).To(HaveLen(1))
		got := found[hosts[0]]
		g.Expect(got.Err == nil).To(Equal(len(got.Addresses) > 0), "%v", got)
		g.Expect(got.Lookups).To(And(BeNumerically(">=", 0), BeNumerically("<=", 4)))
		g.Expect(slices.IsSortedFunc(got.Addresses, netip.Addr.Compare)).To(BeTrue())
		g.Expect(slices.Compact(slices.Clone(got.Addresses))).To(HaveLen(len(got.Addresses)))
		for _, address := range got.Addresses {
			g.Expect(address.IsGlobalUnicast()).To(BeTrue(), "%v", address)
			g.Expect(address.Is4In6()).To(BeFalse(), "%v", address)
			g.Expect(address.Zone()).To(BeEmpty())
			g.Expect(ipv6 || address.Is4()).To(BeTrue(), "%v", address)
			g.Expect(bytes.Contains(answer, address.AsSlice())).To(BeTrue(), "%v was never said", address)
		}
		if got.Err != nil {
			why := discovery.Explain(got.Err)
			g.Expect(why).NotTo(BeEmpty())
			g.Expect(len(why)).To(BeNumerically("<", 200))
			g.Expect(strings.IndexFunc(why, unicode.IsControl)).To(Equal(-1))
			g.Expect(discovery.Explain(resolver.Lookup(t.Context(), hosts, ipv6)[hosts[0]].Err)).To(Equal(why))
		}
	})
}
