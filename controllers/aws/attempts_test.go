// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go/middleware"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

const acl = "acl-0b3d6f9a1c5e72840"

// promised is how long a request may wait after what it rests on was seen, as docs/safety.md promises it.
const promised = 10 * time.Second

// stopped is a clock that stands still but for one jump in each call, between its beginning and its sending.
type stopped struct {
	now  time.Time
	jump func(time.Time) time.Time
}

func (s *stopped) Now() time.Time                  { return s.now }
func (s *stopped) Since(t time.Time) time.Duration { return s.now.Sub(t) }

// pause is where the process stands still: the request is made, and not yet signed.
func (s *stopped) pause(stack *middleware.Stack) error {
	return stack.Build.Add(middleware.BuildMiddlewareFunc("Pause",
		func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
			s.now = s.jump(s.now)
			return next.HandleBuild(ctx, in)
		}), middleware.After)
}

// pausing are clients in whose calls the clock jumps.
func pausing(s *sim.Simulator, from time.Time, jump func(time.Time) time.Time) *aws.Clients {
	clock := &stopped{now: from, jump: jump}
	sessions := aws.NewSessions(s.Config(), "agentdisconnect", "test", clock.pause)
	sessions.Clock = clock
	return sessions.In(tokyo)
}

func by(d time.Duration) func(time.Time) time.Time {
	return func(t time.Time) time.Time { return t.Add(d) }
}

// holds is a fence that always does.
func holds(context.Context) (time.Time, error) { return time.Now().Add(time.Hour), nil }

// deny creates an entry, which AWS does or doesn't get to hear of.
func deny(ctx context.Context, clients *aws.Clients) error {
	return denyWith(ctx, clients.Fenced(holds))
}

func denyWith(ctx context.Context, clients aws.Fenced) error {
	_, err := clients.EC2.CreateNetworkAclEntry(ctx, &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: awssdk.String(acl), RuleNumber: awssdk.Int32(80), Egress: awssdk.Bool(true), Protocol: awssdk.String("-1"),
		RuleAction: types.RuleActionDeny, CidrBlock: awssdk.String("192.0.2.1/32"),
	})
	return err
}

// denies reports whether the entry is there.
func denies(g *WithT, s *sim.Simulator) bool {
	out, err := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo).EC2.DescribeNetworkAcls(context.Background(),
		&ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{acl}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.NetworkAcls).To(HaveLen(1))
	for _, e := range out.NetworkAcls[0].Entries {
		if awssdk.ToBool(e.Egress) && awssdk.ToInt32(e.RuleNumber) == 80 {
			return true
		}
	}
	return false
}

func TestAWriteIsNotSentLongAfterItsCallBegan(t *testing.T) {
	monotonic, wall := time.Now(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		from time.Time
		jump func(time.Time) time.Time
		sent bool
	}{
		"at once":                       {monotonic, by(0), true},
		"at the last moment":            {monotonic, by(promised), true},
		"a moment later":                {monotonic, by(promised + 1), false},
		"an hour later":                 {monotonic, by(time.Hour), false},
		"at the last moment, wall only": {wall, by(promised), true},
		"a moment later, wall only":     {wall, by(promised + 1), false},
		"set back, wall only":           {wall, by(-time.Hour), true},
		// A machine that was suspended: its monotonic clock stood still.
		"only the wall clock went on":                {monotonic, wallBy(time.Hour), false},
		"only the wall clock, to the last moment":    {monotonic, wallBy(promised), true},
		"only the wall clock, a moment later":        {monotonic, wallBy(promised + 1), false},
		"a wall clock that is set back meanwhile":    {monotonic, func(t time.Time) time.Time { return wallBy(-time.Hour)(t.Add(promised + 1)) }, false},
		"a wall clock that is set back, and no wait": {monotonic, wallBy(-time.Hour), true},
		"a clock that lost its monotonic reading":    {monotonic, func(t time.Time) time.Time { return t.Add(time.Minute).Round(0) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := simulate(t)
			err := deny(t.Context(), pausing(s, tc.from, tc.jump))
			if tc.sent {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(callsOf(s, "ec2:CreateNetworkAclEntry")).To(Equal(1))
			} else {
				g.Expect(err).To(MatchError(aws.ErrLate))
				g.Expect(aws.Classify(err)).To(Equal(aws.Unanswered), "the caller must take it as possibly done: it may be a repeat of one that was sent")
				g.Expect(aws.Action(err)).To(Equal("ec2:CreateNetworkAclEntry"))
				g.Expect(s.Calls()).To(BeEmpty())
			}
			g.Expect(denies(g, s)).To(Equal(tc.sent))
		})
	}
}

