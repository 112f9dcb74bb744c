// SPDX-License-Identifier: Apache-2.0

package answers

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
	// QuotaTTL is how long an answer counts for a run that has not begun: a quota that was raised
	// is noticed as soon as any other cause that a person fixes.
	QuotaTTL = time.Minute
	// QuotaTimeout bounds the question: a VPC without a way to Service Quotas must not cost a plan
	// or a run.
	QuotaTimeout = 2 * time.Second
	// AnyAge is for a run that is on: it goes by what was known when it began, and asks again only
	// before it fails by it.
	AnyAge = time.Duration(math.MaxInt64)
)

// EntryQuota is how many entries a network ACL may have in a direction and address family.
type EntryQuota struct {
	Value int
	// Unread says why AWS did not give it, so that the manager's flag did; empty: AWS gave it.
	Unread string
}

// Quotas keeps the last answer about the quota of entries for each account, Region and role, so that
// objects don't ask each.
type Quotas struct {
	asking singleflight.Group

	mu      sync.Mutex
	answers map[string]quotaAnswer
}

type quotaAnswer struct {
	EntryQuota

	at time.Time
}

// Learn learns the quota of the account and Region that clients reach. An answer that is not older
// than maxAge does. assumed is taken where AWS does not say. The error is that AWS limits the rate,
// and that nothing is known yet.
func (q *Quotas) Learn(ctx context.Context, clients *aws.Clients, assumed int, now time.Time, maxAge time.Duration) (EntryQuota, error) {
	account, _ := clients.AccountID(ctx, now)
	if account == "" {
		return EntryQuota{assumed, "the account is not known"}, nil // why, is told by whatever else needs it
	}

	place := account + "/" + clients.Place()
	known, ok := q.get(place)
	if age := now.Sub(known.at); ok && age >= 0 && age <= maxAge {
		return known.EntryQuota, nil
	}

	answer, err, _ := q.asking.Do(place, func() (any, error) { return ask(ctx, clients) })
	switch {
	case err == nil:
		known = quotaAnswer{answer.(EntryQuota), now}
	case ok && known.Unread == "":
		known.at = now // the last answer of AWS is better than the flag
	case aws.Classify(err) == aws.Throttled:
		return EntryQuota{assumed, "AWS limits the rate of calls"}, err
	default:
		known = quotaAnswer{EntryQuota{assumed, aws.Message(err)}, now}
	}

	q.put(place, known)
	return known.EntryQuota, nil
}

func ask(ctx context.Context, clients *aws.Clients) (EntryQuota, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), QuotaTimeout) // others wait for the answer too
	defer cancel()
	value, err := discovery.EntryQuota(ctx, clients.ServiceQuotas)
	return EntryQuota{Value: value}, err
}

// Explain adds to a refusal by the quota what helps where the quota is only assumed.
func (q EntryQuota) Explain(err error) error {
	quota, byQuota := errors.AsType[*networkacl.QuotaError](err)
	if !byQuota || q.Unread == "" {
		return err
	}
	return problem.Refuse(v1alpha1.ReasonQuotaExceeded, "%s; the quota could not be read, so the manager uses its flag --network-acl-entry-quota: set the flag if the account's quota is higher (%s)", quota, q.Unread)
}

// Note says that the quota is only assumed; empty: it is not.
func (q EntryQuota) Note() string {
	if q.Unread == "" {
		return ""
	}
	return fmt.Sprintf("the quota of rules per network ACL (L-2AEEBF1A) could not be read, and %d is assumed (--network-acl-entry-quota): %s", q.Value, q.Unread)
}

func (q *Quotas) get(place string) (quotaAnswer, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	answer, ok := q.answers[place]
	return answer, ok
}

func (q *Quotas) put(place string, answer quotaAnswer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.answers == nil {
		q.answers = map[string]quotaAnswer{}
	}
	q.answers[place] = answer
}
