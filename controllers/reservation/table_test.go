// SPDX-License-Identifier: Apache-2.0

package reservation_test

import (
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

// later is when an object that was ready no longer keeps younger ones from beginning.
const later = 20 * time.Second

func TestARunThatWaitsAsksAgainBeforeItLosesItsTurn(t *testing.T) {
	g := NewWithT(t)
	g.Expect(reservation.RetryInterval).To(Equal(10 * time.Second))
	g.Expect(later).To(BeNumerically(">", reservation.RetryInterval))
}

func TestNoTwoRunsBeginOnOneNetworkACLAtATime(t *testing.T) {
	g := NewWithT(t)
	inside, turnedAway, elsewhere := object("inside", 1), object("turned-away", 2), object("elsewhere", 3)
	m := manage(t, 0, inside, turnedAway, elsewhere)
	err := m.reserveFor(inside, acl, 0, func() error {
		g.Expect(m.reserve(turnedAway, acl, 0)).To(MatchError("NetworkACLHeld: team/inside is about to begin on network ACL " + acl + ": this run begins when that one is over"))
		g.Expect(m.reserve(elsewhere, otherACL, 0)).To(Succeed(), "on another network ACL")
		return errNotYet
	})
	g.Expect(err).To(MatchError(errNotYet), "what kept the run from beginning")

	// Else the two would wait for each other.
	g.Expect(m.reserve(inside, acl, time.Second)).To(Succeed(), "an older run that was turned away is not waited for")
	g.Expect(m.reserve(turnedAway, acl, time.Second)).To(Succeed(), "once nothing begins any more")
}

func TestAnOlderRunThatIsReadyComesFirst(t *testing.T) {
	const waits = "NetworkACLHeld: team/first is older and about to begin on network ACL " + acl + ": this run begins when that one is over"
	for name, tc := range map[string]struct {
		// wanted is the network ACL that the other run was ready to begin on, and then what became of it.
		wanted string
		age    float64
		then   func(m *manager, first *v1alpha1.AgentDisconnect)
		after  time.Duration
		waits  bool
	}{
		"it was ready a moment ago":                     {acl, 2, nil, later - time.Nanosecond, true},
		"it was ready a while ago":                      {acl, 2, nil, later, false},
		"it is younger":                                 {acl, 0, nil, 0, false},
		"it wants another network ACL":                  {otherACL, 2, nil, 0, false},
		"it is no longer ready":                         {acl, 2, func(m *manager, first *v1alpha1.AgentDisconnect) { m.Withdraw(first.UID) }, 0, false},
		"it is being deleted":                           {acl, 2, func(_ *manager, first *v1alpha1.AgentDisconnect) { deleted(first) }, 0, false},
		"it began":                                      {acl, 2, func(_ *manager, first *v1alpha1.AgentDisconnect) { first.Status.StartTime = runtest.At(0) }, 0, false},
		"it began, was over, and was asked for again":   {acl, 2, func(m *manager, first *v1alpha1.AgentDisconnect) { _ = m.reserve(first, acl, 0) }, 0, false},
		"it was held up again, which renews its turn":   {acl, 2, func(m *manager, first *v1alpha1.AgentDisconnect) { _ = m.reserveFor(first, acl, later, holdUp) }, 2*later - time.Nanosecond, true},
		"it was held up again, for another network ACL": {acl, 2, func(m *manager, first *v1alpha1.AgentDisconnect) { _ = m.reserveFor(first, otherACL, 0, holdUp) }, 0, false},
		"another one is no longer ready":                {acl, 2, func(m *manager, _ *v1alpha1.AgentDisconnect) { m.Withdraw("another") }, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			first, younger := object("first", tc.age), object("younger", 1)
			m := manage(t, 0, first, younger)
			g.Expect(m.reserveFor(first, tc.wanted, 0, holdUp)).To(MatchError(errNotYet))
			if tc.then != nil {
				tc.then(m, first)
				m.now(first, younger)
			}
			if err := m.reserve(younger, acl, tc.after); tc.waits {
				g.Expect(err).To(MatchError(waits))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
			}
		})
	}
}

