// SPDX-License-Identifier: Apache-2.0

package answers_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/backoff"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

const (
	here      = "ap-northeast-1"
	elsewhere = "eu-central-1"
	silence   = "ec2:DescribeSubnets got no usable answer, and the manager retries: InternalError: in words"
)

// failed is AWS's refusal of a call, in the form that the SDK gives it.
func failed(action, code string, status int) error {
	service, operation, _ := strings.Cut(action, ":")
	return &smithy.OperationError{ServiceID: strings.ToUpper(service), OperationName: operation, Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "in words"},
	}}
}

var (
	unanswered = failed("ec2:DescribeSubnets", "InternalError", http.StatusInternalServerError)
	denied     = failed("ec2:DescribeSubnets", "UnauthorizedOperation", http.StatusForbidden)
)

// manager looks into Regions, and has a clock of its own.
type manager struct {
	answers.Outages

	t     *testing.T
	clock *clocktesting.FakePassiveClock
}

func manage(t *testing.T) *manager {
	clock := clocktesting.NewFakePassiveClock(start)
	return &manager{Outages: answers.Outages{Clock: clock}, t: t, clock: clock}
}

// look is a pass's first look at a time, which ends with that error. looked says whether it came to it.
func (m *manager) look(region string, at time.Time, ends error) (silent *problem.Problem, looked bool) {
	m.t.Helper()
	m.clock.SetTime(at)
	silent, err := m.Look(m.t.Context(), region, at, func(context.Context) error { looked = true; return ends })
	if looked {
		NewWithT(m.t).Expect(err == nil).To(Equal(ends == nil), "the error is told as it is: %v", err)
	} else {
		NewWithT(m.t).Expect(err).NotTo(HaveOccurred())
	}
	return silent, looked
}

func TestARegionThatDoesNotAnswerIsLookedAtAgainAfterGrowingWaits(t *testing.T) {
	g := NewWithT(t)
	m, now := manage(t), start
	waits := []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}
	for _, wait := range waits {
		silent, looked := m.look(here, now, unanswered)
		g.Expect(looked).To(BeTrue())
		g.Expect(silent.Message).To(Equal(silence))
		next := now.Add(backoff.Spread(wait, here))
		g.Expect(silent.NotBefore).To(Equal(next))

		known, looked := m.look(here, next.Add(-1), nil)
		g.Expect(looked).To(BeFalse(), "it is known not to answer")
		g.Expect(known.Message).To(Equal(silence))
		g.Expect(known.NotBefore).To(Equal(next.Add(2*time.Second-1)), "the next look is one object's alone: others come a little later")
		known, looked = m.look(here, now, nil)
		g.Expect(looked).To(BeFalse())
		if wait > 4*time.Second {
			g.Expect(known.NotBefore).To(Equal(next))
		}
		now = next
	}
	silent, looked := m.look(elsewhere, now, nil)
	g.Expect(silent).NotTo(HaveOccurred(), "another Region answers")
	g.Expect(looked).To(BeTrue())

	silent, _ = m.look(here, now, nil)
	g.Expect(silent).NotTo(HaveOccurred(), "it answers again")
	silent, looked = m.look(here, now, unanswered)
	g.Expect(looked).To(BeTrue())
	g.Expect(silent.NotBefore).To(Equal(now.Add(backoff.Spread(2*time.Second, here))), "another outage begins anew")
}

func TestWhatIsAnOutageOfARegion(t *testing.T) {
	other := failed("ecs:DescribeClusters", "InternalError", http.StatusInternalServerError)
	noCredentials := &aws.CredentialsError{Err: errors.New("no role")}
	for name, tc := range map[string]struct {
		err    error
		silent string
	}{
		"AWS answers":                       {nil, ""},
		"AWS refuses":                       {denied, ""},
		"AWS limits the rate":               {failed("ec2:DescribeSubnets", "RequestLimitExceeded", http.StatusServiceUnavailable), ""},
		"no answer":                         {unanswered, silence},
		"no answer beside a refusal":        {errors.Join(denied, unanswered), silence},
		"no answer to two calls":            {errors.Join(unanswered, other), silence},
		"no answer of what is no call":      {errors.New("a file is missing"), ""},
		"there are no credentials":          {noCredentials, ""},
		"no answer, for want of any":        {errors.Join(unanswered, noCredentials), ""},
		"no answer beside what is no call":  {errors.Join(errors.New("a file is missing"), unanswered), silence},
		"no answer, told by whoever called": {errors.Join(errors.Join(other), denied), "ecs:DescribeClusters got no usable answer, and the manager retries: InternalError: in words"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			m := manage(t)
			silent, err := m.Look(t.Context(), here, start, func(context.Context) error { return tc.err })
			if tc.err == nil {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(Equal(tc.err), "whatever stands in the way")
			}
			_, looked := m.look(here, start, nil)
			if tc.silent == "" {
				g.Expect(silent).NotTo(HaveOccurred())
				g.Expect(looked).To(BeTrue(), "nothing is remembered")
			} else {
				g.Expect(silent.Message).To(Equal(tc.silent))
				g.Expect(looked).To(BeFalse())
			}
		})
	}
}

