// SPDX-License-Identifier: Apache-2.0

package region

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// trailDelay is about how long CloudTrail takes to show an event.
const trailDelay = 5 * time.Minute

// lookupsPerSecond is how many calls of LookupEvents AWS lets an account make in a Region, also at
// once.
const lookupsPerSecond = 2

// Trail is how CloudTrail shows events. The zero value shows each once, after 5 minutes, and limits
// no lookups.
type Trail struct {
	// Delay is how long an event takes at least; 0: 5 minutes. Scale divides it, and Jitter.
	Delay time.Duration
	// Jitter is by how much longer an event takes at most, so that events come out of their order.
	Jitter time.Duration
	// Duplicates is the part of the events, from 0 to 1, that lookups return twice.
	Duplicates float64
	// Seed selects another draw of delays and duplicates.
	Seed uint64
	// Throttled limits LookupEvents to two calls a second, as AWS does.
	Throttled bool
}

func (t Trail) validate() error {
	if t.Delay < 0 || t.Jitter < 0 {
		return fmt.Errorf("the delay %v and the jitter %v of CloudTrail can't be negative", t.Delay, t.Jitter)
	}
	if !(t.Duplicates >= 0 && t.Duplicates <= 1) {
		return fmt.Errorf("duplicates of CloudTrail are a part from 0 to 1, not %v", t.Duplicates)
	}
	return nil
}

// Event is a call as CloudTrail records it.
type Event struct {
	ID        string
	Time      time.Time
	Source    string
	Name      string
	ReadOnly  bool
	AccessKey string
	Username  string
	Resources []EventResource
	// JSON is the record itself.
	JSON string
	// Copy tells an event from its duplicate, which has the same ID: 0 and 1.
	Copy int

	// ShownAt is from when on CloudTrail shows the event.
	ShownAt time.Time
}

// EventResource is a resource that an event is about.
type EventResource struct{ Type, Name string }

// NewEventID makes the id of an event or request.
func (r *Region) NewEventID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hexID(32)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:32]
}

// SetTrail changes how CloudTrail shows the events that are still to come.
func (r *Region) SetTrail(t Trail) error {
	if err := t.validate(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.o.Trail = t
	return nil
}

// Record adds an event, to be shown after CloudTrail's delay. A duplicate has a delay of its own.
func (r *Region) Record(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.o.Trail
	copies := 1
	if t.draw(e.ID, "duplicate") < t.Duplicates {
		copies = 2
	}
	for n := range copies {
		e.Copy = n
		delay := cmp.Or(t.Delay, trailDelay) + time.Duration(t.draw(e.ID, fmt.Sprint("delay of ", n))*float64(t.Jitter))
		e.ShownAt = e.Time.Add(r.scaled(delay))
		r.events = append(r.events, e)
	}
}

// draw is a number from 0 to below 1 that follows from the seed, the event and what is drawn.
func (t Trail) draw(id, what string) float64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s/%s", t.Seed, id, what))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

// Events are the events that CloudTrail shows by now, newest first.
func (r *Region) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Clock.Now()
	shown := slices.DeleteFunc(slices.Clone(r.events), func(e Event) bool { return e.ShownAt.After(now) })
	slices.Reverse(shown)
	slices.SortStableFunc(shown, func(a, b Event) int { return cmp.Compare(b.Time.UnixNano(), a.Time.UnixNano()) })
	return shown
}

// Recorded are all events, the last first, those included that CloudTrail does not show yet.
func (r *Region) Recorded() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := slices.Clone(r.events)
	slices.Reverse(events)
	return events
}

// AdmitLookup reports whether LookupEvents may be called now, and counts the call.
func (r *Region) AdmitLookup() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.o.Trail.Throttled {
		return true
	}
	now := r.o.Clock.Now()
	if r.lookups.at.IsZero() {
		r.lookups = lookups{lookupsPerSecond, now}
	}
	if now.After(r.lookups.at) {
		refilled := r.lookups.left + now.Sub(r.lookups.at).Seconds()*lookupsPerSecond
		r.lookups = lookups{min(lookupsPerSecond, refilled), now}
	}
	if r.lookups.left < 1 {
		return false
	}
	r.lookups.left--
	return true
}

// lookups is the token bucket of LookupEvents.
type lookups struct {
	left float64
	at   time.Time
}
