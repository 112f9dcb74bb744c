// SPDX-License-Identifier: Apache-2.0

package backoff

import (
	"fmt"
	"hash/fnv"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// Grow gives the n-th of several waits, counted from 0: the first, then twice as long each time, to
// the longest.
func Grow(first, longest time.Duration, n int) time.Duration {
	wait := first
	for range n {
		if wait *= 2; wait >= longest {
			return longest
		}
	}
	return wait
}

// Spread shortens a wait by up to a quarter, by key: objects that were turned down together don't
// come again together. It is the same for the same key, so that a history of passes can be
// repeated.
func Spread(wait time.Duration, key string) time.Duration {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(key)) // never fails
	const steps = 1 << 10
	return wait - wait/4*time.Duration(hash.Sum32()%steps)/steps
}

// Setback counts the passes in a row that ended alike for an object that has not begun.
type Setback struct {
	generation int64
	message    string
	count      int
}

// Wait counts one more pass that ended with a failure, and gives how long to wait for the next.
// Another spec or another problem begins anew: then a person is at work.
func (b *Setback) Wait(obj *v1alpha1.AgentDisconnect, failure *problem.Problem, first, longest time.Duration) time.Duration {
	if b.generation != obj.Generation || b.message != failure.Error() {
		*b = Setback{generation: obj.Generation, message: failure.Error()}
	}
	wait := Grow(first, longest, b.count)
	b.count++
	return Spread(wait, fmt.Sprint(obj.UID, b.count))
}
