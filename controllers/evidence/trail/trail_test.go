// SPDX-License-Identifier: Apache-2.0

package trail_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/smithy-go"
	. "github.com/onsi/gomega"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/trail"
)

// history is an account's event history, as CloudTrail shows it: pages of 50, the newest first, each
// event from a time of its own on.
type history struct {
	t *testing.T

	mu     sync.Mutex
	events []shown
	sorted bool
	// calls are when calls came, begins where reads began, and failing gives the error of the n-th
	// call, counted from 1.
	calls   []time.Time
	begins  []time.Time
	failing func(n int) error
}

type shown struct {
	types.Event

	from time.Time
}

func text(id, name string, at time.Time) string {
	return fmt.Sprintf(`{"eventID":%q,"eventTime":%q,"eventSource":"ecs.amazonaws.com","eventName":%q,"userIdentity":{"arn":"arn:aws:iam::123456789012:user/alice"},`+
		`"requestParameters":{"cluster":"demo","taskDefinition":"report"},"responseElements":{"tasks":[],"failures":[]}}`, id, at.UTC().Format(time.RFC3339), name)
}

// add adds an event of a time, that is shown after a delay.
func (h *history) add(id, name string, at time.Time, delay time.Duration) {
	h.addText(id, name, text(id, name, at), at, delay)
}

func (h *history) addText(id, name, text string, at time.Time, delay time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sorted = false
	h.events = append(h.events, shown{types.Event{
		EventId: awssdk.String(id), EventName: awssdk.String(name), EventTime: awssdk.Time(at.Truncate(time.Second)), CloudTrailEvent: awssdk.String(text),
	}, at.Add(delay)})
}

// LookupEvents implements aws.CloudTrail.
func (h *history) LookupEvents(_ context.Context, in *cloudtrail.LookupEventsInput, options ...func(*cloudtrail.Options)) (*cloudtrail.LookupEventsOutput, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := NewWithT(h.t)
	var o cloudtrail.Options
	for _, option := range options {
		option(&o)
	}
	g.Expect(o.Retryer.MaxAttempts()).To(Equal(1), "the SDK does not know the limiter")
	g.Expect(in.LookupAttributes).To(HaveLen(1), "CloudTrail takes no more")
	g.Expect(*in.MaxResults).To(BeEquivalentTo(50))

	now := time.Now()
	h.calls = append(h.calls, now)
	if h.failing != nil {
		if err := h.failing(len(h.calls)); err != nil {
			return nil, err
		}
	}

	if !h.sorted {
		slices.SortStableFunc(h.events, func(a, b shown) int { return b.EventTime.Compare(*a.EventTime) })
		h.sorted = true
	}
	first, _ := strconv.Atoi(awssdk.ToString(in.NextToken))
	if first == 0 {
		h.begins = append(h.begins, *in.StartTime)
	}
	out := &cloudtrail.LookupEventsOutput{}
	matching := 0
	for _, e := range h.events {
		if e.EventTime.Before(*in.StartTime) {
			break
		}
		if *e.EventName != *in.LookupAttributes[0].AttributeValue || e.from.After(now) {
			continue
		}
		if matching++; matching <= first {
			continue
		}
		if len(out.Events) == 50 {
			out.NextToken = awssdk.String(strconv.Itoa(first + 50))
			break
		}
		out.Events = append(out.Events, e.Event)
	}
	return out, nil
}

// took gives the calls since it was last asked.
func (h *history) took() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n = len(h.calls)
	h.calls, h.begins = nil, nil
	return n
}

// newReader makes a reader by the bubble's clock.
func newReader(h *history) *trail.Reader { return trail.NewReader(h, clock.RealClock{}) }

func idsOf(calls []record.Call) []string {
	ids := make([]string, 0, len(calls))
	for _, call := range calls {
		ids = append(ids, call.EventID)
	}
	return ids
}

func refused(code string) error {
	return &smithy.OperationError{ServiceID: "CloudTrail", OperationName: "LookupEvents", Err: &smithy.GenericAPIError{Code: code, Message: "in words"}}
}
