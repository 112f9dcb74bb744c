// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

const (
	// quotaTTL is how long an answer counts for a run that has not begun: a quota that was raised
	// is noticed as soon as any other cause that a person fixes.
	quotaTTL = time.Minute
	// quotaTimeout bounds the question: a VPC without a way to Service Quotas must not cost a plan
	// or a run.
	quotaTimeout = 2 * time.Second
	// anyAge is for a run that is on: it goes by what was known when it began, and asks again only
	// before it fails by it.
	anyAge = time.Duration(math.MaxInt64)
)

// entryQuota is how many entries a network ACL may have in a direction and address family.
type entryQuota struct {
	value int
	// unread says why AWS did not give it, so that the manager's flag did; empty: AWS gave it.
	unread string
}

// quotas keeps the last answer about the quota of entries for each account and Region, so that
// objects don't ask each.
type quotas struct {
	asking singleflight.Group

	mu      sync.Mutex
	answers map[string]quotaAnswer
}

type quotaAnswer struct {
	entryQuota

	at time.Time
}

// learnQuota learns the quota of the account and Region, which the pass then goes by. An answer
// that is not older than maxAge does. The error is that AWS limits the rate, and that nothing is
// known yet.
func (r *Reconciler) learnQuota(ctx context.Context, s *scope, maxAge time.Duration) error {
	s.quota = entryQuota{value: r.options.EntryQuota, unread: "the account is not known"}
	account, _ := s.clients.AccountID(ctx, s.now)
	if account == "" {
		return nil // why, is told by whatever else needs it
	}
	place := account + "/" + s.clients.Region
	known, ok := r.quotas.get(place)
	if age := s.now.Sub(known.at); ok && age >= 0 && age <= maxAge {
		s.quota = known.entryQuota
		return nil
	}

	answer, err, _ := r.quotas.asking.Do(place, func() (any, error) { return r.askQuota(ctx, s) })
	switch {
	case err == nil:
		known = quotaAnswer{answer.(entryQuota), s.now}
	case ok && known.unread == "":
		known.at = s.now // the last answer of AWS is better than the flag
	case aws.Classify(err) == aws.Throttled:
		return err
	default:
		known = quotaAnswer{entryQuota{r.options.EntryQuota, aws.Message(err)}, s.now}
	}
	r.quotas.put(place, known)
	s.quota = known.entryQuota
	return nil
}

func (r *Reconciler) askQuota(ctx context.Context, s *scope) (entryQuota, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), quotaTimeout) // others wait for the answer too
	defer cancel()
	value, err := discovery.EntryQuota(ctx, s.clients.ServiceQuotas)
	return entryQuota{value: value}, err
}

// relearnQuota asks for the quota again before a run that is on fails by it: it may have been
// raised meanwhile, or the manager was restarted and never asked.
func (r *Reconciler) relearnQuota(ctx context.Context, s *scope, valid []v1alpha1.Rule) error {
	if s.seen.acl == nil {
		return nil
	}
	if _, err := r.replan(s, valid); err == nil {
		return nil
	} else if _, byQuota := errors.AsType[*networkacl.QuotaError](err); !byQuota {
		return nil
	}
	return r.learnQuota(ctx, s, quotaTTL)
}

// explainQuota adds to a refusal by the quota what helps where the quota is only assumed.
func (s *scope) explainQuota(err error) error {
	quota, byQuota := errors.AsType[*networkacl.QuotaError](err)
	if !byQuota || s.quota.unread == "" {
		return err
	}
	return problem.Refuse(v1alpha1.ReasonQuotaExceeded, "%s; the quota could not be read, so the manager uses its flag --network-acl-entry-quota: set the flag if the account's quota is higher (%s)", quota, s.quota.unread)
}

// note says that the quota is only assumed; empty: it is not.
func (q entryQuota) note() string {
	if q.unread == "" {
		return ""
	}
	return fmt.Sprintf("the quota of rules per network ACL (L-2AEEBF1A) could not be read, and %d is assumed (--network-acl-entry-quota): %s", q.value, q.unread)
}

func (q *quotas) get(place string) (quotaAnswer, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	answer, ok := q.answers[place]
	return answer, ok
}

func (q *quotas) put(place string, answer quotaAnswer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.answers == nil {
		q.answers = map[string]quotaAnswer{}
	}
	q.answers[place] = answer
}
