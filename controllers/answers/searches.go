// SPDX-License-Identifier: Apache-2.0

package answers

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

const (
	// searchTimeout bounds a search for other clusters: 300 clusters take 15 seconds at the rate
	// that is kept.
	searchTimeout = time.Minute
	// unfetchedFor is how long a result is kept that no pass fetched: a little longer than a search
	// and the wait for the next pass.
	unfetchedFor = 2 * searchTimeout
	// mostSearches bounds how many are under way at once, since they share the rate that ECS
	// allows.
	mostSearches = 4
)

// Searches look for other clusters in the background: a search takes many calls, and a pass must
// not hold its worker for as long. A pass waits for the result as long as it may, and a later one
// finds it.
type Searches struct {
	mu      sync.Mutex
	about   map[string]*search
	running *semaphore.Weighted
}

type search struct {
	began time.Time     // by the clock of the passes
	done  chan struct{} // closed when found and err are there
	found OtherClusters
	err   error
}

// NewSearches makes searches of which none is under way.
func NewSearches() *Searches {
	return &Searches{about: map[string]*search{}, running: semaphore.NewWeighted(mostSearches)}
}

// Find gives the result of a search about something, each result once. The error is the search's,
// or says that it goes on. Objects that ask about the same thing at the same time share a search.
func (s *Searches) Find(ctx context.Context, now time.Time, about string, look func(context.Context) (OtherClusters, error)) (OtherClusters, error) {
	joined := s.join(ctx, now, about, look)
	select {
	case <-joined.done:
	case <-ctx.Done():
		return OtherClusters{}, problem.Wait(v1alpha1.ReasonThrottled, "the Region has many clusters, and ECS limits the rate of calls: the search for container instances of other clusters goes on")
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.about[about] == joined {
		delete(s.about, about)
	}
	return joined.found, joined.err
}

// join gives the search about something that is under way, or whose result was not fetched yet;
// else it begins one.
func (s *Searches) join(ctx context.Context, now time.Time, about string, look func(context.Context) (OtherClusters, error)) *search {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.about, func(_ string, old *search) bool { return now.Sub(old.began) >= unfetchedFor })
	if joined := s.about[about]; joined != nil {
		return joined
	}

	begun := &search{began: now, done: make(chan struct{})}
	s.about[about] = begun
	go func() {
		defer close(begun.done)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), searchTimeout)
		defer cancel()
		if begun.err = s.running.Acquire(ctx, 1); begun.err != nil {
			return
		}
		defer s.running.Release(1)
		begun.found, begun.err = look(ctx)
	}()
	return begun
}
