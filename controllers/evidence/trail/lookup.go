// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"context"
	"errors"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/backoff"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

const (
	// pageSize is how many events LookupEvents gives at most in a call.
	pageSize = 50
	// mostPages bounds one read of one name: more than is remembered need not be read.
	mostPages = mostCalls / pageSize
	// pageAttempts bounds how often a page is asked for, and the waits between grow from
	// firstPageRetry: others in the account use up the same rate.
	pageAttempts   = 5
	firstPageRetry = time.Second
)

var errTimeout = errors.New("the read of CloudTrail took longer than 10 minutes")

// readAll reads the events of all names. cut is from when on it read everything, where there are
// more events than one read takes in; zero: it read all.
func (r *Reader) readAll(ctx context.Context, reading *read) (cut time.Time, err error) {
	for _, name := range []string{record.RunTask, record.StartTask} {
		cutHere, err := r.readName(ctx, reading, name)
		if err != nil {
			return time.Time{}, err
		}
		if cutHere.After(cut) {
			cut = cutHere
		}
	}
	return cut, nil
}

// readName reads the events of one name, the newest first.
func (r *Reader) readName(ctx context.Context, reading *read, name string) (cut time.Time, err error) {
	in := &cloudtrail.LookupEventsInput{
		LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: awssdk.String(name)}},
		StartTime:        awssdk.Time(reading.from[name].Truncate(time.Second)), MaxResults: awssdk.Int32(pageSize),
	}
	var oldest time.Time
	for range mostPages {
		out, err := r.readPage(ctx, reading, in)
		if err != nil {
			return time.Time{}, err
		}

		for _, e := range r.addPage(name, out.Events) {
			if oldest.IsZero() || e.time.Before(oldest) {
				oldest = e.time
			}
		}
		if awssdk.ToString(out.NextToken) == "" {
			return time.Time{}, nil
		}
		in.NextToken = out.NextToken
	}
	return oldest.Add(time.Second), nil // the rest of its second may be on the next page
}

// addPage takes in the events of a page.
func (r *Reader) addPage(name string, events []types.Event) []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries := make([]entry, 0, len(events))
	for _, e := range events {
		each := entry{name: name, id: awssdk.ToString(e.EventId), text: awssdk.ToString(e.CloudTrailEvent), time: awssdk.ToTime(e.EventTime)}
		r.memory.add(each)
		entries = append(entries, each)
	}
	return entries
}

// readPage makes a call, again after a growing wait where AWS limits the rate or does not answer.
// The SDK's own repeats are off: the limiter would not know of them.
func (r *Reader) readPage(ctx context.Context, reading *read, in *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
	for attempt := 0; ; attempt++ {
		if aws.Elapsed(reading.began, r.clock.Now()) > readTimeout {
			return nil, errTimeout
		}

		now := r.clock.Now()
		r.sleep(r.limiter.ReserveN(now, 1).DelayFrom(now))
		out, err := r.client.LookupEvents(ctx, in, func(o *cloudtrail.Options) { o.Retryer = awssdk.NopRetryer{} })
		if class := aws.Classify(err); class != aws.Throttled && class != aws.Unanswered || attempt+1 == pageAttempts {
			return out, err
		}
		r.sleep(backoff.Grow(firstPageRetry, longestRetry, attempt))
	}
}

// sleep waits by the reader's clock. A read has no context that ends before it does.
func (r *Reader) sleep(d time.Duration) {
	if d > 0 {
		<-r.clock.After(d)
	}
}
