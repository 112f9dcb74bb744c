// SPDX-License-Identifier: Apache-2.0

package verification

import (
	"context"
	"errors"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/callers"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/trail"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

const (
	// shortestReadInterval and longestReadInterval bound how often CloudTrail is read, for all runs of
	// an account and Region together: it is minutes late anyway. readsPerDelay is how many reads there
	// are in the time by which it may be late, and looksPerRead how often a pass comes back for a read
	// that goes on.
	shortestReadInterval, longestReadInterval = 2 * time.Second, time.Minute
	readsPerDelay, looksPerRead               = 15, 12
	// accountTimeout bounds the question in which account the manager is, and patience is how long a
	// pass waits for a read: it goes on without the pass, which holds up a worker.
	accountTimeout = 3 * time.Second
	patience       = 200 * time.Millisecond
	// retryInterval is how soon it comes back after an error that is not CloudTrail's.
	retryInterval = 30 * time.Second
)

// Verification looks at the callers of one run in one pass.
type Verification struct {
	*pass.Pass

	// next is when another look is worth it; zero: none was made in this pass.
	next time.Time
}

// New gives what looks at the callers in a pass.
func New(p *pass.Pass) *Verification { return &Verification{Pass: p} }

// NextLook is when the next look is due.
func (v *Verification) NextLook() time.Time { return run.Latest(v.next, v.Now.Add(time.Second)) }

// Observe reads from CloudTrail who met AGENT and who recovered, as far as it shows that, and reports
// whether nothing of it can change any more. What keeps it from that is in the status: nothing waits
// for it.
func (v *Verification) Observe(ctx context.Context) (settled bool) {
	v.next = v.Now.Add(retryInterval)
	status := v.Status()
	if status.StartTime == nil {
		return false // edited away: there is nothing to ask for
	}

	account, cancel := context.WithTimeout(ctx, accountTimeout)
	defer cancel()
	if err := v.VerifyAccount(account); err != nil {
		v.noteTrouble(err)
		return false
	}

	reading, stop := context.WithTimeout(ctx, patience)
	defer stop()
	// A little less than the interval: a run that asks when the read of another is due makes it.
	ask := trail.Ask{Since: status.StartTime.Time, MaxAge: v.readInterval() * 59 / 60, Late: run.TrailDelay(status)}
	answer, err := v.Trail.Read(reading, v.Clients, ask)
	v.scheduleNext(answer, err)
	if !answer.ReadAt.IsZero() {
		settled = v.note(answer)
	}

	stale, isStale := errors.AsType[*trail.StaleError](err)
	switch {
	case isStale && stale.Err == nil: // a read goes on, and what was wrong before may be so still
	case isStale:
		v.noteTrouble(stale.Err)
	default:
		v.noteTrouble(err)
	}
	return settled
}

// readInterval is how often CloudTrail is read.
func (v *Verification) readInterval() time.Duration {
	return min(max(run.TrailDelay(v.Status())/readsPerDelay, shortestReadInterval), longestReadInterval)
}

// scheduleNext sets when the next look is due.
func (v *Verification) scheduleNext(answer trail.Answer, err error) {
	stale, isStale := errors.AsType[*trail.StaleError](err)
	switch {
	case err == nil:
		v.next = answer.ReadAt.Add(v.readInterval())
	case isStale && stale.Err == nil:
		v.next = v.Now.Add(v.readInterval() / looksPerRead)
	case isStale:
		v.next = stale.NextRead
	}
}

// noteTrouble keeps in the status why CloudTrail could not be read; nil: it could.
func (v *Verification) noteTrouble(err error) {
	status := v.Status()
	switch found := problem.Explain(err); {
	case found != nil && status.Callers == nil:
		status.Callers = &v1alpha1.CallersStatus{Message: bound(found.Message)}
	case found != nil:
		status.Callers.Message = bound(found.Message)
	case status.Callers != nil:
		status.Callers.Message = ""
	}
}

// note brings the status in line with an answer. If it shows nothing new, the status only says once
// a minute that it was looked at, and in the end, which it reports.
func (v *Verification) note(answer trail.Answer) (settled bool) {
	before := v.Status().Callers
	known := v.knownPeriod(answer)
	verdict := callers.Judge(answer.Calls, v.facts(known))
	seen := statusOf(verdict, answer, known)
	if before != nil {
		seen.Message = before.Message
	}

	due := verdict.Settled || before == nil || before.ObservedTime == nil
	if due || differs(before, seen) || answer.ReadAt.Sub(before.ObservedTime.Time) >= run.NoteInterval {
		v.Status().Callers = seen
	}
	return verdict.Settled
}

// knownPeriod is when the trail is known completely, by whole seconds: all that are over by its end.
func (v *Verification) knownPeriod(answer trail.Answer) callers.Period {
	since := answer.CompleteSince.Add(time.Second - time.Nanosecond)
	return callers.Period{From: since.Truncate(time.Second), To: answer.ReadAt.Add(-run.TrailDelay(v.Status())).Truncate(time.Second)}
}
