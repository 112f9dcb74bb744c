// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
)

// drain takes tokens until none is left for a class.
func drain(g *WithT, b *ratelimit.Bucket, class ratelimit.Class) (taken int) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		if err := b.Wait(over, class, 0, time.Hour); err != nil {
			g.Expect(err).To(MatchError(ratelimit.ErrBusy))
			return taken
		}
		taken++
	}
}

func TestABurstAndThenTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		b := ratelimit.NewBucket(ratelimit.Limit{PerSecond: 4, Burst: 40}, nil)
		began := time.Now()
		for range 40 + 100 {
			g.Expect(b.Wait(t.Context(), ratelimit.Ending, 0, time.Hour)).To(Succeed())
		}
		g.Expect(time.Since(began)).To(BeNumerically("~", 25*time.Second, 100*time.Millisecond))
		time.Sleep(time.Hour)
		g.Expect(drain(g, b, ratelimit.Ending)).To(Equal(40))
	})
}

func TestWithoutALimitNobodyWaits(t *testing.T) {
	g := NewWithT(t)
	b := ratelimit.NewBucket(ratelimit.Limit{}, nil)
	b.Throttled()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 1000 {
		g.Expect(b.Wait(over, ratelimit.NotBegun, 0, time.Hour)).To(Succeed())
	}
	g.Expect(b.Rate()).To(BeZero())
}

func TestEachClassLeavesTokensToTheHigher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		b := ratelimit.NewBucket(ratelimit.Limit{PerSecond: 10, Burst: 50}, nil)
		g.Expect(drain(g, b, ratelimit.NotBegun)).To(Equal(25))
		g.Expect(drain(g, b, ratelimit.On)).To(Equal(15))
		g.Expect(drain(g, b, ratelimit.Ending)).To(Equal(10))
	})
}

// With the smallest bucket every class gets a token.
func TestABurstOfOneServesEveryClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		b := ratelimit.NewBucket(ratelimit.Limit{PerSecond: 0.5, Burst: 1}, nil)
		for _, class := range []ratelimit.Class{ratelimit.NotBegun, ratelimit.On, ratelimit.Ending} {
			g.Expect(b.Wait(t.Context(), class, 0, time.Hour)).To(Succeed())
		}
	})
}

// A thousand that wait in vain do not delay an end by more than one token.
func TestEndsDoNotWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		const perSecond = 4
		b := ratelimit.NewBucket(ratelimit.Limit{PerSecond: perSecond, Burst: 8}, nil)
		drain(g, b, ratelimit.Ending)
		var order []string
		var mu sync.Mutex
		var all sync.WaitGroup
		enter := func(name string, class ratelimit.Class, urgency int) {
			all.Go(func() {
				g.Expect(b.Wait(t.Context(), class, urgency, time.Hour)).To(Succeed())
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
			})
			synctest.Wait() // the order of arrival is known
		}
		for range 1000 {
			enter("not begun", ratelimit.NotBegun, 1)
		}
		enter("on", ratelimit.On, 0)
		enter("first end", ratelimit.Ending, 0)
		enter("second end", ratelimit.Ending, 0)
		enter("clone", ratelimit.Ending, 1)
		began := time.Now()
		time.Sleep(time.Second)
		synctest.Wait()
		mu.Lock()
		g.Expect(order).To(Equal([]string{"clone", "first end", "second end"}), "the fourth token is kept for ends")
		mu.Unlock()
		all.Wait()
		g.Expect(order[3]).To(Equal("on"))
		g.Expect(time.Since(began)).To(BeNumerically("<=", (1003+4+2)*time.Second/perSecond))
	})
}

func TestWhoLeavesTheQueueTakesNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		b := ratelimit.NewBucket(ratelimit.Limit{PerSecond: 1, Burst: 10}, nil)
		drain(g, b, ratelimit.Ending)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		began := time.Now()
		var patient sync.WaitGroup
		patient.Go(func() {
			time.Sleep(100 * time.Millisecond)
			g.Expect(b.Wait(t.Context(), ratelimit.Ending, 0, time.Hour)).To(Succeed())
		})
		err := b.Wait(ctx, ratelimit.Ending, 0, time.Hour)
		g.Expect(err).To(MatchError(ratelimit.ErrBusy))
		g.Expect(err).To(MatchError(context.DeadlineExceeded))
		patient.Wait()
		g.Expect(time.Since(began)).To(BeNumerically("~", time.Second, 10*time.Millisecond))
	})
}

func TestATokenThatIsReturnedServesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		b := ratelimit.NewBucket(ratelimit.Limit{PerSecond: 0.01, Burst: 10}, nil)
		drain(g, b, ratelimit.Ending)
		began := time.Now()
		var waits sync.WaitGroup
		waits.Go(func() { g.Expect(b.Wait(t.Context(), ratelimit.Ending, 0, time.Hour)).To(Succeed()) })
		synctest.Wait()
		b.Return()
		waits.Wait()
		g.Expect(time.Since(began)).To(BeZero())

		time.Sleep(time.Hour)
		b.Return()
		g.Expect(drain(g, b, ratelimit.Ending)).To(Equal(10), "never more than the burst")
	})
}

// Who waited for as long as they may is sent away, and holds up nobody.
func TestNobodyWaitsForLongerThanTheyMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		b := ratelimit.NewBucket(ratelimit.Limit{PerSecond: 0.1, Burst: 1}, nil)
		drain(g, b, ratelimit.Ending)
		began := time.Now()
		var patient sync.WaitGroup
		patient.Go(func() {
			time.Sleep(time.Second)
			g.Expect(b.Wait(t.Context(), ratelimit.Ending, 0, time.Minute)).To(Succeed())
			g.Expect(time.Since(began)).To(BeNumerically("~", 10*time.Second, 10*time.Millisecond))
		})
		g.Expect(b.Wait(t.Context(), ratelimit.Ending, 0, 4*time.Second)).To(MatchError(ratelimit.ErrBusy))
		g.Expect(time.Since(began)).To(Equal(4 * time.Second))
		patient.Wait()
	})
}

// leaping is a clock by which a wait takes no time of the test.
type leaping struct {
	mu  sync.Mutex
	now time.Time
}

// Now implements ratelimit.Clock.
func (c *leaping) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc implements ratelimit.Clock.
func (c *leaping) AfterFunc(d time.Duration, do func()) clock.Timer {
	return clock.RealClock{}.AfterFunc(0, func() {
		c.mu.Lock()
		c.now = c.now.Add(d)
		c.mu.Unlock()
		do()
	})
}

func TestABucketGoesByItsClock(t *testing.T) {
	g := NewWithT(t)
	c := &leaping{now: time.Unix(1000, 0)}
	b := ratelimit.NewBucket(ratelimit.Limit{PerSecond: 0.1, Burst: 1}, c)
	for range 4 {
		g.Expect(b.Wait(t.Context(), ratelimit.Ending, 0, time.Minute)).To(Succeed())
	}
	g.Expect(c.Now().Sub(time.Unix(1000, 0))).To(BeNumerically("~", 30*time.Second, time.Millisecond))
	g.Expect(b.Wait(t.Context(), ratelimit.Ending, 0, 4*time.Second)).To(MatchError(ratelimit.ErrBusy))
}

// The server's rate is a quarter of the limit: what is sent comes close to it, and little is
// refused.
func TestTheRateFollowsTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		b := ratelimit.NewBucket(ratelimit.Limit{PerSecond: 20, Burst: 40}, nil)
		const allowed = 5.0
		served, refused, tokens, at := 0, 0, 10.0, time.Now()
		for began := time.Now(); time.Since(began) < 10*time.Minute; {
			g.Expect(b.Wait(t.Context(), ratelimit.On, 0, time.Hour)).To(Succeed())
			tokens = min(tokens+time.Since(at).Seconds()*allowed, 10)
			at = time.Now()
			if tokens < 1 {
				refused++
				b.Throttled()
				continue
			}
			tokens--
			served++
		}
		g.Expect(served).To(BeNumerically(">", 10*60*allowed*0.7))
		g.Expect(refused).To(BeNumerically("<", served/10))
		g.Expect(b.Rate()).To(BeNumerically("<", 10))

		time.Sleep(time.Minute)
		g.Expect(b.Rate()).To(Equal(20.0), "when nothing is refused any more")
	})
}

func TestManyRefusalsAtOnceSlowOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		b := ratelimit.NewBucket(ratelimit.Limit{PerSecond: 10, Burst: 50}, nil)
		for range 20 {
			b.Throttled()
		}
		g.Expect(b.Rate()).To(BeNumerically("~", 7, 0.001))
		for range 100 {
			time.Sleep(time.Second)
			b.Throttled()
		}
		g.Expect(b.Rate()).To(BeNumerically(">=", 0.5), "never nothing")
	})
}
