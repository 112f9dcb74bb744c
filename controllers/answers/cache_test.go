// SPDX-License-Identifier: Apache-2.0

package answers_test

import (
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestAnAnswerIsBelievedForAMinuteAndAboutItsQuestionAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		at    time.Duration
		about string
		then  func(*answers.Answer[int])
		asks  bool
	}{
		"at once":                      {0, "a", nil, false},
		"within its time":              {time.Minute - 1, "a", nil, false},
		"after its time":               {time.Minute, "a", nil, true},
		"before it was given":          {-1, "a", nil, true},
		"about something else":         {0, "b", nil, true},
		"about nothing":                {0, "", nil, true},
		"after it expired":             {0, "a", (*answers.Answer[int]).Expire, true},
		"after it was forgotten":       {0, "a", (*answers.Answer[int]).Forget, true},
		"forgotten, and about nothing": {0, "", (*answers.Answer[int]).Forget, true},
		"after it was given once more": {time.Minute, "a", func(a *answers.Answer[int]) { a.Keep(start.Add(1), "a", 1) }, false},
		"after one of something else":  {0, "a", func(a *answers.Answer[int]) { a.Keep(start, "b", 1) }, true},
		"expired, and given once more": {0, "a", func(a *answers.Answer[int]) { a.Expire(); a.Keep(start, "a", 1) }, false},
		"given at no known time":       {0, "a", func(a *answers.Answer[int]) { a.Keep(time.Time{}, "a", 1) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var answer answers.Answer[int]
			g.Expect(answer.Get(start, "a", func() (int, error) { return 1, nil })).To(Equal(1))
			if tc.then != nil {
				tc.then(&answer)
			}
			now := start.Add(tc.at)
			g.Expect(answer.IsKnown(now, tc.about, answers.AnswerTTL)).To(Equal(!tc.asks))
			want := map[bool]int{false: 1, true: 2}[tc.asks]
			g.Expect(answer.Get(now, tc.about, func() (int, error) { return 2, nil })).To(Equal(want))
			g.Expect(answer.Value()).To(Equal(want))
			g.Expect(answer.IsAbout(tc.about)).To(BeTrue())
			g.Expect(answer.IsAbout("c")).To(BeFalse())
		})
	}
}

func TestAnAnswerMayBeBelievedForATimeOfItsOwn(t *testing.T) {
	g := NewWithT(t)
	var answer answers.Answer[int]
	ask := func(n int) func() (int, error) { return func() (int, error) { return n, nil } }
	g.Expect(answer.GetWithin(time.Hour, start, "a", ask(1))).To(Equal(1))
	g.Expect(answer.AnsweredAt()).To(Equal(start))
	g.Expect(answer.GetWithin(time.Hour, start.Add(time.Hour-1), "a", ask(2))).To(Equal(1))
	g.Expect(answer.AnsweredAt()).To(Equal(start), "when it was given, not when it was taken")
	g.Expect(answer.GetWithin(time.Hour, start.Add(time.Hour), "a", ask(3))).To(Equal(3))
	answer.Expire()
	g.Expect(answer.Value()).To(Equal(3), "the last one, however old")
	g.Expect(answer.AnsweredAt()).To(BeZero())
	answer.Forget()
	g.Expect(answer.Value()).To(BeZero())
}

func TestAFailureIsNoAnswer(t *testing.T) {
	g := NewWithT(t)
	failure := errors.New("no answer")
	var answer answers.Answer[int]
	_, err := answer.Get(start, "a", func() (int, error) { return 1, failure })
	g.Expect(err).To(MatchError(failure))
	g.Expect(answer.IsKnown(start, "a", time.Minute)).To(BeFalse())
	g.Expect(answer.Get(start, "a", func() (int, error) { return 2, nil })).To(Equal(2))
	_, err = answer.Get(start.Add(time.Minute), "a", func() (int, error) { return 3, failure })
	g.Expect(err).To(MatchError(failure))
	g.Expect(answer.Value()).To(Equal(2), "the last answer stays")
}

func TestDoubtHasAllAskedAgainThatMayHaveRefusedARun(t *testing.T) {
	g := NewWithT(t)
	var c answers.Cache
	c.Permitted.Keep(start, "a", true)
	c.Tenants.Keep(start, "a", []string{"123456789012"})
	c.ScheduleGroup.Keep(start, "a", true)
	c.Others.Keep(start, "a", answers.OtherClusters{Truncated: true})
	c.Endpoints.Keep(start, "a", []discovery.VPCEndpoint{{}})
	c.ManagedProviders.Keep(start, "a", []string{"provider"})
	c.CloneRoom.Keep(start, "a", 3)
	known := func() map[string]bool {
		return map[string]bool{
			"permitted": c.Permitted.IsKnown(start, "a", time.Minute), "tenants": c.Tenants.IsKnown(start, "a", time.Minute),
			"schedule group": c.ScheduleGroup.IsKnown(start, "a", time.Minute), "others": c.Others.IsKnown(start, "a", time.Minute),
			"endpoints": c.Endpoints.IsKnown(start, "a", time.Minute), "providers": c.ManagedProviders.IsKnown(start, "a", time.Minute),
			"clone room": c.CloneRoom.IsKnown(start, "a", time.Minute),
		}
	}
	g.Expect(known()).NotTo(ContainElement(false))
	c.Doubt()
	g.Expect(known()).To(Equal(map[string]bool{
		"permitted": true, "tenants": true,
		"schedule group": false, "others": false, "endpoints": false, "providers": false, "clone room": false,
	}))
	g.Expect(c.CloneRoom.Value()).To(Equal(3), "the answer stays until then")
}
