// SPDX-License-Identifier: Apache-2.0

package shared_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/controllers/shared"
)

// now asks for an answer to a request that is sent after the call.
var now time.Time

// roundTrip is how long the source takes.
const roundTrip = 50 * time.Millisecond

// source has a version of each key, and keeps what it was asked for.
type source struct {
	mu       sync.Mutex
	versions map[string]int
	broken   map[string]error
	asked    []string
	canceled int
}

func (s *source) fetch(ctx context.Context, keys []string) (map[string]int, error) {
	s.mu.Lock()
	s.asked = append(s.asked, strings.Join(slices.Sorted(slices.Values(keys)), " "))
	answers := map[string]int{}
	var err error
	for _, key := range keys {
		if version, ok := s.versions[key]; ok {
			answers[key] = version
		}
		err = errors.Join(err, s.broken[key])
	}
	s.mu.Unlock()
	select {
	case <-time.After(roundTrip):
		return answers, err
	case <-ctx.Done():
		s.mu.Lock()
		s.canceled++
		s.mu.Unlock()
		return nil, ctx.Err()
	}
}

func (s *source) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *source) set(key string, version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versions[key] = version
}

func newSource(keys ...string) *source {
	s := &source{versions: map[string]int{}, broken: map[string]error{}}
	for _, key := range keys {
		s.versions[key] = 1
	}
	return s
}

func (s *source) reads(page int, change ...func(*shared.Source[string, int])) *shared.Reads[string, int] {
	of := shared.Source[string, int]{
		Fetch: s.fetch, Page: page, Clock: clock.RealClock{}, // the bubble's clock
		Group: func(key string) string { return key[:1] },
	}
	for _, c := range change {
		c(&of)
	}
	return shared.NewReads(of)
}

func TestAReadThatIsAskedForNowIsSentAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		s := newSource("a1")
		reads := s.reads(10)
		for version := range 3 {
			s.set("a1", version)
			asked := time.Now()
			got, err := reads.Get(t.Context(), now, "a1")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(map[string]shared.Answer[int]{"a1": {Value: version, Found: true, SentAt: asked}}))
		}
		g.Expect(s.requests()).To(HaveLen(3))
	})
}

// One that comes while a read is under way gets the next, as many as they are.
func TestCallersThatComeMeanwhileShareTheNextRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		s := newSource("a1", "a2", "a3")
		gate := make(chan struct{}, 10)
		reads := s.reads(10, func(of *shared.Source[string, int]) {
			of.Admit = func(ctx context.Context) (context.Context, error) {
				select {
				case <-gate:
					return ctx, nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		})
		var all sync.WaitGroup
		for _, key := range []string{"a1", "a2", "a3", "a2", "a4"} {
			all.Go(func() {
				got, err := reads.Get(t.Context(), now, key)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(got[key].Found).To(Equal(key != "a4"))
			})
		}
		synctest.Wait()
		g.Expect(s.requests()).To(BeEmpty())
		gate <- struct{}{}
		all.Wait()
		g.Expect(s.requests()).To(Equal([]string{"a1 a2 a3 a4"}))
	})
}

// Callers whose turns come at the same moment use one of them, and the others are free for other reads.
func TestATurnThatNoReadUsesIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		s := newSource("a1")
		var turns sync.WaitGroup
		var spent, takenBack atomic.Int32
		turns.Add(5)
		reads := s.reads(10, func(of *shared.Source[string, int]) {
			of.Admit = func(ctx context.Context) (context.Context, error) {
				turns.Done()
				turns.Wait()
				spent.Add(1)
				return ctx, nil
			}
			of.Unadmit = func(context.Context) { takenBack.Add(1) }
		})
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				_, err := reads.Get(t.Context(), now, "a1")
				g.Expect(err).NotTo(HaveOccurred())
			})
		}
		all.Wait()
		g.Expect(s.requests()).To(HaveLen(1))
		g.Expect(spent.Load() - takenBack.Load()).To(Equal(int32(1)))
	})
}

func TestKeysOfTwoGroupsAndMoreThanAPageAreReadApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		s := newSource("a1", "a2", "a3", "b1")
		began := time.Now()
		got, err := s.reads(2).Get(t.Context(), now, "a1", "a2", "a3", "b1", "a1")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(HaveLen(4))
		g.Expect(s.requests()).To(ConsistOf("a1 a2", "a3", "b1"))
		g.Expect(time.Since(began)).To(Equal(roundTrip), "side by side")
	})
}

// poll is a caller that asks every interval, and takes what was sent half of it after its last
// answer, as the controller does.
func poll(ctx context.Context, reads *shared.Reads[string, int], key string, offset, interval time.Duration, check func(shared.Answer[int])) {
	time.Sleep(offset)
	first, err := reads.Get(ctx, now, key)
	for last := first[key].SentAt; err == nil; {
		check(shared.Answer[int]{SentAt: last})
		select {
		case <-time.After(time.Until(last.Add(interval))):
		case <-ctx.Done():
			return
		}
		var got map[string]shared.Answer[int]
		if got, err = reads.Get(ctx, last.Add(interval/2), key); err == nil {
			check(got[key])
			last = got[key].SentAt
		}
	}
}

