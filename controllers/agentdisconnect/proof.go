// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

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

// proofFor is how long the API server's word that the object is as the pass knows it is taken
// without asking again. No request is sent on one older than aws.CallTimeout, which is less than
// the 15 seconds of the leader's lease.
const proofFor = 4 * time.Second

// proof is what every write to AWS in a pass rests on: that what is guarded of the object is as the
// pass knows it. A process that was stopped in mid-pass finds out by it whether another manager
// went on with the object meanwhile.
type proof struct {
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
func (p *proof) renew(obj *v1alpha1.AgentDisconnect, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known, p.at = obj, at
}

// confirm says when the object was last known to be as the pass knows it, and asks the API server
// where that is a while ago.
func (p *proof) confirm(ctx context.Context) (time.Time, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	if aws.Elapsed(p.at, now) <= proofFor {
		return p.at, nil
	}
	latest := &v1alpha1.AgentDisconnect{}
	if err := p.reader.Get(ctx, p.name, latest); err != nil {
		return time.Time{}, err
	}
	if err := compareGuarded(p.known, latest); err != nil {
		return time.Time{}, err
	}
	if p.creates() && p.known.Generation != latest.Generation {
		return time.Time{}, errChanged
	}
	p.at = now
	return now, nil
}

// fenced are the clients for changes that rest on the object being as the pass knows it.
func (s *scope) fenced() aws.Fenced { return s.clients.Fenced(s.proof.confirm) }

// fencedOnRead are those for changes that rest, beside the object, on the network ACL as this pass
// read it.
func (s *scope) fencedOnRead() aws.Fenced {
	if !s.aclRead {
		return s.fenced()
	}
	read := s.aclReadAt
	return s.clients.Fenced(s.proof.confirm, func(context.Context) (time.Time, error) { return read, nil })
}
