// SPDX-License-Identifier: Apache-2.0

package region

import (
	"cmp"
	"slices"
	"time"
)

// trailDelay is about how long CloudTrail takes to show an event.
const trailDelay = 5 * time.Minute

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

	shownAt time.Time
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

// Record adds an event, to be shown after CloudTrail's delay.
func (r *Region) Record(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.shownAt = e.Time.Add(r.scaled(trailDelay))
	r.events = append(r.events, e)
}

// Events are the events that CloudTrail shows by now, newest first.
func (r *Region) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Clock.Now()
	shown := slices.DeleteFunc(slices.Clone(r.events), func(e Event) bool { return e.shownAt.After(now) })
	slices.Reverse(shown)
	slices.SortStableFunc(shown, func(a, b Event) int { return cmp.Compare(b.Time.UnixNano(), a.Time.UnixNano()) })
	return shown
}
