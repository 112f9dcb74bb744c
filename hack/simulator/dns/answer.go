// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
	"k8s.io/utils/clock"
)

// answerer is what the views of a server share.
type answerer struct {
	ttl   time.Duration
	hold  bool
	clock clock.PassiveClock

	mu      sync.Mutex
	failing map[string]bool
}

// view turns queries into answers from one zone.
type view struct {
	*answerer
	zone  Zone
	turns map[question]int
	held  map[question]heldAnswer
}

func (a *answerer) view(z Zone) *view {
	return &view{answerer: a, zone: z, turns: map[question]int{}, held: map[question]heldAnswer{}}
}

// question is what answers are held for and addresses take turns in.
type question struct {
	host  string
	qtype uint16
}

type heldAnswer struct {
	addrs   []netip.Addr
	expires time.Time
}

func newAnswerer(o Options) *answerer {
	a := &answerer{
		ttl:     o.TTL,
		hold:    o.HoldTTL,
		clock:   o.Clock,
		failing: map[string]bool{},
	}
	if a.ttl <= 0 {
		a.ttl = DefaultTTL
	}
	if a.clock == nil {
		a.clock = clock.RealClock{}
	}
	return a
}

func (a *answerer) setFailing(host string, failing bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if failing {
		a.failing[host] = true
		return
	}
	delete(a.failing, host)
}

// ServeDNS answers one query.
func (a *view) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	// A query that can't be answered any more was sent by a client that is gone.
	_ = w.WriteMsg(a.reply(query))
}

func (a *view) reply(query *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(query)
	// A resolver offers recursion, an authoritative server speaks for itself; clients take a reply that does neither
	// for a lame one.
	m.Authoritative, m.RecursionAvailable = !a.hold, a.hold
	if opt := query.IsEdns0(); opt != nil {
		m.SetEdns0(dns.DefaultMsgSize, opt.Do())
	}
	if query.Opcode != dns.OpcodeQuery || len(query.Question) != 1 || query.Question[0].Qclass != dns.ClassINET {
		m.Rcode = dns.RcodeNotImplemented
		return m
	}
	q := query.Question[0]
	addrs, ttl, rcode := a.answer(question{canonical(q.Name), q.Qtype})
	m.Rcode = rcode
	for _, addr := range addrs {
		m.Answer = append(m.Answer, record(q, addr, ttl))
	}
	return m
}

// answer is the one address whose turn it is, if the host has any of the family; for a whole answer, all of them from
// that one on.
func (a *view) answer(q question) ([]netip.Addr, time.Duration, int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failing[q.host] {
		return nil, 0, dns.RcodeServerFailure
	}
	now := a.clock.Now()
	if h, ok := a.held[q]; ok && now.Before(h.expires) {
		return h.addrs, h.expires.Sub(now), dns.RcodeSuccess
	}
	all := a.zone.Lookup(q.host)
	if len(all) == 0 {
		return nil, 0, dns.RcodeNameError
	}
	addrs := slices.DeleteFunc(slices.Clone(all), func(addr netip.Addr) bool { return recordType(addr) != q.qtype })
	if len(addrs) == 0 {
		return nil, 0, dns.RcodeSuccess
	}
	turn := a.turns[q] % len(addrs)
	a.turns[q] = (turn + 1) % len(addrs)
	addrs = slices.Concat(addrs[turn:], addrs[:turn])
	if w, ok := a.zone.(WholeZone); !ok || !w.Whole(q.host) {
		addrs = addrs[:1]
	}
	if a.hold {
		a.held[q] = heldAnswer{addrs, now.Add(a.ttl)}
	}
	return addrs, a.ttl, dns.RcodeSuccess
}

func recordType(addr netip.Addr) uint16 {
	if addr.Unmap().Is4() {
		return dns.TypeA
	}
	return dns.TypeAAAA
}

func record(q dns.Question, addr netip.Addr, ttl time.Duration) dns.RR {
	// A record with a TTL of zero may not be kept at all; one that is held still has a part of a second.
	seconds := max(1, uint32(ttl/time.Second))
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: seconds}
	if q.Qtype == dns.TypeA {
		return &dns.A{Hdr: header, A: addr.Unmap().AsSlice()}
	}
	return &dns.AAAA{Hdr: header, AAAA: addr.AsSlice()}
}
