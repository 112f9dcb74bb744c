// SPDX-License-Identifier: Apache-2.0

package answers

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

// Cache has what AWS answered about the target of one object, pass after pass. The zero value is
// empty; losing it costs the calls.
type Cache struct {
	// Permitted says that AWS would allow all that the run writes.
	Permitted Answer[bool]
	// ScheduleGroup says that the schedule group of the dead man's switch is there.
	ScheduleGroup Answer[bool]
	// Others are the other clusters with container instances in the subnets hit.
	Others Answer[OtherClusters]
	// Endpoints are the VPC's interface endpoints of ECS.
	Endpoints Answer[[]discovery.VPCEndpoint]
	// Tenants are the other accounts with network interfaces in the subnet.
	Tenants Answer[[]string]
	// ManagedProviders are the capacity providers of the target whose instances ECS manages.
	ManagedProviders Answer[[]string]
	// CloneRoom is how many more network ACLs the VPC has room for.
	CloneRoom Answer[int]
	// TaskDefinition is that of the probe; it also says that AWS lets the manager stop and find tasks.
	TaskDefinition Answer[discovery.TaskDefinition]
}

// Doubt has AWS asked again for all that may have refused a run: a person may be fixing it before
// the next pass.
func (c *Cache) Doubt() {
	c.ScheduleGroup.doubt()
	c.Others.doubt()
	c.Endpoints.doubt()
	c.ManagedProviders.doubt()
	c.CloneRoom.doubt()
	c.TaskDefinition.doubt()
}

// AnswerTTL is how long answers about the target are believed: what they are about changes by hand,
// or takes many calls.
const AnswerTTL = time.Minute

// Answer is what AWS said to a question, kept for a while.
type Answer[T any] struct {
	value T
	about string
	at    time.Time
}

// Get gives the answer to the question, which it asks again only if it is another one or the answer
// is old.
func (a *Answer[T]) Get(now time.Time, about string, ask func() (T, error)) (T, error) {
	return a.GetWithin(AnswerTTL, now, about, ask)
}

// GetWithin is Get for an answer that is believed for a time of its own.
func (a *Answer[T]) GetWithin(ttl time.Duration, now time.Time, about string, ask func() (T, error)) (T, error) {
	if a.IsKnown(now, about, ttl) {
		return a.value, nil
	}

	value, err := ask()
	if err == nil {
		a.Keep(now, about, value)
	}
	return value, err
}

// IsKnown reports whether the answer to a question is there, and not older than the given time.
func (a *Answer[T]) IsKnown(now time.Time, about string, ttl time.Duration) bool {
	age := now.Sub(a.at)
	return a.about == about && !a.at.IsZero() && age >= 0 && age < ttl
}

// Keep takes an answer that was given now.
func (a *Answer[T]) Keep(now time.Time, about string, value T) { *a = Answer[T]{value, about, now} }

// Value is the last answer, however old.
func (a *Answer[T]) Value() T { return a.value }

// AnsweredAt is when the last answer was given; zero: never.
func (a *Answer[T]) AnsweredAt() time.Time { return a.at }

// IsAbout reports whether the last answer is to a question.
func (a *Answer[T]) IsAbout(about string) bool { return a.about == about }

// Expire has the next question asked again; the answer stays until then.
func (a *Answer[T]) Expire() { a.at = time.Time{} }

// Forget drops the answer.
func (a *Answer[T]) Forget() { *a = Answer[T]{} }

// doubt has the next question asked again, unless it is about nothing.
func (a *Answer[T]) doubt() { a.about = "" }

// OtherClusters are the ARNs of clusters; Truncated says that not all were looked at.
type OtherClusters struct {
	ARNs      []string
	Truncated bool
}
