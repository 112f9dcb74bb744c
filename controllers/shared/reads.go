// SPDX-License-Identifier: Apache-2.0

package shared

import (
	"context"
	"maps"
	"slices"
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

// flight is one read, from the first caller that waits for it.
type flight[K comparable, V any] struct {
	// keys are those of its callers; taken says that it has been sent, and closes.
	keys  []K
	taken chan struct{}
	// done closes when answers and errs are there.
	done    chan struct{}
	sentAt  time.Time
	answers map[K]V
	errs    map[K]error
	// callers counts those that wait; the last one that leaves cancels the read.
	callers int
	cancel  context.CancelFunc
	// outdated has the keys that were forgotten after the read was sent.
	outdated map[K]bool
}

// NewReads makes reads of a source.
func NewReads[K comparable, V any](source Source[K, V]) *Reads[K, V] {
	if source.Group == nil {
		source.Group = func(K) string { return "" }
	}
	if source.Admit == nil {
		source.Admit = func(ctx context.Context) (context.Context, error) { return ctx, nil }
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

// await waits for a read, and sends it unless another of its callers does.
func (r *Reads[K, V]) await(ctx context.Context, since time.Time, w *wait[K, V]) error {
	defer r.leave(w)
	if err := r.send(ctx, since, w); err != nil {
		return err
	}

	select {
	case <-w.flight.done:
	case <-ctx.Done():
		return ctx.Err()
	}

	for _, key := range w.keys {
		if err := w.flight.errs[key]; err != nil {
			return err
		}
	}
	return nil
}

// send sends a read once it is admitted, unless another of its callers was admitted first.
func (r *Reads[K, V]) send(ctx context.Context, since time.Time, w *wait[K, V]) error {
	admitting, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-w.flight.taken:
			stop()
		case <-admitting.Done():
		}
	}()

	select {
	case <-w.flight.taken:
		return nil
	default:
	}

	admitted, err := r.source.Admit(admitting)
	if err != nil {
		select {
		case <-w.flight.taken:
			return nil // another caller's turn came first
		default:
			return err
		}
	}
	r.take(admitted, since, w)
	return nil
}

// take sends a read, with what else there is room for.
func (r *Reads[K, V]) take(ctx context.Context, since time.Time, w *wait[K, V]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, g := w.flight, w.group
	if f.cancel != nil {
		return
	}

	if g.next == f {
		g.next = nil
	}
	f.sentAt = r.source.Clock.Now()
	g.fill(f, since, r.source.Page)
	for _, key := range f.keys {
		if g.waiting[key] == f {
			delete(g.waiting, key)
		}
		g.sent[key] = f
	}

	reading, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.cancel = cancel
	close(f.taken)
	go func() {
		defer cancel()
		answers := map[K]V{}
		r.fetch(reading, f.keys, answers, f.errs)
		f.answers = answers
		r.keep(g, f)
		close(f.done)
	}()
}

// fill has a read that was asked for by a poll take along what is polled too, and whose last answer
// is too old for such a caller, or soon will be: the oldest first. Polls that begin at different times so come to
// share their reads.
func (g *group[K, V]) fill(f *flight[K, V], since time.Time, page int) {
	if since.IsZero() || len(f.keys) >= page {
		return
	}

	// What is too old half way to the caller's next poll goes along too: or two that poll half an
	// interval apart would never meet.
	soon := since.Add(f.sentAt.Sub(since) / 2)
	type candidate struct {
		key    K
		sentAt time.Time
	}
	var old []candidate
	for key, of := range g.polled {
		switch under := g.sent[key]; {
		case g.waiting[key] != nil, of.answer == nil, !of.answer.SentAt.Before(soon):
		case under != nil && !under.sentAt.Before(since):
		case f.sentAt.Sub(of.askedAt) <= keptFor:
			old = append(old, candidate{key, of.answer.SentAt})
		}
	}

	slices.SortFunc(old, func(a, b candidate) int { return a.sentAt.Compare(b.sentAt) })
	for _, each := range old[:min(len(old), page-len(f.keys))] {
		f.keys = append(f.keys, each.key)
	}
}

// fetch reads keys, in halves where the error may be of one of them.
func (r *Reads[K, V]) fetch(ctx context.Context, keys []K, answers map[K]V, errs map[K]error) {
	found, err := r.source.Fetch(ctx, keys)
	switch {
	case err == nil:
		maps.Copy(answers, found)
	case len(keys) > 1 && r.source.IsOfOneKey(err):
		half := len(keys) / 2
		r.fetch(ctx, keys[:half], answers, errs)
		r.fetch(ctx, keys[half:], answers, errs)
	default:
		for _, key := range keys {
			errs[key] = err
		}
	}
}

// keep remembers the answers about keys that are polled.
func (r *Reads[K, V]) keep(g *group[K, V], f *flight[K, V]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range f.keys {
		if g.sent[key] == f {
			delete(g.sent, key)
		}
		of := g.polled[key]
		if of == nil || f.errs[key] != nil || f.outdated[key] || of.answer != nil && of.answer.SentAt.After(f.sentAt) {
			continue
		}
		value, ok := f.answers[key]
		of.answer = &Answer[V]{Value: value, Found: ok, SentAt: f.sentAt}
	}
}

// leave notes that a caller waits no longer for a read. One that nobody waits for is not sent, or
// cancelled.
func (r *Reads[K, V]) leave(w *wait[K, V]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, g := w.flight, w.group
	if f.callers--; f.callers > 0 {
		return
	}

	ofThis := func(_ K, of *flight[K, V]) bool { return of == f }
	maps.DeleteFunc(g.waiting, ofThis)
	maps.DeleteFunc(g.sent, ofThis) // or a caller that comes now would wait for what is cancelled
	if g.next == f {
		g.next = nil
	}
	if f.cancel != nil {
		f.cancel()
	}
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
