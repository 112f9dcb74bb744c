// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

func trailClient(s *Simulator) *cloudtrail.Client {
	return cloudtrail.NewFromConfig(s.Config(), func(o *cloudtrail.Options) { o.RetryMaxAttempts = 1 })
}

// withTrail has CloudTrail show events by a setting of the world, in real time's scale.
func withTrail(trail world.Trail) func(*Options) {
	return func(o *Options) {
		o.World, o.Scale = world.Default(), 1
		o.World.Trail = trail
	}
}

// runTasks makes calls of RunTask that fail, one a second, and tells them apart by startedBy.
func runTasks(t *testing.T, s *Simulator, n int, tick func(time.Time)) {
	t.Helper()
	for i := range n {
		tick(noon.Add(time.Duration(i) * time.Second))
		_, err := ecsClient(s).RunTask(t.Context(), &ecs.RunTaskInput{
			Cluster: aws.String("nope"), TaskDefinition: aws.String("demo"), StartedBy: aws.String(fmt.Sprint(i)),
		})
		NewWithT(t).Expect(code(err)).To(Equal("ClusterNotFoundException"))
	}
}

func ofRunTask() cloudtrail.LookupEventsInput {
	return cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyEventName, "RunTask")}
}

// shownRuns are the ids of the events of RunTask that lookups return, newest first.
func shownRuns(t *testing.T, s *Simulator, in cloudtrail.LookupEventsInput) []string {
	t.Helper()
	events, err := lookup(t, s, in)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	ids := []string{}
	for _, e := range events {
		ids = append(ids, *e.EventId)
	}
	return ids
}

func TestEventsComeLateAndOutOfOrder(t *testing.T) {
	// arrivals are the positions of 40 events in the order in which they are shown.
	arrivals := func(seed uint64) []int {
		s, g, fake := startAtNoon(t, withTrail(world.Trail{Delay: "2m", Jitter: "10m", Seed: seed}))
		runTasks(t, s, 40, fake.SetTime)
		fake.SetTime(noon.Add(2*time.Minute - time.Nanosecond))
		g.Expect(shownRuns(t, s, ofRunTask())).To(BeEmpty(), "none is earlier than the delay")
		var arrived []string
		for at := noon.Add(2 * time.Minute); !at.After(noon.Add(13 * time.Minute)); at = at.Add(10 * time.Second) {
			fake.SetTime(at)
			for _, id := range slices.Backward(shownRuns(t, s, ofRunTask())) {
				if !slices.Contains(arrived, id) {
					arrived = append(arrived, id)
				}
			}
		}
		g.Expect(arrived).To(HaveLen(40), "all are shown after delay and jitter")
		inOrder := shownRuns(t, s, ofRunTask())
		var order []int
		for _, id := range arrived {
			order = append(order, len(inOrder)-1-slices.Index(inOrder, id))
		}
		return order
	}
	g := NewWithT(t)
	first := arrivals(1)
	g.Expect(slices.IsSorted(first)).To(BeFalse(), "later calls are shown before earlier ones")
	g.Expect(arrivals(1)).To(Equal(first), "a seed gives the same in every run")
	g.Expect(arrivals(2)).NotTo(Equal(first))
}

func TestDuplicateEvents(t *testing.T) {
	s, g, fake := startAtNoon(t, withTrail(world.Trail{Duplicates: "20%", Seed: 3}))
	runTasks(t, s, 120, fake.SetTime)
	fake.SetTime(noon.Add(time.Hour))
	in := ofRunTask()
	ids := shownRuns(t, s, in)
	times := map[string]int{}
	for _, id := range ids {
		times[id]++
	}
	g.Expect(times).To(HaveLen(120))
	twice := 0
	for _, n := range times {
		g.Expect(n).To(BeNumerically("<=", 2))
		twice += n - 1
	}
	g.Expect(twice).To(And(BeNumerically(">", 10), BeNumerically("<", 40)), "about a fifth")

	// With one event a page, an event and its duplicate are on different pages.
	in.MaxResults = aws.Int32(1)
	g.Expect(shownRuns(t, s, in)).To(Equal(ids))

	g.Expect(s.Region().SetTrail(region.Trail{Duplicates: 1.5})).To(MatchError(ContainSubstring("from 0 to 1")))
	g.Expect(s.Region().SetTrail(region.Trail{})).To(Succeed())
	runTasks(t, s, 1, func(time.Time) {})
	fake.SetTime(noon.Add(2 * time.Hour))
	g.Expect(shownRuns(t, s, ofRunTask())).To(HaveLen(len(ids)+1), "what is recorded from now on")
}

