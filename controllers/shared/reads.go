// SPDX-License-Identifier: Apache-2.0

package shared

import (
	"context"
	"maps"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Source is where the values of keys are read.
type Source[K comparable, V any] struct {
	// Fetch reads some keys of one group, Page at most. A key that it gives no value for is not
	// there. The context ends when nobody waits for the answer any more.
	Fetch func(ctx context.Context, keys []K) (map[K]V, error)
	// Page is how many keys one read takes.
	Page int
	// Group names what a key is read with: keys of different groups never share a read. Nil: all
	// keys do.
	Group func(K) string
	// Admit waits until a read may be sent. Keys that are asked for meanwhile join it. Nil: at
	// once.
	Admit func(context.Context) (context.Context, error)
	// Unadmit returns what Admit gave, where another caller's turn came first and no read was sent
	// for this one. Nil: there is nothing to return.
	Unadmit func(context.Context)
	// IsOfOneKey reports whether the error of a read may come from one of its keys. The keys are
	// then read again in halves, and each gets its own answer. Nil: no error does.
	IsOfOneKey func(error) bool
	// Clock says when a read is sent.
	Clock clock.PassiveClock
}

// Answer is what one read said of one key.
type Answer[V any] struct {
	// Value is the key's. Found is false where the source does not have the key.
	Value V
	Found bool
	// SentAt is when the request was sent: the value is as old as that at most.
	SentAt time.Time
}

// keptFor is how long a key counts as polled after a caller last asked for it so: longer than any
// interval between polls.
const keptFor = 3 * time.Minute

// Reads are the reads of one source. They are safe for concurrent use.
type Reads[K comparable, V any] struct {
	source Source[K, V]

	mu     sync.Mutex
	groups map[string]*group[K, V]
	swept  time.Time
}

// group has the keys that share reads.
type group[K comparable, V any] struct {
	// waiting has the keys of callers whose read is not sent yet.
	waiting map[K]*flight[K, V]
	// next is the read that they will share.
	next *flight[K, V]
	// sent has the last read of each key that is under way.
	sent map[K]*flight[K, V]
	// polled has the keys that callers ask for again and again, with their last answers.
	polled map[K]*polled[V]
}

type polled[V any] struct {
	askedAt time.Time
	// answer is the last one; nil: there is none, or it was forgotten.
	answer *Answer[V]
}

// NewReads makes reads of a source.
func NewReads[K comparable, V any](source Source[K, V]) *Reads[K, V] {
	if source.Group == nil {
		source.Group = func(K) string { return "" }
	}
	if source.Admit == nil {
		source.Admit = func(ctx context.Context) (context.Context, error) { return ctx, nil }
	}
	if source.Unadmit == nil {
		source.Unadmit = func(context.Context) {}
	}
	if source.IsOfOneKey == nil {
		source.IsOfOneKey = func(error) bool { return false }
	}
	return &Reads[K, V]{source: source, groups: map[string]*group[K, V]{}}
}

// Get reads keys, each with an answer whose request was sent at since or later; a zero since asks
// for one that is sent after the call of Get. The error is that of one of the keys, or of the
// context. A caller that gives since is taken for one that polls: reads that have room take its keys
// along.
func (r *Reads[K, V]) Get(ctx context.Context, since time.Time, keys ...K) (map[K]Answer[V], error) {
	found := make(map[K]Answer[V], len(keys))
	waits := r.join(since, keys, found)
	errs := make([]error, len(waits))
	var group sync.WaitGroup
	for i, w := range waits {
		group.Go(func() { errs[i] = r.await(ctx, since, w) })
	}
	group.Wait()

	for i, w := range waits {
		if errs[i] != nil {
			return nil, errs[i]
		}
		for _, key := range w.keys {
			value, ok := w.flight.answers[key]
			found[key] = Answer[V]{Value: value, Found: ok, SentAt: w.flight.sentAt}
		}
	}
	return found, nil
}

// Forget drops the answers about keys, after a change of what they are about: the answer to a
// request that was sent earlier counts for nobody that asks from now on.
func (r *Reads[K, V]) Forget(keys ...K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		if g := r.groups[r.source.Group(key)]; g != nil {
			g.forget(key)
		}
	}
}

