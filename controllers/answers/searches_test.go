// SPDX-License-Identifier: Apache-2.0

package answers

import (
	"context"
	"errors"
	"testing"
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
	found, err := all.Find(t.Context(), now.Add(unfetchedFor), "a subnet", look("new"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.ARNs).To(ConsistOf("new"))
}
