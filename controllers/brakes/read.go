// SPDX-License-Identifier: Apache-2.0

package brakes

import (
	"context"
	"errors"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/fis"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
	"agentdisconnect.dev/agentdisconnect/controllers/shared"
)

const (
	// Interval is how often alarms and the safety lever are read while a run is on. CloudWatch itself
	// evaluates an alarm every 10 to 60 seconds.
	Interval = 15 * time.Second
	// alarmsPage is how many alarms DescribeAlarms takes by name, and gives, in one call.
	alarmsPage = 100
	// leverID is the id that the one safety lever of an account and Region has.
	leverID = "default"
	// mostReaders is how many are kept. Beyond that all are made anew: only shared answers are lost.
	mostReaders = 500
)

// Since is how old what is read of brakes at a time may be. It is the same for all runs, so that
// they share the reads.
func Since(now time.Time) time.Time { return now.Truncate(Interval) }

// Wanted is what is to be read in AWS for a run.
type Wanted struct {
	// Alarms are the names of the alarms of its stop conditions.
	Alarms []string
	// Lever: the safety lever of AWS FIS counts too.
	Lever bool
}

// IsNothing reports whether nothing is to be read.
func (w Wanted) IsNothing() bool { return len(w.Alarms) == 0 && !w.Lever }

// Reading is what AWS said of the brakes of a run.
type Reading struct {
	// Alarms are those that exist, by name; nil: they were not read.
	Alarms map[string]Alarm
	// Lever is the safety lever; nil: it was not read.
	Lever *Lever
	// Err is why something was not read.
	Err error
}

// Alarm is the state of an alarm of CloudWatch.
type Alarm struct{ State, Reason string }

// Lever is the state of the safety lever of AWS FIS.
type Lever struct{ Status, Reason string }

// Readers read for all runs of an account and Region together. The zero value is not usable: see
// NewReaders. They are safe for concurrent use.
type Readers struct {
	clock clock.PassiveClock

	mu sync.Mutex
	// of has mostReaders at most: clients that are made anew have a reader of their own.
	of map[*aws.Clients]*reader
}

// reader reads with one set of clients: of one account and Region.
type reader struct {
	alarms *shared.Reads[string, Alarm]
	levers *shared.Reads[string, Lever]
}

// NewReaders makes readers that have read nothing.
func NewReaders(clk clock.PassiveClock) *Readers {
	return &Readers{clock: clk, of: map[*aws.Clients]*reader{}}
}

// reader gives those of some clients. Runs that are on wait for what an object that has not begun may
// have asked for first, so that all of it is read in their class.
func (r *Readers) reader(clients *aws.Clients) *reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of[clients] == nil {
		if len(r.of) >= mostReaders {
			clear(r.of)
		}
		r.of[clients] = &reader{
			alarms: shared.NewReads(shared.Source[string, Alarm]{
				Clock: r.clock, Page: alarmsPage, Admit: clients.Admit, Unadmit: clients.Unadmit,
				Fetch: func(ctx context.Context, names []string) (map[string]Alarm, error) {
					return describeAlarms(aws.WithClass(ctx, ratelimit.On), clients.CloudWatch, names)
				},
			}),
			levers: shared.NewReads(shared.Source[string, Lever]{
				Clock: r.clock, Page: 1, Admit: clients.Admit, Unadmit: clients.Unadmit,
				Fetch: func(ctx context.Context, _ []string) (map[string]Lever, error) {
					lever, err := getLever(aws.WithClass(ctx, ratelimit.On), clients.FIS)
					return map[string]Lever{leverID: lever}, err
				},
			}),
		}
	}
	return r.of[clients]
}

// Read gives the state of brakes, of a call that was sent at since or later. What could be read is in
// the answer also where something else could not.
func (r *Readers) Read(ctx context.Context, clients *aws.Clients, since time.Time, wanted Wanted) Reading {
	of := r.reader(clients)
	var alarms, levers Reading
	var both sync.WaitGroup
	if len(wanted.Alarms) > 0 {
		both.Go(func() { alarms = of.readAlarms(ctx, since, wanted.Alarms) })
	}
	if wanted.Lever {
		both.Go(func() { levers = of.readLever(ctx, since) })
	}
	both.Wait()
	return Reading{Alarms: alarms.Alarms, Lever: levers.Lever, Err: errors.Join(alarms.Err, levers.Err)}
}

func (r *reader) readAlarms(ctx context.Context, since time.Time, names []string) Reading {
	answers, err := r.alarms.Get(ctx, since, names...)
	if err != nil {
		return Reading{Err: asUnanswered(err, cloudwatch.ServiceID, "DescribeAlarms")}
	}
	alarms := map[string]Alarm{}
	for name, answer := range answers {
		if answer.Found {
			alarms[name] = answer.Value
		}
	}
	return Reading{Alarms: alarms}
}

func (r *reader) readLever(ctx context.Context, since time.Time) Reading {
	answers, err := r.levers.Get(ctx, since, leverID)
	if err != nil {
		return Reading{Err: asUnanswered(err, fis.ServiceID, "GetSafetyLever")}
	}
	return Reading{Lever: new(answers[leverID].Value)}
}

// describeAlarms reads alarms by name, metric alarms and composite ones. One that is not in the answer
// does not exist.
func describeAlarms(ctx context.Context, api aws.CloudWatch, names []string) (map[string]Alarm, error) {
	found := map[string]Alarm{}
	pages := cloudwatch.NewDescribeAlarmsPaginator(api, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: names, MaxRecords: awssdk.Int32(alarmsPage),
		AlarmTypes: []cloudwatchtypes.AlarmType{cloudwatchtypes.AlarmTypeMetricAlarm, cloudwatchtypes.AlarmTypeCompositeAlarm},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, each := range page.MetricAlarms {
			found[awssdk.ToString(each.AlarmName)] = Alarm{string(each.StateValue), awssdk.ToString(each.StateReason)}
		}
		for _, each := range page.CompositeAlarms {
			found[awssdk.ToString(each.AlarmName)] = Alarm{string(each.StateValue), awssdk.ToString(each.StateReason)}
		}
	}
	return found, nil
}

func getLever(ctx context.Context, api aws.FIS) (Lever, error) {
	out, err := api.GetSafetyLever(ctx, &fis.GetSafetyLeverInput{Id: awssdk.String(leverID)})
	if err != nil {
		return Lever{}, err
	}
	if out.SafetyLever == nil || out.SafetyLever.State == nil {
		return Lever{}, nil
	}
	return Lever{string(out.SafetyLever.State.Status), awssdk.ToString(out.SafetyLever.State.Reason)}, nil
}
