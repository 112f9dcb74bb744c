// SPDX-License-Identifier: Apache-2.0

package shared

import (
	"context"
	"maps"
	"slices"
	"time"
)

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
	if !r.take(admitted, since, w) {
		r.source.Unadmit(admitted)
	}
	return nil
}

// take sends a read, with what else there is room for. It reports whether it did: another of its
// callers, whose turn came at the same moment, may have sent it.
func (r *Reads[K, V]) take(ctx context.Context, since time.Time, w *wait[K, V]) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, g := w.flight, w.group
	if f.cancel != nil {
		return false
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
	return true
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
