// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"context"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

// CheckAllowed is AWS's error where it denies the reads, as Reader.CheckAllowed says.
func (r *Readers) CheckAllowed(ctx context.Context, clients *aws.Clients, maxAge time.Duration) error {
	if account, err := clients.AccountID(ctx, r.clock.Now()); err == nil {
		return r.of(account, clients).CheckAllowed(ctx, maxAge)
	}
	return nil // whatever else needs the account says why it is not known
}

// CheckAllowed is AWS's error where it denies the reads. It makes one call at most, none if it has an
// answer that is not older than maxAge, and none that the rate does not allow: the last answer
// stands then. That CloudTrail does not answer, or limits the rate, says nothing.
func (r *Reader) CheckAllowed(ctx context.Context, maxAge time.Duration) error {
	select {
	case r.checking <- struct{}{}:
		defer func() { <-r.checking }()
	case <-ctx.Done():
		return ctx.Err() // another run asks, and has no answer yet
	}

	now := r.clock.Now()
	known := !r.checkedAt.IsZero() && aws.Elapsed(r.checkedAt, now) <= maxAge
	if known && r.denied == nil || !r.limiter.AllowN(now, 1) {
		return r.denied
	}

	_, err := r.client.LookupEvents(ctx, &cloudtrail.LookupEventsInput{
		LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: awssdk.String(record.RunTask)}},
		StartTime:        awssdk.Time(now.Truncate(time.Second)), MaxResults: awssdk.Int32(pageSize),
	}, func(o *cloudtrail.Options) { o.Retryer = awssdk.NopRetryer{} })
	switch {
	case err == nil:
		r.denied, r.checkedAt = nil, now
	case aws.Classify(err) == aws.Denied:
		r.denied, r.checkedAt = err, now
	}
	return r.denied
}
