// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// pauses is an HTTP client in front of the Region, where the process stands still before a request is sent or after it was
// answered.
type pauses struct {
	next          awssdk.HTTPClient
	clock         *stopped
	before, after time.Duration
}

// Do implements aws.HTTPClient.
func (p *pauses) Do(r *http.Request) (*http.Response, error) {
	p.clock.now = p.clock.now.Add(p.before)
	answer, err := p.next.Do(r)
	p.clock.now = p.clock.now.Add(p.after)
	return answer, err
}

// paused are clients whose process stands still for these times, and its clock.
func paused(s *sim.Simulator, before, after time.Duration) (*aws.Clients, *stopped) {
	clock := &stopped{now: time.Now()}
	cfg := s.Config()
	cfg.HTTPClient = &pauses{next: cfg.HTTPClient, clock: clock, before: before, after: after}
	sessions := aws.NewSessions(cfg, "agentdisconnect", "test")
	sessions.Clock = clock
	return sessions.In(tokyo), clock
}

var errEdited = errors.New("the object was edited")

func TestAWriteIsSentOnlyWhileWhatItRestsOnHolds(t *testing.T) {
	type rest struct {
		age time.Duration
		err error
	}
	for name, tc := range map[string]struct {
		rests []rest
		sent  bool
	}{
		"on what was just seen":              {[]rest{{}}, true},
		"on what was seen in time":           {[]rest{{age: promised}}, true},
		"on what was seen too long ago":      {[]rest{{age: promised + 1}}, false},
		"on what no longer holds":            {[]rest{{err: errEdited}}, false},
		"on two things that hold":            {[]rest{{}, {age: time.Second}}, true},
		"on two things, the first of age":    {[]rest{{age: time.Minute}, {}}, false},
		"on two things, the second of age":   {[]rest{{}, {age: time.Minute}}, false},
		"on two things, the first is over":   {[]rest{{err: errEdited}, {}}, false},
		"on two things, the second is over":  {[]rest{{}, {err: errEdited}}, false},
		"on two things, and neither of them": {[]rest{{age: time.Minute}, {err: errEdited}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := simulate(t)
			clients, clock := paused(s, 0, 0)
			asked := 0
			var fences []aws.Fence
			for _, on := range tc.rests {
				fences = append(fences, func(context.Context) (time.Time, error) {
					asked++
					return clock.now.Add(-on.age), on.err
				})
			}
			fenced := clients.Fenced(fences[0], fences[1:]...)

			_, read := fenced.EC2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{})
			g.Expect(read).NotTo(HaveOccurred())
			g.Expect(asked).To(BeZero(), "a read rests on nothing")

			err := denyWith(t.Context(), fenced)
			g.Expect(denies(g, s)).To(Equal(tc.sent), "%v", err)
			if tc.sent {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(asked).To(Equal(len(tc.rests)))
				return
			}
			g.Expect(err).To(MatchError(aws.ErrLate))
			g.Expect(callsOf(s, "ec2:CreateNetworkAclEntry")).To(BeZero())
		})
	}
}

func TestTheErrorOfWhatAWriteRestsOnIsTold(t *testing.T) {
	g := NewWithT(t)
	clients, _ := paused(simulate(t), 0, 0)
	fenced := clients.Fenced(func(context.Context) (time.Time, error) { return time.Time{}, errEdited })
	g.Expect(denyWith(t.Context(), fenced)).To(MatchError(errEdited))
}

// A client that is no fenced one changes nothing, whatever way it was come by.
func TestAWriteThatRestsOnNothingIsNotSent(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients, _ := paused(s, 0, 0)
	_, err := clients.BareEC2().DeleteNetworkAcl(t.Context(), &ec2.DeleteNetworkAclInput{NetworkAclId: awssdk.String(acl)})
	g.Expect(err).To(MatchError(aws.ErrLate))
	g.Expect(callsOf(s, "ec2:DeleteNetworkAcl")).To(BeZero())
}

// What clients rest on is their own: others that were made with the same fences are not held to it.
func TestFencesOfOneOriginAreApart(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients, clock := paused(s, 0, 0)
	holds := func(context.Context) (time.Time, error) { return clock.now, nil }
	over := func(context.Context) (time.Time, error) { return clock.now, errEdited }
	shared := make([]aws.Fence, 3, 8) // so that the list has room for another one
	for i := range shared {
		shared[i] = holds
	}
	one := clients.Fenced(holds, append(shared, holds)...)
	clients.Fenced(holds, append(shared, over)...)
	g.Expect(denyWith(t.Context(), one)).To(Succeed())
}

// A connection may have to be made between the last look and the sending.
func TestTheBodyOfALateWriteIsNotSent(t *testing.T) {
	for name, tc := range map[string]struct {
		pause time.Duration
		sent  bool
	}{
		"at the last moment": {promised, true},
		"a moment later":     {promised + 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := simulate(t)
			clients, _ := paused(s, tc.pause, 0)
			err := deny(t.Context(), clients)
			g.Expect(denies(g, s)).To(Equal(tc.sent), "%v", err)
			if tc.sent {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(MatchError(aws.ErrLate))
				g.Expect(aws.Classify(err)).To(Equal(aws.Unanswered))
			}
		})
	}
}

// DeleteSchedule has no body, so the look before it is sent is the only one.
func TestAWriteWithoutABodyIsNotSentLate(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients := pausing(s, time.Now(), by(promised+1))
	_, err := clients.Fenced(holds).Scheduler.DeleteSchedule(t.Context(), &scheduler.DeleteScheduleInput{Name: awssdk.String("agd.x.80")})
	g.Expect(err).To(MatchError(aws.ErrLate))
	g.Expect(s.Calls()).To(BeEmpty())
}

// A process that was paused takes up an answer of long ago: what it says may not hold any more.
func TestAnAnswerThatIsTakenInLateIsNone(t *testing.T) {
	for name, tc := range map[string]struct {
		pause time.Duration
		taken bool
	}{
		"at the last moment": {promised, true},
		"a moment later":     {promised + 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := simulate(t)
			clients, _ := paused(s, 0, tc.pause)
			err := deny(t.Context(), clients)
			g.Expect(denies(g, s)).To(BeTrue(), "it was sent in time")
			if tc.taken {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(HaveOccurred())
				g.Expect(aws.Classify(err)).To(Equal(aws.Unanswered), "%v", err)
			}
		})
	}
}
