// SPDX-License-Identifier: Apache-2.0

package aws

import (
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

// budgetOf gives the budget that all clients of an account and Region share; an empty account is
// that of the manager's own credentials. The caller has the lock.
func (s *Sessions) budgetOf(accountID, region string) *budget {
	place := accountID + "/" + region
	if s.budgets[place] == nil {
		s.budgets[place] = &budget{
			reads: ratelimit.NewBucket(s.Limits.Reads), changes: ratelimit.NewBucket(s.Limits.Changes),
			repeats: rate.NewLimiter(repeatsPerSecond, repeatsBurst),
		}
	}
	return s.budgets[place]
}

// admit waits for the turn of a read. The first attempt that is made with the context given then
// has it.
func (b *budget) admit(ctx context.Context) (context.Context, error) {
	bounded, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	if err := b.reads.Wait(bounded, classOf(ctx), 0); err != nil {
		return nil, err
	}
	return context.WithValue(ctx, admittedKey{}, &atomic.Bool{}), nil
}

// admittedKey is the key of whether the turn that was waited for is used up.
type admittedKey struct{}

// spend has every attempt of a call wait for its turn, before its time-out begins, and follows what
// AWS says of the rate.
func (b *budget) spend(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("Budget",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			operation := awsmiddleware.GetOperationName(ctx)
			bucket := b.reads
			if !readOnly(operation) {
				bucket = b.changes
			}

			if used, ok := ctx.Value(admittedKey{}).(*atomic.Bool); !ok || bucket != b.reads || used.Swap(true) {
				if wait(ctx, bucket, operation) != nil {
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

// wait waits for the turn of one attempt.
func wait(ctx context.Context, bucket *ratelimit.Bucket, operation string) error {
	longest := readWait
	if !readOnly(operation) {
		longest = changeWait
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	return bucket.Wait(ctx, classOf(ctx), urgency[operation])
}
