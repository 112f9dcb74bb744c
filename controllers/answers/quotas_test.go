// SPDX-License-Identifier: Apache-2.0

package answers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	sqtypes "github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// service is a Service Quotas that gives a quota, or an error in its place.
type service struct {
	quota   float64
	failure error
	times   int
	// hangs: it gives no answer until the caller has had enough.
	hangs bool
	// asking is the context of the last question.
	asking context.Context
}

func (s *service) GetServiceQuota(ctx context.Context, _ *servicequotas.GetServiceQuotaInput, _ ...func(*servicequotas.Options)) (*servicequotas.GetServiceQuotaOutput, error) {
	s.times, s.asking = s.times+1, ctx
	if s.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &servicequotas.GetServiceQuotaOutput{Quota: &sqtypes.ServiceQuota{Value: awssdk.Float64(s.quota)}}, s.failure
}

// reach gives clients of a Region of a simulated account, and its Service Quotas.
func reach(t *testing.T) (*service, *aws.Clients, *aws.Sessions) {
	t.Helper()
	s, err := sim.Start(t.Context(), sim.Options{NoAgents: true})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	sessions := aws.NewSessions(s.Config(), "agentdisconnect", "test")
	clients := sessions.In(here)
	_, err = clients.AccountID(t.Context(), start)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	quotas := &service{quota: 20}
	clients.ServiceQuotas = quotas
	return quotas, clients, sessions
}

var (
	throttled = failed("servicequotas:GetServiceQuota", "ThrottlingException", http.StatusBadRequest)
	forbidden = failed("servicequotas:GetServiceQuota", "AccessDeniedException", http.StatusBadRequest)
)

const notAllowed = "AccessDeniedException: in words"

func TestAQuotaIsAskedForAgainWhenTheAnswerIsTooOld(t *testing.T) {
	for name, tc := range map[string]struct {
		at, maxAge time.Duration
		asks       bool
	}{
		"at once":             {0, 0, false},
		"within the time":     {time.Minute, answers.QuotaTTL, false},
		"after the time":      {time.Minute + 1, answers.QuotaTTL, true},
		"of any age":          {time.Hour, answers.AnyAge, false},
		"before it was given": {-1, answers.AnyAge, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			asked, clients, _ := reach(t)
			var quotas answers.Quotas
			g.Expect(quotas.Learn(t.Context(), clients, 7, start, 0)).To(Equal(answers.EntryQuota{Value: 20}))
			asked.quota = 40
			want := map[bool]int{false: 20, true: 40}[tc.asks]
			g.Expect(quotas.Learn(t.Context(), clients, 7, start.Add(tc.at), tc.maxAge)).To(Equal(answers.EntryQuota{Value: want}))
		})
	}
}

func TestAQuotaThatAWSDoesNotGiveIsAssumed(t *testing.T) {
	for name, tc := range map[string]struct {
		// known is whether AWS gave the quota before.
		known   bool
		failure error
		want    answers.EntryQuota
		err     error
		// again is whether the next pass asks, which believes an answer of no age.
		again bool
	}{
		"never allowed":            {false, forbidden, answers.EntryQuota{Value: 7, Unread: notAllowed}, nil, false},
		"no longer allowed":        {true, forbidden, answers.EntryQuota{Value: 20}, nil, false},
		"throttled from the start": {false, throttled, answers.EntryQuota{Value: 7, Unread: "AWS limits the rate of calls"}, throttled, true},
		"throttled later":          {true, throttled, answers.EntryQuota{Value: 20}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			asked, clients, _ := reach(t)
			var quotas answers.Quotas
			if tc.known {
				_, _ = quotas.Learn(t.Context(), clients, 7, start, 0)
			}
			later := start.Add(time.Second)
			asked.failure, asked.times = tc.failure, 0
			quota, err := quotas.Learn(t.Context(), clients, 7, later, 0)
			g.Expect(quota).To(Equal(tc.want))
			if tc.err == nil {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(MatchError(tc.err))
			}
			g.Expect(asked.times).To(Equal(1))
			_, _ = quotas.Learn(t.Context(), clients, 7, later, 0)
			g.Expect(asked.times).To(Equal(map[bool]int{false: 1, true: 2}[tc.again]))
		})
	}
}

