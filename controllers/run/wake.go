// SPDX-License-Identifier: Apache-2.0

package run

import "time"

// Wake is when something wants the next pass over an object, and why. The zero value: it wants
// none.
type Wake struct {
	At  time.Time
	Why string
}

// Wakes are what one pass leaves to the next.
type Wakes struct {
	// Now is the time of the pass.
	Now time.Time
	// Due is what the phase of the object goes on with.
	Due []Wake
	// Pause is the shortest wait before what is overdue is tried again.
	Pause time.Duration
	// Retry is when to repeat the pass after its failure.
	Retry Wake
}

// PhaseChanges is why a pass comes when the phase of its object can change.
const PhaseChanges = "the phase can change"

// NextWake is when the next pass is due: at the earliest of the wakes, and never after the time at
// which the phase can change by itself, unless that is past. The zero value: only a change of the
// object is worth a pass.
func NextWake(wakes Wakes, change time.Time) Wake {
	var next Wake
	for _, due := range wakes.Due {
		next = next.orEarlier(due.notBefore(wakes.Now.Add(wakes.Pause)))
	}
	next = next.orEarlier(wakes.Retry.notBefore(wakes.Now))
	if change.After(wakes.Now) {
		next = next.orEarlier(Wake{change, PhaseChanges})
	}
	return next
}

// orEarlier is the earlier of two wakes.
func (w Wake) orEarlier(other Wake) Wake {
	if w.At.IsZero() || !other.At.IsZero() && other.At.Before(w.At) {
		return other
	}
	return w
}

// notBefore puts a wake off until a time, if it is earlier.
func (w Wake) notBefore(t time.Time) Wake {
	if w.At.IsZero() {
		return w
	}
	return Wake{Latest(w.At, t), w.Why}
}
