// SPDX-License-Identifier: Apache-2.0

package region

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// maxBackoff bounds the time between two attempts: so the default 185 retries just fill the default 24 hours.
const maxBackoff = 8 * time.Minute

// Invocation is one run of a schedule: its attempts to call the target.
type Invocation struct {
	// Schedule is as it was when its time came; what happens to it since makes no difference.
	Schedule Schedule
	// Began is the time of the first attempt, Next that of the one to come.
	Began, Next time.Time
	// Attempts is how many were made, LastError the code of the last one's failure.
	Attempts  int
	LastError string
}

func (i Invocation) key() string { return fmt.Sprintf("%s#%d", i.Schedule.ARN, i.Schedule.version) }

// Invocations are those under way: failed so far and to be tried again.
func (r *Region) Invocations() []Invocation {
	return slices.SortedFunc(maps.Values(r.View(zeroTime).s.invocations.m), Invocation.compare)
}

func (i Invocation) compare(o Invocation) int {
	return cmp.Or(i.Next.Compare(o.Next), i.Schedule.compare(o.Schedule))
}

// NextInvocation is the one whose turn is next: that of a schedule whose time comes, or a further attempt. It reports
// false when there is nothing to come.
func (r *Region) NextInvocation() (Invocation, bool) {
	s := r.View(zeroTime).s
	if len(s.schedules.m) == 0 && len(s.invocations.m) == 0 {
		return Invocation{}, false
	}
	all := slices.Collect(maps.Values(s.invocations.m))
	for _, n := range s.schedules.m {
		if n.State == ScheduleEnabled && !n.Invoked {
			all = append(all, Invocation{Schedule: n, Began: n.Due, Next: n.Due})
		}
	}
	if len(all) == 0 {
		return Invocation{}, false
	}
	return slices.MinFunc(all, Invocation.compare), true
}

// Begin marks an invocation as under way, before an attempt. It reports false when its schedule is no longer as it was.
func (r *Region) Begin(i Invocation) bool {
	begun := false
	_ = r.changeAt(i.Next, func(s *state) error { // the function fails never
		_, begun = s.invocations.m[i.key()]
		n, ok := s.schedules.m[i.Schedule.Group+"/"+i.Schedule.Name]
		if !begun && ok && n.version == i.Schedule.version && !n.Invoked {
			n.Invoked, begun = true, true
			s.schedules.put(n.Group+"/"+n.Name, n)
			s.invocations.put(i.key(), i)
		}
		return nil
	})
	return begun
}

// End says how an attempt went: with the code of an error, or empty for success. A failed one is tried again until the
// retry policy is exhausted. Then, or after a success, a schedule that is to be deleted goes.
func (r *Region) End(i Invocation, failure string) {
	at := i.Next
	i.Attempts++
	i.LastError = failure
	i.Next = at.Add(backoff(i.Attempts))
	policy := i.Schedule.Target
	again := failure != "" && i.Attempts <= policy.MaximumRetryAttempts && i.Next.Sub(i.Began) <= policy.MaximumEventAge
	_ = r.changeAt(at, func(s *state) error { // the function fails never
		if again {
			s.invocations.put(i.key(), i)
			return nil
		}
		s.invocations.drop(i.key())
		key := i.Schedule.Group + "/" + i.Schedule.Name
		if n, ok := s.schedules.m[key]; ok && n.version == i.Schedule.version && n.ActionAfterCompletion == AfterDelete {
			s.schedules.drop(key)
		}
		return nil
	})
}

// backoff doubles from a second to maxBackoff.
func backoff(attempts int) time.Duration {
	return min(time.Second<<min(attempts-1, 16), maxBackoff)
}
