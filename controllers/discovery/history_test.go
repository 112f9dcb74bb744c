// SPDX-License-Identifier: Apache-2.0

package discovery_test

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
	var history discovery.Lookups
	endpoints := []v1alpha1.Endpoint{{Hostname: "a.example"}, {Hostname: "b.example"}}
	const interval = 25 * time.Second // so that 100 seconds between two answers are no gap
	settled := func() []string {
		return history.Unsettled(endpoints, now, interval)
	}
	answered := discovery.Answer{Lookups: 4, Families: []discovery.Family{{Record: "A"}}}
	fails := errors.New("it fails")
	halfAnswered := discovery.Answer{Lookups: 4, Families: []discovery.Family{{Record: "A"}, {Record: "AAAA", Err: fails}}}
	for at := now.Add(-time.Hour); at.Before(now); at = at.Add(100 * time.Second) {
		history.Note(map[string]discovery.Answer{"b.example": answered}, nil, at, run.StaleIntervals*interval)
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
		answers := map[string]discovery.Answer{"a.example": step.answer, "b.example": answered}
		history.Note(answers, map[string]bool{"a.example": step.grown}, now, run.StaleIntervals*interval)
		if step.open {
			g.Expect(settled()).To(Equal([]string{"a.example"}), "%+v", step)
		} else {
			g.Expect(settled()).To(BeEmpty(), "%+v", step)
		}
		now = now.Add(100 * time.Second)
	}
	g.Expect(settled()).NotTo(BeEmpty(), "as soon as there was no answer for long")
}

// One answer may only lag: what counts is what two answers in a row agree on.
func TestTwoPollsAgree(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds int, agents map[string]bool) discovery.Poll {
		known := map[string]discovery.Agent{}
		for arn, connected := range agents {
			known[arn] = discovery.Agent{Connected: connected}
		}
		return discovery.NewPoll(now.Add(time.Duration(seconds)*time.Second), known)
	}
	var polls discovery.Polls
	agree := func(arn string, since int) []bool {
		connected, gone, ok := polls.Agreed(arn, now.Add(time.Duration(since)*time.Second))
		return []bool{connected, gone, ok}
	}
	differ, connected, away, gone := []bool{false, false, false}, []bool{true, false, true}, []bool{false, false, true}, []bool{false, true, true}

	g.Expect(polls.LatestAt()).To(BeZero())
	polls.Add(at(0, map[string]bool{"a": true, "b": true, "c": true}))
	g.Expect(agree("a", 0)).To(Equal(differ), "one answer alone")
	polls.Add(at(15, map[string]bool{"a": true, "b": false}))
	g.Expect(agree("a", 0)).To(Equal(connected))
	g.Expect(agree("b", 0)).To(Equal(differ))
	g.Expect(agree("c", 0)).To(Equal(differ), "it was there a moment ago")
	g.Expect(agree("a", 1)).To(Equal(differ), "the first was before")
	before := polls
	polls.Add(at(30, map[string]bool{"a": true, "b": false}))
	g.Expect(agree("b", 15)).To(Equal(away))
	g.Expect(agree("c", 15)).To(Equal(gone))

	polls.ForgetSince(before)
	g.Expect(agree("b", 0)).To(Equal(differ))
	g.Expect(polls.LatestAt()).To(Equal(now.Add(15 * time.Second)))
	polls.Forget()
	g.Expect(agree("a", 0)).To(Equal(differ))
	g.Expect(polls.LatestAt()).To(BeZero())
	g.Expect(polls.AnsweredAt()).To(Equal(now.Add(30*time.Second)), "ECS did answer")
}
