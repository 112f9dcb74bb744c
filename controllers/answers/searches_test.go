// SPDX-License-Identifier: Apache-2.0

package answers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

func TestASearchOutlastsThePassThatBeganIt(t *testing.T) {
	g := NewWithT(t)
	now, all, begun, answer := time.Now(), NewSearches(), make(chan struct{}, 10), make(chan error)
	look := func(ctx context.Context) (OtherClusters, error) {
		begun <- struct{}{}
		select {
		case err := <-answer:
			return OtherClusters{ARNs: []string{"found"}}, err
		case <-ctx.Done():
			return OtherClusters{}, ctx.Err()
		}
	}
	pass := func() (OtherClusters, error) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // the pass has no time left
		return all.Find(ctx, now, "a subnet", look)
	}

	for range 3 {
		_, err := pass()
		var goesOn *problem.Problem
		g.Expect(errors.As(err, &goesOn)).To(BeTrue())
		g.Expect(goesOn.Reason).To(Equal(v1alpha1.ReasonThrottled))
		g.Expect(goesOn.Stalled).To(BeFalse())
	}
	<-begun
	answer <- nil
	found, err := all.Find(t.Context(), now, "a subnet", look)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.ARNs).To(ConsistOf("found"))
	g.Expect(begun).To(BeEmpty(), "all passes shared one search")

	// Its result was fetched: the next pass that asks wants to know anew.
	refused := errors.New("refused")
	go func() { answer <- refused }()
	_, err = all.Find(t.Context(), now, "a subnet", look)
	g.Expect(err).To(MatchError(refused))
}

func TestAResultThatNoPassFetchedIsForgotten(t *testing.T) {
	g := NewWithT(t)
	now, all := time.Now(), NewSearches()
	look := func(arn string) func(context.Context) (OtherClusters, error) {
		return func(context.Context) (OtherClusters, error) { return OtherClusters{ARNs: []string{arn}}, nil }
	}
	<-all.join(t.Context(), now, "a subnet", look("old")).done
	<-all.join(t.Context(), now, "another subnet", look("other")).done
	kept, err := all.Find(t.Context(), now.Add(2*time.Minute-1), "another subnet", look("new"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(kept.ARNs).To(ConsistOf("other"))
	found, err := all.Find(t.Context(), now.Add(2*time.Minute), "a subnet", look("new"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.ARNs).To(ConsistOf("new"))
}

func TestFourSearchesAreUnderWayAtOnceAndEachIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		all, now := NewSearches(), time.Now()
		over := make(chan struct{})
		var looking []context.Context
		find := func(about string) <-chan error {
			result := make(chan error, 1)
			go func() {
				_, err := all.Find(t.Context(), now, about, func(ctx context.Context) (OtherClusters, error) {
					looking = append(looking, ctx)
					select {
					case <-over:
						return OtherClusters{}, nil
					case <-ctx.Done():
						return OtherClusters{}, ctx.Err()
					}
				})
				result <- err
			}()
			synctest.Wait()
			return result
		}
		var results []<-chan error
		for i := range 5 {
			results = append(results, find(fmt.Sprint(i)))
		}
		g.Expect(looking).To(HaveLen(4), "the fifth waits")
		over <- struct{}{}
		synctest.Wait()
		g.Expect(looking).To(HaveLen(5), "once another one is over")
		ended := slices.DeleteFunc(slices.Clone(looking), func(ctx context.Context) bool { return ctx.Err() == nil })
		g.Expect(ended).To(HaveLen(1), "what a search began ends with it")

		failed := 0
		for _, result := range results {
			if err := <-result; err != nil {
				g.Expect(err).To(MatchError(context.DeadlineExceeded))
				failed++
			}
		}
		g.Expect(failed).To(Equal(4))
		g.Expect(time.Since(now)).To(Equal(time.Minute))
	})
}

func TestASearchThatGetsNoTurnInItsTimeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		all, now := NewSearches(), time.Now()
		over := make(chan struct{})
		for i := range 4 {
			go func() {
				_, _ = all.Find(t.Context(), now, fmt.Sprint(i), func(context.Context) (OtherClusters, error) { <-over; return OtherClusters{}, nil })
			}()
		}
		synctest.Wait()
		_, err := all.Find(t.Context(), now, "fifth", func(context.Context) (OtherClusters, error) {
			t.Error("it was begun")
			return OtherClusters{}, nil
		})
		g.Expect(err).To(MatchError(context.DeadlineExceeded))
		close(over)
	})
}