// However their first polls fall, callers come to share reads, and each still gets a new answer
// every interval or sooner.
func TestPollsComeToShareReads(t *testing.T) {
	const interval, callers, page, time10 = 15 * time.Second, 230, 100, 10 * time.Minute
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		random := rand.New(rand.NewPCG(1, 2))
		s := newSource()
		reads := s.reads(page)
		ctx, stop := context.WithTimeout(t.Context(), time10)
		defer stop()
		var all sync.WaitGroup
		for i := range callers {
			offset := time.Duration(random.Int64N(int64(interval)))
			last := time.Time{}
			all.Go(func() {
				poll(ctx, reads, fmt.Sprintf("a%d", i), offset, interval, func(a shared.Answer[int]) {
					if !last.IsZero() && !a.SentAt.Equal(last) {
						g.Expect(a.SentAt.Sub(last)).To(And(BeNumerically(">=", interval/2), BeNumerically("<=", interval+roundTrip)), "two polls are two reads")
					}
					last = a.SentAt
				})
			})
		}
		time.Sleep(4 * interval)
		before := len(s.requests())
		time.Sleep(20 * interval)
		calls := len(s.requests()) - before
		g.Expect(calls).To(BeNumerically("<=", 20*4), "3 pages an interval and a little; by each caller alone it is %d", 20*callers)
		stop()
		all.Wait()
	})
}

func TestAnAnswerCountsForAPollOnlyIfItIsNewEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		s := newSource("a1", "a2")
		reads := s.reads(10)
		start := time.Now()
		_, err := reads.Get(t.Context(), start, "a1")
		g.Expect(err).NotTo(HaveOccurred())
		time.Sleep(10 * time.Second)

		s.set("a1", 2)
		got, err := reads.Get(t.Context(), start, "a1")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got["a1"]).To(Equal(shared.Answer[int]{Value: 1, Found: true, SentAt: start}))
		got, err = reads.Get(t.Context(), start.Add(1), "a1")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got["a1"].Value).To(Equal(2))
		g.Expect(s.requests()).To(HaveLen(2))
	})
}

// What was sent before a change says nothing of it, whether it was answered by then or not.
func TestAChangeMakesEarlierAnswersCountForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		s := newSource("a1", "a2")
		reads := s.reads(10)
		start := time.Now()
		_, err := reads.Get(t.Context(), start, "a1", "a2")
		g.Expect(err).NotTo(HaveOccurred())
		reads.Forget("a1")
		_, err = reads.Get(t.Context(), start, "a1", "a2")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(s.requests()).To(Equal([]string{"a1 a2", "a1 a2"}), "the other goes along, since it is there to be read")

		under := make(chan struct{})
		go func() {
			defer close(under)
			_, _ = reads.Get(t.Context(), now, "a2")
		}()
		synctest.Wait()
		reads.ForgetAll()
		later := time.Now()
		s.set("a2", 7)
		got, err := reads.Get(t.Context(), later, "a2")
		<-under
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got["a2"].Value).To(Equal(7))
		got, err = reads.Get(t.Context(), later, "a2")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got["a2"].Value).To(Equal(7), "the answer that came first is not taken for the newer one")
	})
}

func TestAnErrorOfOneKeyIsNobodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		s := newSource("a1", "a2", "a3", "a4", "a5")
		denied := errors.New("denied")
		s.broken["a4"] = denied
		reads := s.reads(10, func(of *shared.Source[string, int]) {
			of.IsOfOneKey = func(err error) bool { return errors.Is(err, denied) }
		})
		var all sync.WaitGroup
		for key := range s.versions {
			all.Go(func() {
				_, err := reads.Get(t.Context(), now, key)
				if key == "a4" {
					g.Expect(err).To(MatchError(denied))
				} else {
					g.Expect(err).NotTo(HaveOccurred())
				}
			})
		}
		all.Wait()

		s.broken["a4"] = errors.New("throttled")
		_, err := reads.Get(t.Context(), now, "a1", "a4")
		g.Expect(err).To(MatchError("throttled"))
	})
}

func TestACallerThatLeavesTakesNothingFromTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		s := newSource("a1")
		reads := s.reads(10)
		start := time.Now()
		impatient, leave := context.WithTimeout(t.Context(), roundTrip/2)
		defer leave()
		var all sync.WaitGroup
		all.Go(func() {
			_, err := reads.Get(impatient, start, "a1")
			g.Expect(err).To(MatchError(context.DeadlineExceeded))
		})
		all.Go(func() {
			_, err := reads.Get(t.Context(), start, "a1")
			g.Expect(err).NotTo(HaveOccurred())
		})
		all.Wait()
		g.Expect(s.canceled).To(BeZero())

		alone, leave := context.WithTimeout(t.Context(), roundTrip/2)
		defer leave()
		_, err := reads.Get(alone, now, "a1")
		g.Expect(err).To(MatchError(context.DeadlineExceeded))
		synctest.Wait()
		g.Expect(s.canceled).To(Equal(1), "nobody waits for it any more")
		_, err = reads.Get(t.Context(), start, "a1")
		g.Expect(err).NotTo(HaveOccurred())
	})
}

func TestWhatNobodyPollsAnyMoreIsNotReadAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		s := newSource("a1", "a2")
		reads := s.reads(10)
		for range 2 {
			_, err := reads.Get(t.Context(), time.Now(), "a1", "a2")
			g.Expect(err).NotTo(HaveOccurred())
		}
		for range 10 {
			time.Sleep(time.Minute)
			_, err := reads.Get(t.Context(), time.Now(), "a1")
			g.Expect(err).NotTo(HaveOccurred())
		}
		g.Expect(s.requests()[:2]).To(HaveEach("a1 a2"))
		g.Expect(s.requests()[8:]).To(HaveEach("a1"))
	})
}
