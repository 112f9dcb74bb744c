// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"time"
)

const (
	// staleIntervals is how many intervals may go by without an answer before what was seen last counts as unknown: one
	// or two are lost to throttling or to a change of the leader.
	staleIntervals = 4
	// shortestBelief is for how long an answer is believed at least: ECS and reads of EC2 lag by that much anyway.
	shortestBelief = time.Minute
	// noteEvery is how often at most the status is written only to say when the agents were last looked at.
	noteEvery = time.Minute
)

// look is when something was last looked at by this process, and for how long what it showed may be said.
type look struct {
	// at is when; zero: not since the process started.
	at      time.Time
	goodFor time.Duration
}

// lookedAt is a look at something that is looked at once an interval.
func lookedAt(at time.Time, interval time.Duration) look {
	return look{at, max(staleIntervals*interval, shortestBelief)}
}

// fresh reports whether what the look showed may still be said.
func (l look) fresh(now time.Time) bool { return !l.at.IsZero() && now.Sub(l.at) < l.goodFor }

// notObserved is the reason of a condition about something that was not looked at lately.
const notObserved = "NotObserved"

// unobserved is the value of a condition about something that was not looked at lately. last is a format that takes the
// time of the last look, never the sentence for none. Neither changes until the next look.
func (f facts) unobserved(l look, last, never string) verdict {
	message := never + " since the manager started"
	if !l.at.IsZero() {
		message = fmt.Sprintf(last, rfc3339(l.at))
	}
	return verdict{unknown, notObserved, f.withTrouble(message)}
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }
