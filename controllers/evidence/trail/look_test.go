// SPDX-License-Identifier: Apache-2.0

package trail_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/callers"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/trail"
)

// instant is a clock on which waits are over at once, so that a read takes no time.
type instant struct{ *clocktesting.FakeClock }

// After implements clock.Clock.
func (i instant) After(d time.Duration) <-chan time.Time {
	i.Step(d)
	over := make(chan time.Time, 1)
	over <- i.Now()
	return over
}

var _ clock.Clock = instant{}

// busy is an account with so many calls of RunTask, a second apart up to a time, as pages.
type busy struct {
	until time.Time
	calls int
}

// LookupEvents implements aws.CloudTrail.
func (b busy) LookupEvents(_ context.Context, in *cloudtrail.LookupEventsInput, _ ...func(*cloudtrail.Options)) (*cloudtrail.LookupEventsOutput, error) {
	out := &cloudtrail.LookupEventsOutput{}
	if awssdk.ToString(in.LookupAttributes[0].AttributeValue) != record.RunTask {
		return out, nil
	}
	var first int
	_, _ = fmt.Sscan(awssdk.ToString(in.NextToken), &first)
	for i := first; i < min(first+50, b.calls); i++ {
		id, at := fmt.Sprint(i), b.until.Add(-time.Duration(i)*time.Second)
		out.Events = append(out.Events, types.Event{EventId: &id, EventTime: &at, CloudTrailEvent: awssdk.String(text(id, record.RunTask, at))})
	}
	if first+50 < b.calls {
		out.NextToken = awssdk.String(fmt.Sprint(first + 50))
	}
	return out, nil
}

// BenchmarkLook is a look of one run at what is known, where an account has as many calls as are
// remembered: at those of its last 15 minutes, and at all of them. All runs there take turns at it.
// With "judged", its callers are judged too, which no other run waits for.
func BenchmarkLook(b *testing.B) {
	clk := instant{clocktesting.NewFakeClock(time.Now())}
	reader := trail.NewReader(busy{clk.Now(), 20_000}, clk)
	first := clk.Now().Add(-20_000 * time.Second)
	if _, err := reader.Read(b.Context(), trail.Ask{Since: first}); err != nil {
		b.Fatal(err)
	}

	for _, of := range []struct {
		name  string
		since time.Time
	}{{"last 15 minutes", clk.Now().Add(-15 * time.Minute)}, {"all", first}} {
		look := func() trail.Answer {
			answer, err := reader.Read(b.Context(), trail.Ask{Since: of.since, MaxAge: time.Hour})
			if err != nil {
				b.Fatal(err)
			}
			return answer
		}
		b.Run(of.name, func(b *testing.B) {
			for b.Loop() {
				look()
			}
		})
		b.Run(of.name+", judged", func(b *testing.B) {
			for b.Loop() {
				callers.Judge(look().Calls, callers.Facts{
					ClusterARN: "arn:aws:ecs:ap-northeast-1:123456789012:cluster/demo",
					Denies:     callers.Period{From: of.since, To: clk.Now()}, RecoverWithin: 10 * time.Minute,
				})
			}
		})
	}
}