func TestAnAssumedQuotaGivesWayToWhatIsKnownBetter(t *testing.T) {
	g := NewWithT(t)
	asked, clients, _ := reach(t)
	var quotas answers.Quotas
	asked.failure = forbidden
	_, _ = quotas.Learn(t.Context(), clients, 7, start, 0)
	g.Expect(quotas.Learn(t.Context(), clients, 8, start.Add(1), 0)).To(Equal(answers.EntryQuota{Value: 8, Unread: notAllowed}), "the flag as it is now")
	asked.failure = throttled
	_, err := quotas.Learn(t.Context(), clients, 9, start.Add(2), 0)
	g.Expect(err).To(MatchError(throttled), "what was assumed is no answer of AWS")
	asked.failure = nil
	g.Expect(quotas.Learn(t.Context(), clients, 9, start.Add(3), 0)).To(Equal(answers.EntryQuota{Value: 20}))
}

func TestQuotasAreOfOneRegionEach(t *testing.T) {
	g := NewWithT(t)
	_, clients, sessions := reach(t)
	other := sessions.In(elsewhere)
	other.ServiceQuotas = &service{quota: 30}
	var quotas answers.Quotas
	for range 2 {
		g.Expect(quotas.Learn(t.Context(), clients, 7, start, answers.AnyAge)).To(Equal(answers.EntryQuota{Value: 20}))
		g.Expect(quotas.Learn(t.Context(), other, 7, start, answers.AnyAge)).To(Equal(answers.EntryQuota{Value: 30}))
	}
}

func TestTheQuotaOfAnUnknownAccountIsAssumed(t *testing.T) {
	g := NewWithT(t)
	asked, clients, _ := reach(t)
	clients.ForgetAccount()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var quotas answers.Quotas
	g.Expect(quotas.Learn(ctx, clients, 7, start, 0)).To(Equal(answers.EntryQuota{Value: 7, Unread: "the account is not known"}))
	g.Expect(asked.times).To(BeZero())
	g.Expect(quotas.Learn(t.Context(), clients, 7, start, 0)).To(Equal(answers.EntryQuota{Value: 20}), "nothing is kept of it")
}

func TestTheQuestionForAQuotaIsBounded(t *testing.T) {
	asked, clients, _ := reach(t)
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		asked.hangs = true
		began := time.Now()
		var quotas answers.Quotas
		g.Expect(quotas.Learn(t.Context(), clients, 7, start, 0)).To(Equal(answers.EntryQuota{Value: 7, Unread: "no answer in time"}))
		g.Expect(time.Since(began)).To(Equal(2 * time.Second))

		asked.hangs = false
		g.Expect(quotas.Learn(t.Context(), clients, 7, start.Add(1), 0)).To(Equal(answers.EntryQuota{Value: 20}))
		g.Expect(asked.asking.Err()).To(MatchError(context.Canceled), "what it began ends with it")
	})
}

func TestARefusalByAnAssumedQuotaNamesTheFlag(t *testing.T) {
	g := NewWithT(t)
	byQuota := &networkacl.QuotaError{NetworkACLID: "acl-1", Family: networkacl.IPv4, Have: 18, Need: 6, Quota: 20}
	other := errors.New("something else")
	assumed, given := answers.EntryQuota{Value: 20, Unread: notAllowed}, answers.EntryQuota{Value: 20}
	g.Expect(given.Explain(byQuota)).To(BeIdenticalTo(byQuota), "AWS gave it")
	g.Expect(assumed.Explain(other)).To(BeIdenticalTo(other))
	g.Expect(assumed.Explain(nil)).To(Succeed())
	refused := problem.Explain(assumed.Explain(fmt.Errorf("planning: %w", byQuota)))
	g.Expect(refused.Stalled).To(BeTrue())
	g.Expect(refused).To(MatchError("QuotaExceeded: " + byQuota.Error() +
		"; the quota could not be read, so the manager uses its flag --network-acl-entry-quota: set the flag if the account's quota is higher (AccessDeniedException: in words)"))
	g.Expect(assumed.Note()).To(Equal("the quota of rules per network ACL (L-2AEEBF1A) could not be read, and 20 is assumed (--network-acl-entry-quota): AccessDeniedException: in words"))
	g.Expect(given.Note()).To(BeEmpty())
}
