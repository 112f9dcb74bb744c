// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
)

const private = "ecs-a.ap-northeast-1.amazonaws.com"

// inside is what the resolver of a VPC with an interface endpoint knows.
type inside struct{ zone }

func (z inside) Whole(host string) bool { return host == private }

func (z inside) Lookup(host string) []netip.Addr {
	if host == private {
		return addrs("10.0.1.254", "10.0.2.254", "2001:db8::254")
	}
	return z.zone.Lookup(host)
}

func answers(m *dns.Msg) (out []string) {
	for _, rr := range m.Answer {
		switch r := rr.(type) {
		case *dns.A:
			out = append(out, r.A.String())
		case *dns.AAAA:
			out = append(out, r.AAAA.String())
		}
	}
	return out
}

func TestView(t *testing.T) {
	g := NewWithT(t)
	s := start(t, Options{})
	addr, err := s.AddView(t.Context(), inside{region})
	g.Expect(err).NotTo(HaveOccurred())
	view := &Server{addr: addr}

	g.Expect(query(t, s, "udp", private, dns.TypeA).Rcode).To(Equal(dns.RcodeNameError))
	g.Expect(answers(query(t, view, "udp", private, dns.TypeA))).To(Equal([]string{"10.0.1.254", "10.0.2.254"}))
	g.Expect(answers(query(t, view, "tcp", private, dns.TypeA))).To(Equal([]string{"10.0.2.254", "10.0.1.254"}), "the next one first")
	g.Expect(answers(query(t, view, "udp", private, dns.TypeAAAA))).To(Equal([]string{"2001:db8::254"}))
	// Other hosts take turns in each view by themselves.
	g.Expect(answers(query(t, view, "udp", acs, dns.TypeA))).To(Equal([]string{"52.119.223.69"}))
	g.Expect(answers(query(t, view, "udp", acs, dns.TypeA))).To(Equal([]string{"52.119.219.115"}))
	g.Expect(answers(query(t, s, "udp", acs, dns.TypeA))).To(Equal([]string{"52.119.223.69"}))

	s.SetFailing(private, true)
	g.Expect(query(t, view, "udp", private, dns.TypeA).Rcode).To(Equal(dns.RcodeServerFailure))
	g.Expect(s.Close()).To(Succeed())
	_, err = s.AddView(t.Context(), inside{region})
	g.Expect(err).To(HaveOccurred())
}

// A whole answer that is held is given again as it was.
func TestHeldWholeAnswer(t *testing.T) {
	g := NewWithT(t)
	s := start(t, Options{Zone: inside{region}, HoldTTL: true})
	for range 2 {
		g.Expect(answers(query(t, s, "udp", private, dns.TypeA))).To(Equal([]string{"10.0.1.254", "10.0.2.254"}))
	}
}