// ForgetAll is Forget of all keys.
func (r *Reads[K, V]) ForgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.groups {
		for key := range g.polled {
			g.forget(key)
		}
		for key := range g.sent {
			g.forget(key)
		}
	}
}

func (g *group[K, V]) forget(key K) {
	if of := g.polled[key]; of != nil {
		of.answer = nil
	}
	if under := g.sent[key]; under != nil {
		under.outdated[key] = true
		delete(g.sent, key)
	}
}

// wait is one read that a caller takes part in, and for which keys.
type wait[K comparable, V any] struct {
	group  *group[K, V]
	flight *flight[K, V]
	keys   []K
}

// join gives the answers that are there already, and the reads that the rest has to wait for.
func (r *Reads[K, V]) join(since time.Time, keys []K, found map[K]Answer[V]) (waits []*wait[K, V]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.source.Clock.Now()
	r.sweep(now)

	on := map[*flight[K, V]]*wait[K, V]{}
	for _, key := range keys {
		g := r.group(r.source.Group(key))
		if !since.IsZero() {
			if answer := g.poll(key, now); answer != nil && !answer.SentAt.Before(since) {
				found[key] = *answer
				continue
			}
		}

		f := g.flightFor(key, since, r.source.Page)
		if on[f] == nil {
			f.callers++
			on[f] = &wait[K, V]{group: g, flight: f}
			waits = append(waits, on[f])
		}
		on[f].keys = append(on[f].keys, key)
	}
	return waits
}

func (r *Reads[K, V]) group(name string) *group[K, V] {
	g := r.groups[name]
	if g == nil {
		g = &group[K, V]{waiting: map[K]*flight[K, V]{}, sent: map[K]*flight[K, V]{}, polled: map[K]*polled[V]{}}
		r.groups[name] = g
	}
	return g
}

// poll notes that a caller polls a key, and gives the last answer.
func (g *group[K, V]) poll(key K, now time.Time) *Answer[V] {
	of := g.polled[key]
	if of == nil {
		of = &polled[V]{}
		g.polled[key] = of
	}
	of.askedAt = now
	return of.answer
}

// flightFor gives the read that a key has to wait for: one that is under way and was sent late
// enough, or the next one.
func (g *group[K, V]) flightFor(key K, since time.Time, page int) *flight[K, V] {
	if under := g.sent[key]; under != nil && !since.IsZero() && !under.sentAt.Before(since) {
		return under
	}
	if g.waiting[key] != nil {
		return g.waiting[key]
	}

	if g.next == nil || len(g.next.keys) >= page {
		g.next = &flight[K, V]{taken: make(chan struct{}), done: make(chan struct{}), errs: map[K]error{}, outdated: map[K]bool{}}
	}
	g.next.keys = append(g.next.keys, key)
	g.waiting[key] = g.next
	return g.next
}

// sweep forgets, once in a while, keys that nobody polls any more.
func (r *Reads[K, V]) sweep(now time.Time) {
	if age := now.Sub(r.swept); age >= 0 && age < keptFor {
		return
	}
	r.swept = now
	for name, g := range r.groups {
		maps.DeleteFunc(g.polled, func(_ K, of *polled[V]) bool { return now.Sub(of.askedAt) > keptFor })
		if len(g.polled)+len(g.waiting)+len(g.sent) == 0 && g.next == nil {
			delete(r.groups, name)
		}
	}
}

// Oldest is the earliest time at which one of some answers was asked for; zero: there are none.
func Oldest[K comparable, V any](answers map[K]Answer[V]) (at time.Time) {
	for _, each := range answers {
		if at.IsZero() || each.SentAt.Before(at) {
			at = each.SentAt
		}
	}
	return at
}