// Each call has a beginning of its own: one that came late doesn't keep the next from being sent.
func TestACallAfterALateOneIsSent(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	left := time.Hour
	clients := pausing(s, time.Now(), func(t time.Time) time.Time {
		t, left = t.Add(left), 0
		return t
	})
	g.Expect(deny(t.Context(), clients)).To(MatchError(aws.ErrLate))
	g.Expect(deny(t.Context(), clients)).To(Succeed())
	g.Expect(denies(g, s)).To(BeTrue())
}

// A call that is added to the interfaces is listed here, with whether it changes something.
func TestNoCallThatChangesSomethingIsSentLate(t *testing.T) {
	writes := map[string]bool{}
	for _, name := range []string{
		"CreateNetworkAclEntry", "DeleteNetworkAclEntry", "ReplaceNetworkAclEntry", "CreateNetworkAcl", "DeleteNetworkAcl",
		"ReplaceNetworkAclAssociation", "CreateTags", "DeleteTags", "CreateSchedule", "UpdateSchedule", "DeleteSchedule",
	} {
		writes[name] = true
	}
	g := NewWithT(t)
	s := simulate(t)
	sent := &counting{next: s.Config().HTTPClient}
	cfg := s.Config()
	cfg.HTTPClient = sent
	clock := &stopped{now: time.Now(), jump: by(time.Hour)}
	sessions := aws.NewSessions(cfg, "agentdisconnect", "test", clock.pause)
	sessions.Clock = clock
	clients := sessions.In(tokyo)
	fenced := clients.Fenced(func(context.Context) (time.Time, error) { return clock.now, nil })
	for kind, client := range map[reflect.Type]any{
		reflect.TypeFor[aws.FencedEC2](): fenced.EC2, reflect.TypeFor[aws.ECS](): clients.ECS,
		reflect.TypeFor[aws.FencedScheduler](): fenced.Scheduler, reflect.TypeFor[aws.ServiceQuotas](): clients.ServiceQuotas,
	} {
		for method := range kind.Methods() {
			call := reflect.ValueOf(client).MethodByName(method.Name)
			in := reflect.New(call.Type().In(1).Elem())
			fill(in.Elem(), 0)
			sent.requests = 0
			results := call.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
			err, _ := reflect.TypeAssert[error](results[1])
			if writes[method.Name] {
				g.Expect(err).To(MatchError(aws.ErrLate), method.Name)
				g.Expect(sent.requests).To(BeZero(), method.Name)
			} else {
				g.Expect(errors.Is(err, aws.ErrLate)).To(BeFalse(), method.Name)
				g.Expect(sent.requests).NotTo(BeZero(), method.Name)
			}
			delete(writes, method.Name)
		}
	}
	g.Expect(writes).To(BeEmpty(), "no interface has these calls")
}

// counting counts the requests that leave the SDK.
type counting struct {
	next     awssdk.HTTPClient
	requests int
}

// Do implements aws.HTTPClient.
func (c *counting) Do(r *http.Request) (*http.Response, error) {
	c.requests++
	return c.next.Do(r)
}

// fill gives every field of a request some value, so that the SDK doesn't miss one that is required.
func fill(v reflect.Value, depth int) {
	if depth > 16 || !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field, depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.String:
		v.SetString(strings.Repeat("x", 8))
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	}
}

// wallBy moves the wall clock's reading of a time and leaves the monotonic one. Package time has no way to do that; the
// check at the end fails if the layout of its type has changed.
func wallBy(d time.Duration) func(time.Time) time.Time {
	return func(t time.Time) time.Time {
		moved := t.Add(d)
		ext := func(t *time.Time) *int64 {
			return &(*struct {
				wall uint64
				ext  int64
				loc  *time.Location
			})(unsafe.Pointer(t)).ext
		}
		*ext(&moved) = *ext(&t)
		if moved.Sub(t) != 0 || moved.Round(0).Sub(t.Round(0)) != d {
			panic("time.Time has another layout than this test knows")
		}
		return moved
	}
}