func TestOneObjectAtATimeLooksIntoARegionThatDoesNotAnswer(t *testing.T) {
	g := NewWithT(t)
	m := manage(t)
	silent, _ := m.look(here, start, unanswered)
	next := silent.NotBefore
	m.clock.SetTime(next.Add(time.Second)) // the look takes a second
	silent, err := m.Look(t.Context(), here, next, func(context.Context) error {
		known, err := m.Look(t.Context(), here, next.Add(time.Second), func(context.Context) error { t.Error("two look"); return nil })
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(known.NotBefore).To(Equal(next.Add(3*time.Second)), "not while the other one looks")
		return unanswered
	})
	g.Expect(err).To(MatchError(unanswered))
	g.Expect(silent.NotBefore).To(Equal(next.Add(time.Second+backoff.Spread(4*time.Second, here))), "counted from the end of the look")
	_, looked := m.look(here, silent.NotBefore, nil)
	g.Expect(looked).To(BeTrue(), "the look is over")
}

func TestLooksThatBeganBeforeAnOutageWasKnownCountAsOne(t *testing.T) {
	g := NewWithT(t)
	m := manage(t)
	first := backoff.Spread(2*time.Second, here)
	other := failed("ecs:DescribeClusters", "InternalError", http.StatusInternalServerError)
	silent, _ := m.Look(t.Context(), here, start, func(context.Context) error {
		inner, looked := m.look(here, start, unanswered)
		g.Expect(looked).To(BeTrue())
		g.Expect(inner.NotBefore).To(Equal(start.Add(first)))
		m.clock.SetTime(start.Add(first - 1))
		return other
	})
	g.Expect(silent.NotBefore).To(Equal(start.Add(first)), "the outage is known by then")
	known, _ := m.look(here, start.Add(first-1), nil)
	g.Expect(known.Message).To(HavePrefix("ecs:DescribeClusters got no usable answer"), "what was seen last")
	silent, _ = m.look(here, start.Add(first), unanswered)
	g.Expect(silent.NotBefore).To(Equal(start.Add(first+backoff.Spread(4*time.Second, here))), "two looks at a time are one failure")
}

func TestALookUnderAClockThatWasSetBackCounts(t *testing.T) {
	g := NewWithT(t)
	m := manage(t)
	silent, _ := m.look(here, start, unanswered)
	silent, _ = m.Look(t.Context(), here, silent.NotBefore, func(context.Context) error { m.clock.SetTime(start); return unanswered })
	g.Expect(silent.NotBefore).To(Equal(start.Add(backoff.Spread(4*time.Second, here))))
}

func TestALookThatTheManagersEndCutsShortSaysNothingOfTheRegion(t *testing.T) {
	g := NewWithT(t)
	m := manage(t)
	cutShort := func(at time.Time) (*problem.Problem, error) {
		ctx, stop := context.WithCancel(t.Context())
		return m.Look(ctx, here, at, func(context.Context) error { stop(); return unanswered })
	}
	silent, err := cutShort(start)
	g.Expect(err).To(MatchError(unanswered))
	g.Expect(silent.Message).To(Equal(silence), "this pass has no answer all the same")
	silent, looked := m.look(here, start, unanswered)
	g.Expect(looked).To(BeTrue(), "no outage is remembered")

	next := silent.NotBefore
	_, err = cutShort(next)
	g.Expect(err).To(MatchError(unanswered))
	silent, looked = m.look(here, next, unanswered)
	g.Expect(looked).To(BeTrue(), "the next pass looks in its place")
	g.Expect(silent.NotBefore).To(Equal(next.Add(backoff.Spread(4*time.Second, here))), "which is the second to fail")
}

func TestAnOutageThatNothingAsksForIsForgottenAfterTenMinutes(t *testing.T) {
	for name, tc := range map[string]struct {
		after, wait time.Duration
	}{
		"ten minutes after a look was due": {10 * time.Minute, 4 * time.Second},
		"later":                            {10*time.Minute + 1, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			m := manage(t)
			silent, _ := m.look(here, start, unanswered)
			now := silent.NotBefore.Add(tc.after)
			_, _ = m.look(elsewhere, now, unanswered)
			silent, looked := m.look(here, now, unanswered)
			g.Expect(looked).To(BeTrue())
			g.Expect(silent.NotBefore).To(Equal(now.Add(backoff.Spread(tc.wait, here))))
		})
	}
}

func TestALookIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		m, began := manage(t), time.Now()
		var looking context.Context
		_, err := m.Look(t.Context(), here, start, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		g.Expect(err).To(MatchError(context.DeadlineExceeded))
		g.Expect(time.Since(began)).To(Equal(3 * time.Second))
		g.Expect(answers.LookTimeout).To(Equal(3 * time.Second))
		_, err = m.Look(t.Context(), elsewhere, start, func(ctx context.Context) error { looking = ctx; return nil })
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(looking.Err()).To(MatchError(context.Canceled), "what it began ends with it")
	})
}