// Events that come between two pages neither repeat others nor hide them.
func TestTokensStayValid(t *testing.T) {
	s, g, fake := startAtNoon(t, withTrail(world.Trail{Delay: "1m"}))
	runTasks(t, s, 60, fake.SetTime)
	fake.SetTime(noon.Add(5 * time.Minute))
	in := ofRunTask()
	first, err := trailClient(s).LookupEvents(t.Context(), &in)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(first.Events).To(HaveLen(50))
	runTasks(t, s, 3, func(time.Time) {}) // newer
	fake.SetTime(noon.Add(10 * time.Minute))

	in.NextToken = first.NextToken
	second, err := trailClient(s).LookupEvents(t.Context(), &in)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second.Events).To(HaveLen(10))
	g.Expect(second.NextToken).To(BeNil())
	g.Expect(*second.Events[0].EventTime).To(BeTemporally("==", noon.Add(9*time.Second)))
	g.Expect(shownRuns(t, s, ofRunTask())).To(HaveLen(63))

	for name, change := range map[string]func(*cloudtrail.LookupEventsInput){
		"attribute": func(in *cloudtrail.LookupEventsInput) {
			in.LookupAttributes = by(types.LookupAttributeKeyEventName, "StartTask")
		},
		"start time": func(in *cloudtrail.LookupEventsInput) { in.StartTime = aws.Time(noon) },
		"end time":   func(in *cloudtrail.LookupEventsInput) { in.EndTime = aws.Time(noon) },
		"page size":  func(in *cloudtrail.LookupEventsInput) { in.MaxResults = aws.Int32(10) },
		"token":      func(in *cloudtrail.LookupEventsInput) { in.NextToken = aws.String("AAAA") },
	} {
		other := in
		change(&other)
		_, err := trailClient(s).LookupEvents(t.Context(), &other)
		g.Expect(code(err)).To(Equal("InvalidNextTokenException"), name)
	}
}

func TestTimeRangeOfLookups(t *testing.T) {
	s, g, fake := startAtNoon(t, withTrail(world.Trail{}))
	runTasks(t, s, 10, fake.SetTime)
	fake.SetTime(noon.Add(time.Hour))
	in := ofRunTask()
	in.StartTime, in.EndTime = aws.Time(noon.Add(2*time.Second)), aws.Time(noon.Add(5*time.Second))
	g.Expect(shownRuns(t, s, in)).To(HaveLen(4), "both times are included")
	in.EndTime = in.StartTime
	g.Expect(shownRuns(t, s, in)).To(HaveLen(1))
	in.EndTime = nil
	g.Expect(shownRuns(t, s, in)).To(HaveLen(8))

	for _, wrong := range [][2]time.Time{{noon.Add(time.Second), noon}, {noon, time.Unix(noon.UnixMilli(), 0)}, {time.Unix(-1, 0), noon}} {
		in.StartTime, in.EndTime = &wrong[0], &wrong[1]
		_, err := lookup(t, s, in)
		g.Expect(code(err)).To(Equal("InvalidTimeRangeException"), "%v", wrong)
	}
}

// A lookup is an event itself, with the names and times of its parameters as CloudTrail writes
// them.
func TestLookupsAreRecorded(t *testing.T) {
	s, g, fake := startAtNoon(t, withTrail(world.Trail{}))
	in := ofRunTask()
	in.StartTime = aws.Time(noon.Add(-time.Hour))
	g.Expect(shownRuns(t, s, in)).To(BeEmpty())
	fake.SetTime(noon.Add(time.Hour))
	events, err := lookup(t, s, cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyEventSource, "cloudtrail.amazonaws.com")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(HaveLen(1))
	g.Expect(recordOf(g, events[0])["requestParameters"]).To(Equal(map[string]any{
		"lookupAttributes": []any{map[string]any{"attributeKey": "EventName", "attributeValue": "RunTask"}}, "startTime": "Jan 2, 2026, 11:00:00 AM",
	}))
}

func TestLookupsAreThrottled(t *testing.T) {
	s, g, fake := startAtNoon(t, withTrail(world.Trail{Throttled: true}), func(o *Options) {
		o.World.AccessKeys = []world.AccessKey{{ID: "AKIAONE", Secret: "x"}, {ID: "AKIATWO", Secret: "x"}, {ID: "AKIAOTHER", Secret: "x", Account: "210987654321"}}
	})
	look := func(key, regionName string) string {
		config := s.ConfigFor(key)
		config.Region = regionName
		_, err := cloudtrail.NewFromConfig(config, func(o *cloudtrail.Options) { o.RetryMaxAttempts = 1 }).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
		if err != nil {
			g.Expect(err).To(MatchError(ContainSubstring("Rate exceeded")))
		}
		return code(err)
	}
	const here, away = "ap-northeast-1", "us-east-1"
	g.Expect([]string{look("AKIAONE", here), look("AKIATWO", here), look("AKIAONE", here)}).
		To(Equal([]string{"", "", "ThrottlingException"}), "all callers of an account share the limit")
	g.Expect([]string{look("AKIAONE", away), look("AKIAOTHER", here)}).To(HaveEach(""), "other Regions and accounts have their own")
	fake.SetTime(noon.Add(500 * time.Millisecond))
	g.Expect([]string{look("AKIAONE", here), look("AKIAONE", here)}).To(Equal([]string{"", "ThrottlingException"}))
	fake.SetTime(noon.Add(time.Minute))
	g.Expect([]string{look("AKIAONE", here), look("AKIAONE", here), look("AKIAONE", here)}).To(Equal([]string{"", "", "ThrottlingException"}))
}

func TestThrottleFaultsAreByAccountAndRegion(t *testing.T) {
	s, g, _ := startAtNoon(t)
	s.Faults().Add(faults.Fault{Action: "cloudtrail:LookupEvents", Throttle: &faults.Bucket{}})
	elsewhere := s.Config()
	elsewhere.Region = "us-east-1"
	away := cloudtrail.NewFromConfig(elsewhere, func(o *cloudtrail.Options) { o.RetryMaxAttempts = 1 })
	for _, want := range []string{"", "", "ThrottlingException"} {
		_, err := trailClient(s).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
		g.Expect(code(err)).To(Equal(want))
	}
	_, err := away.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
	g.Expect(err).NotTo(HaveOccurred())
}
