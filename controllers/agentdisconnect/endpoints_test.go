// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
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
		m.note("b.example", answered, false, at, run.StaleIntervals*interval)
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
		m.note("a.example", step.answer, step.grown, now, run.StaleIntervals*interval)
		m.note("b.example", answered, false, now, run.StaleIntervals*interval)
		if step.open {
			g.Expect(settled()).To(Equal([]string{"a.example"}), "%+v", step)
		} else {
			g.Expect(settled()).To(BeEmpty(), "%+v", step)
		}
		now = now.Add(100 * time.Second)
	}
	g.Expect(settled()).NotTo(BeEmpty(), "as soon as there was no answer for long")
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
