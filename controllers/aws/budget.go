// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/time/rate"

	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
)

// changeWait is how long a change waits for its turn: what it rests on grows old meanwhile. One
// whose turn does not come fails as if AWS had refused it for its rate.
const changeWait = 4 * time.Second

// readWait is how long a read waits: the pass that it is for must see what happens to its object.
const readWait = CallTimeout

// WithClass has the calls with a context wait for their turn in a class. Without it they are those
// of a run that is on.
func WithClass(ctx context.Context, class ratelimit.Class) context.Context {
	return context.WithValue(ctx, classKey{}, class)
}

type classKey struct{}

func classOf(ctx context.Context) ratelimit.Class {
	if class, ok := ctx.Value(classKey{}).(ratelimit.Class); ok {
		return class
	}
	return ratelimit.On
}

// budget is what the calls in one account and Region have left.
type budget struct {
	reads, changes *ratelimit.Bucket
	// repeats are the questions that are asked again though nothing changed.
	repeats *rate.Limiter
}

// budgetIn is where a budget counts. An empty account is that of the manager's own credentials, until
// it is known.
type budgetIn struct{ accountID, region string }

// budget gives the one that all clients of an account and Region share, whichever role they have.
func (c *Clients) budget() *budget {
	s := c.sessions
	s.mu.Lock()
	defer s.mu.Unlock()
	in := budgetIn{cmp.Or(c.Role.AccountID(), s.ownAccount), c.Region}
	if s.budgets[in] == nil {
		s.budgets[in] = &budget{
			reads: ratelimit.NewBucket(s.Limits.Reads, s.Limits.Clock), changes: ratelimit.NewBucket(s.Limits.Changes, s.Limits.Clock),
			repeats: rate.NewLimiter(repeatsPerSecond, repeatsBurst),
		}
	}
	return s.budgets[in]
}

// noteOwnAccount has calls with the manager's own credentials count with those of the roles of its
// account from now on.
func (s *Sessions) noteOwnAccount(accountID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ownAccount = accountID
	for in, of := range s.budgets {
		if in.accountID != "" {
			continue
		}
		delete(s.budgets, in)
		if known := (budgetIn{accountID, in.region}); s.budgets[known] == nil {
			s.budgets[known] = of
		}
	}
}

// Admit waits for the turn of a read. The first attempt that is made with the context given then
// has it.
func (c *Clients) Admit(ctx context.Context) (context.Context, error) {
	of := c.budget().reads
	if err := of.Wait(ctx, classOf(ctx), 0, readWait); err != nil {
		return nil, err
	}
	return context.WithValue(ctx, turnKey{}, &turn{of: of}), nil
}

// Unadmit returns a turn that no attempt has used.
func (c *Clients) Unadmit(ctx context.Context) {
	if t, ok := ctx.Value(turnKey{}).(*turn); ok && t.use() {
		t.of.Return()
	}
}

// turn is one that a read waited for.
type turn struct {
	of   *ratelimit.Bucket
	used atomic.Bool
}

// use reports whether the turn was there to be used.
func (t *turn) use() bool { return !t.used.Swap(true) }

type turnKey struct{}

// spend has every attempt of a call wait for its turn, before its time-out begins, and follows what
// AWS says of the rate.
func (c *Clients) spend(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("Budget",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			operation := awsmiddleware.GetOperationName(ctx)
			of, isRead := c.budget(), readOnly(operation)
			bucket, longest := of.reads, readWait
			if !isRead {
				bucket, longest = of.changes, changeWait
			}

			if t, ok := ctx.Value(turnKey{}).(*turn); !ok || !isRead || !t.use() {
				if bucket.Wait(ctx, classOf(ctx), urgency[operation], longest) != nil {
					return middleware.FinalizeOutput{}, middleware.Metadata{}, ratelimit.ErrBusy
				}
			}

			out, metadata, err := next.HandleFinalize(ctx, in)
			// The other services have limits of their own, which say nothing of these.
			if service := awsmiddleware.GetServiceID(ctx); Classify(err) == Throttled && (service == ec2.ServiceID || service == ecs.ServiceID) {
				bucket.Throttled()
			}
			return out, metadata, err
		}), attemptTimeout, middleware.Before)
}

// urgency has the calls that give traffic back: one that takes all the denies of a clone away from
// its subnet comes before those that take one each, and these before tags and clean-up.
var urgency = map[string]int{"ReplaceNetworkAclAssociation": 2, "DeleteNetworkAclEntry": 1}
