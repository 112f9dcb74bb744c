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
	m := &memory{lookups: map[string]lookups{}}
	endpoints := []v1alpha1.Endpoint{{Hostname: "a.example"}, {Hostname: "b.example"}}
	settled := func() []string { return m.unsettled(endpoints) }
	answered := discovery.Answer{Lookups: 4}
	m.note("b.example", answered, false, now.Add(-time.Hour))
	g.Expect(settled()).To(Equal([]string{"a.example", "b.example"}), "nothing is known yet")
	for _, step := range []struct {
		answer discovery.Answer
		grown  bool
		open   bool
	}{
		{answered, true, true}, {answered, false, true}, {answered, false, true}, {answered, false, false},
		{answered, true, true}, // a new one after all
		{answered, false, true}, {answered, false, true},
		{discovery.Answer{Err: errors.New("none")}, false, true}, // no answer is no lack of news
		{answered, false, false},
	} {
		m.note("a.example", step.answer, step.grown, now)
		m.note("b.example", answered, false, now)
		now = now.Add(100 * time.Second)
		if step.open {
			g.Expect(settled()).To(Equal([]string{"a.example"}), "%+v", step)
		} else {
			g.Expect(settled()).To(BeEmpty(), "%+v", step)
		}
	}
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