func TestNoMoreRunsBeginThanTheManagerAllows(t *testing.T) {
	const one = "TooManyRuns: 1 run is on or about to begin, which is as many as the manager allows at once (--max-active-runs): this run begins when one of them is over"
	g := NewWithT(t)
	a, b, c := object("a", 3), object("b", 2), object("c", 1)

	unbounded := manage(t, 0, a, b, c)
	for _, obj := range []*v1alpha1.AgentDisconnect{a, b, c} {
		g.Expect(unbounded.reserve(obj, "acl-of-"+obj.Name, 0)).To(Succeed())
	}

	m := manage(t, 1, a, b)
	g.Expect(m.reserve(a, acl, 0)).To(Succeed())
	for range 2 {
		g.Expect(m.reserve(b, otherACL, 0)).To(MatchError(one), "though the list does not show yet that the other one began")
	}
	m.Finish("another")
	g.Expect(m.reserve(b, otherACL, 0)).To(MatchError(one))
	m.Finish(a.UID)
	g.Expect(m.reserve(b, otherACL, 0)).To(Succeed(), "the other one is over")

	m = manage(t, 1, a, b)
	g.Expect(m.reserve(a, acl, 0)).To(Succeed())
	m.now(b)
	g.Expect(m.reserve(b, otherACL, 0)).To(Succeed(), "the other one is gone")
	m.Finish(b.UID)
	m.now(a, b)
	g.Expect(m.reserve(b, otherACL, 0)).To(Succeed(), "what was gone once no longer counts")

	restarted := manage(t, 2, object("a", 3, begun(v1alpha1.NetworkACL{ID: acl, Mode: inPlace})), b, c)
	g.Expect(restarted.reserve(b, otherACL, 0)).To(Succeed())
	g.Expect(restarted.reserve(c, "acl-of-c", 0)).To(MatchError(
		"TooManyRuns: 2 runs are on or about to begin, which is as many as the manager allows at once (--max-active-runs): this run begins when one of them is over"),
		"one that the list shows counts like one that began in this process")
}

func TestARunThatCouldNotBeginTakesNoPlaceUnlessItMayHaveBegun(t *testing.T) {
	g := NewWithT(t)
	a, b := object("a", 1), object("b", 2)
	m := manage(t, 1, a, b)
	g.Expect(m.reserveFor(a, acl, 0, holdUp)).To(MatchError(errNotYet))
	g.Expect(m.reserve(b, otherACL, 0)).To(Succeed())

	m = manage(t, 1, a, b)
	lost := problem.FromStore(errors.New("the API server gave no answer"))
	g.Expect(m.reserveFor(a, acl, 0, func() error { return lost })).To(MatchError(lost))
	g.Expect(m.reserve(b, otherACL, 0)).To(MatchError(HavePrefix("TooManyRuns: 1 run is on")), "the start may be stored")
	m.Finish(a.UID)
	g.Expect(m.reserve(b, otherACL, 0)).To(Succeed(), "a pass read that it isn't")
}

func TestPlacesGoToOlderRunsFirst(t *testing.T) {
	for name, tc := range map[string]struct {
		age   float64
		then  func(m *manager, queued *v1alpha1.AgentDisconnect)
		after time.Duration
		waits bool
	}{
		"an older one waits for a place":                         {3, nil, later - time.Nanosecond, true},
		"an older one waited a while ago":                        {3, nil, later, false},
		"a younger one waits":                                    {1, nil, 0, false},
		"an older one waited, and is being deleted":              {3, func(_ *manager, queued *v1alpha1.AgentDisconnect) { deleted(queued) }, 0, false},
		"an older one waited, and no longer wants to begin":      {3, func(m *manager, queued *v1alpha1.AgentDisconnect) { m.Withdraw(queued.UID) }, 0, false},
		"an older one had its turn, and something else is wrong": {3, func(m *manager, queued *v1alpha1.AgentDisconnect) { _ = m.reserveFor(queued, otherACL, 0, holdUp) }, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			on, queued, asking := object("on", 9), object("queued", tc.age), object("asking", 2)
			m := manage(t, 1, on, queued, asking)
			g.Expect(m.reserve(on, acl, 0)).To(Succeed())
			g.Expect(m.reserve(queued, otherACL, 0)).To(MatchError(HavePrefix("TooManyRuns: ")))
			m.Finish(on.UID)
			if tc.then != nil {
				tc.then(m, queued)
				m.now(on, queued, asking)
			}
			if err := m.reserve(asking, "acl-of-asking", tc.after); tc.waits {
				g.Expect(err).To(MatchError(HavePrefix("TooManyRuns: 1 run is on or about to begin")))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
			}
		})
	}
}

func TestARunThatWaitsForMoreThanAPlaceKeepsNoPlace(t *testing.T) {
	g := NewWithT(t)
	older, asking := object("older", 3), object("asking", 2)
	m := manage(t, 1, older, asking)
	g.Expect(m.reserveFor(older, acl, 0, holdUp)).To(MatchError(errNotYet))
	g.Expect(m.reserve(asking, otherACL, 0)).To(Succeed())
}

func TestNothingBeginsWhenTheObjectsCantBeListed(t *testing.T) {
	g := NewWithT(t)
	obj := object("a", 1)
	m := manage(t, 1, obj, object("b", 2))
	m.store.failure = errors.New("the API server gave no answer")
	holder, others, err := m.FindHolder(t.Context(), obj, wants(acl))
	g.Expect(err).To(And(MatchError(m.store.failure), Satisfy(problem.IsStoreError)))
	g.Expect(holder).To(BeNil())
	g.Expect(others).To(BeNil())
	_, err = m.CheckFree(t.Context(), obj, wants(acl))
	g.Expect(err).To(And(MatchError(m.store.failure), Satisfy(problem.IsStoreError)))
	g.Expect(m.reserve(obj, acl, 0)).To(And(MatchError(m.store.failure), Satisfy(problem.IsStoreError)))
	m.store.failure = nil
	g.Expect(m.reserve(obj, acl, 0)).To(Succeed())
}
