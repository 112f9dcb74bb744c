// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// fixed is a zone of one host.
type fixed struct{}

func (fixed) Lookup(host string) []netip.Addr {
	if host != "ecs-a.example" {
		return nil
	}
	return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.2")}
}

// Every query that can be read gets an answer that can be read: to its question, with addresses of the kind asked for.
func FuzzReply(f *testing.F) {
	for _, q := range []struct {
		name  string
		qtype uint16
	}{{"ecs-a.example.", dns.TypeA}, {"ECS-A.example.", dns.TypeAAAA}, {"other.example.", dns.TypeA}, {".", dns.TypeANY}, {"ecs-a.example.", dns.TypeAXFR}} {
		packed, err := new(dns.Msg).SetQuestion(q.name, q.qtype).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	withEDNS, err := new(dns.Msg).SetQuestion("ecs-a.example.", dns.TypeA).SetEdns0(512, true).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(withEDNS)
	f.Add(make([]byte, 12))
	f.Fuzz(func(t *testing.T, packet []byte) {
		query := new(dns.Msg)
		if query.Unpack(packet) != nil {
			return
		}
		v := newAnswerer(Options{Zone: fixed{}}).view(fixed{})
		for range 3 {
			reply := v.reply(query)
			if reply.Id != query.Id || !reply.Response {
				t.Fatalf("no answer to the query: %v", reply)
			}
			packed, err := reply.Pack()
			if err != nil {
				t.Fatalf("an answer that can't be sent: %v: %v", err, reply)
			}
			if err := new(dns.Msg).Unpack(packed); err != nil {
				t.Fatalf("an answer that can't be read: %v: %v", err, reply)
			}
			for _, record := range reply.Answer {
				if h := record.Header(); len(query.Question) != 1 || h.Rrtype != query.Question[0].Qtype || h.Name != query.Question[0].Name {
					t.Fatalf("%v was not asked for", record)
				}
			}
		}
	})
}
