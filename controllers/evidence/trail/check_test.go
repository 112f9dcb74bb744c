// SPDX-License-Identifier: Apache-2.0

package trail_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

func TestWhetherReadsAreAllowedIsAskedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h := &history{t: t}
		reader := newReader(h)
		for range 10 {
			g.Expect(reader.CheckAllowed(t.Context(), time.Minute)).To(Succeed())
			time.Sleep(5 * time.Second)
		}
		g.Expect(h.took()).To(Equal(1))
		time.Sleep(time.Minute)
		g.Expect(reader.CheckAllowed(t.Context(), time.Minute)).To(Succeed())
		g.Expect(h.took()).To(Equal(1))
	})
}

func TestADenialIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		denied := true
		h := &history{t: t, failing: func(int) error {
			if denied {
				return refused("AccessDeniedException")
			}
			return nil
		}}
		reader := newReader(h)
		for range 3 {
			err := reader.CheckAllowed(t.Context(), time.Minute)
			g.Expect(aws.Action(err)).To(Equal("cloudtrail:LookupEvents"))
			g.Expect(aws.Classify(err)).To(Equal(aws.Denied))
		}
		g.Expect(h.took()).To(Equal(1), "at the rate that CloudTrail allows")
		time.Sleep(time.Second)
		denied = false
		g.Expect(reader.CheckAllowed(t.Context(), time.Minute)).To(Succeed())
	})
}

func TestThrottlingSaysNothingOfThePermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h := &history{t: t, failing: func(int) error { return refused("ThrottlingException") }}
		g.Expect(newReader(h).CheckAllowed(t.Context(), time.Minute)).To(Succeed())
		g.Expect(h.took()).To(Equal(1))
	})
}

func TestWhoAsksBesideAnotherHasTheSameAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h := &history{t: t}
		h.failing = func(int) error { time.Sleep(3 * time.Second); return refused("AccessDeniedException") }
		reader := newReader(h)
		answers := make(chan error, 2)
		for range 2 {
			go func() { answers <- reader.CheckAllowed(t.Context(), time.Minute) }()
		}
		synctest.Wait()
		impatient, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		g.Expect(reader.CheckAllowed(impatient, time.Minute)).To(MatchError(context.DeadlineExceeded), "there is no answer yet")
		for range 2 {
			g.Expect(aws.Classify(<-answers)).To(Equal(aws.Denied))
		}
	})
}
