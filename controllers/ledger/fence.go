// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// holdsFor is how long the API server's word that the object is as the pass knows it is taken
// without asking again. No request is sent on one older than aws.CallTimeout, which is less than
// the 15 seconds of the leader's lease.
const holdsFor = 4 * time.Second

// fence is what every write to AWS in a pass rests on: that what is guarded of the object is as the
// pass knows it. A process that was stopped in mid-pass learns by it whether another manager
// went on with the object meanwhile.
type fence struct {
	reader client.Reader
	clock  clock.PassiveClock
	name   types.NamespacedName
	// creates reports whether the pass may create rules: it does not once the spec was changed, as
	// by a suspension.
	creates func() bool

	mu sync.Mutex
	// known is the object as the pass knows it. It is never changed.
	known *v1alpha1.AgentDisconnect
	// at is when the API server last said so; it was asked no earlier.
	at time.Time
}

// renew notes that at the time at, or after it, the API server had the object as it is here, as far
// as that is guarded.
func (f *fence) renew(obj *v1alpha1.AgentDisconnect, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known, f.at = obj, at
}

// check gives the time at which the object was last known to be as the pass knows it, and asks the
// API server where that is a while ago.
func (f *fence) check(ctx context.Context) (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clock.Now()
	if aws.Elapsed(f.at, now) <= holdsFor {
		return f.at, nil
	}

	latest := &v1alpha1.AgentDisconnect{}
	if err := f.reader.Get(ctx, f.name, latest); err != nil {
		return time.Time{}, err
	}

	if err := compareGuarded(f.known, latest); err != nil {
		return time.Time{}, err
	}

	if f.creates() && f.known.Generation != latest.Generation {
		return time.Time{}, ErrChanged
	}

	f.at = now
	return now, nil
}
