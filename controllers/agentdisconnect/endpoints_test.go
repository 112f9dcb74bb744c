// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

func TestAHostIsSettledAfterFiveMinutesWithoutNews(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := newMemory()
	obj := &v1alpha1.AgentDisconnect{}
	obj.Status.Endpoints = []v1alpha1.Endpoint{{Hostname: "a.example"}, {Hostname: "b.example"}}
	const interval = 25 * time.Second // so that 100 seconds between two answers are no gap
	settled := func() []string {
		return (&scope{obj: obj, seen: m, now: now, options: Options{LookupInterval: interval}}).unsettled()
	}
	answered := discovery.Answer{Lookups: 4, Families: []discovery.Family{{Record: "A"}}}
	fails := errors.New("it fails")
	halfAnswered := discovery.Answer{Lookups: 4, Families: []discovery.Family{{Record: "A"}, {Record: "AAAA", Err: fails}}}
	for at := now.Add(-time.Hour); at.Before(now); at = at.Add(100 * time.Second) {
		m.note("b.example", answered, false, at, staleIntervals*interval)
	}
	g.Expect(settled()).To(Equal([]string{"a.example", "b.example"}), "nothing is known yet")
	for _, step := range []struct {
		answer discovery.Answer
		grown  bool
		open   bool
	}{
		{answered, true, true}, {answered, false, true}, {answered, false, true}, {answered, false, false},
		{answered, true, true}, // a new one after all
		{answered, false, true}, {answered, false, true},
		{discovery.Answer{Err: fails, Families: []discovery.Family{{Record: "A", Err: fails}}}, false, true}, // no answer is no lack of news
		{answered, false, true}, // nor is the time since the answer before it
		{halfAnswered, false, true}, {answered, false, true},
		{answered, false, false},
	} {
		m.note("a.example", step.answer, step.grown, now, staleIntervals*interval)
		m.note("b.example", answered, false, now, staleIntervals*interval)
		if step.open {
			g.Expect(settled()).To(Equal([]string{"a.example"}), "%+v", step)
		} else {
			g.Expect(settled()).To(BeEmpty(), "%+v", step)
		}
		now = now.Add(100 * time.Second)
	}
	g.Expect(settled()).NotTo(BeEmpty(), "as soon as there was no answer for long")
}

func TestAddressesAreOnlyEverAddedInOrderAndWithinTheBound(t *testing.T) {
	g := NewWithT(t)
	endpoint := v1alpha1.Endpoint{Hostname: "a.example", Addresses: []string{"192.0.2.10"}}
	add := func(texts ...string) bool {
		var addresses []netip.Addr
		for _, text := range texts {
			addresses = append(addresses, netip.MustParseAddr(text))
		}
		return addAddresses(&endpoint, addresses)
	}
	g.Expect(add()).To(BeFalse())
	g.Expect(add("192.0.2.10")).To(BeFalse())
	g.Expect(add("192.0.2.9", "192.0.2.10")).To(BeTrue())
	g.Expect(endpoint.Addresses).To(Equal([]string{"192.0.2.9", "192.0.2.10"}), "by value, not by text")
	for i := range 60 {
		add(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String())
	}
	g.Expect(endpoint.Addresses).To(HaveLen(v1alpha1.MaxAddresses))
	g.Expect(endpoint.Addresses[0]).To(Equal("192.0.2.9"))
}

func TestKeepAddressesFollowsTheHostsThatAreNamed(t *testing.T) {
	g := NewWithT(t)
	before := []v1alpha1.Endpoint{
		{Hostname: "a.example", Session: v1alpha1.EndpointACS, Addresses: []string{"192.0.2.1"}},
		{Hostname: "gone.example", Session: v1alpha1.EndpointTCS, Addresses: []string{"192.0.2.2"}},
	}
	after := keepAddresses(before, []discovery.Host{
		{Hostname: "a.example", Session: v1alpha1.EndpointACS}, {Hostname: "a.example", Session: v1alpha1.EndpointAdditional},
		{Hostname: "new.example", Session: v1alpha1.EndpointTCS},
	})
	g.Expect(after).To(Equal([]v1alpha1.Endpoint{
		before[0], {Hostname: "a.example", Session: v1alpha1.EndpointAdditional}, {Hostname: "new.example", Session: v1alpha1.EndpointTCS},
	}))
}

func TestDesiredIsEveryAddressAndEveryRange(t *testing.T) {
	g := NewWithT(t)
	var got []string
	for _, d := range desired(&v1alpha1.AgentDisconnect{Status: v1alpha1.AgentDisconnectStatus{
		Endpoints: []v1alpha1.Endpoint{
			{Hostname: "a.example", Session: v1alpha1.EndpointACS, Addresses: []string{"192.0.2.1", "not an address", "2001:db8::1"}},
			{Hostname: "b.example", Session: v1alpha1.EndpointAdditional, Addresses: []string{"192.0.2.2"}},
		},
		StartedWith: &v1alpha1.StartedWith{AdditionalEndpoints: &v1alpha1.AdditionalEndpoints{CIDRs: []string{"198.51.100.0/24", "not a range"}}},
	}}) {
		got = append(got, string(d.Session)+" "+d.String())
	}
	g.Expect(got).To(Equal([]string{
		"ACS 192.0.2.1/32 (a.example)", "ACS 2001:db8::1/128 (a.example)", "Additional 192.0.2.2/32 (b.example)", "Additional 198.51.100.0/24",
	}))
}
