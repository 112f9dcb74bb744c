// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// attemptTimeout names the step of boundAttempts.
const attemptTimeout = "AttemptTimeout"

// boundAttempts gives every attempt of a call its own time-out, below the SDK's retries. An answer
// that is taken in later than that, by a process that was paused, doesn't count: what it says may
// be long past.
func (s *Sessions) boundAttempts(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc(attemptTimeout,
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			began := s.Clock.Now()
			ctx, cancel := context.WithTimeout(ctx, CallTimeout)
			defer cancel()
			out, metadata, err := next.HandleFinalize(ctx, in)
			if err == nil && Elapsed(began, s.Clock.Now()) > CallTimeout {
				err = fmt.Errorf("the response was processed too late: %w", context.DeadlineExceeded)
			}
			return out, metadata, err
		}), middleware.After)
}

// ErrLate says that a request was not sent, since its call began, or what it rests on was last
// known to hold, more than CallTimeout ago. A process that was stopped for a while and goes on
// takes up what it was about to do: by then another manager may have the lease, and the entry that
// the request is about may be deleted, or a third party's.
var ErrLate = errors.New("the request was not sent: the reads that it depends on are too old, as after a pause of the process")

// refuseLate looks at the time once more right before a request is sent, after it was signed, and
// again when its body goes out, if it has one: a connection may have to be made first. Reads do no
// harm, and are repeated by the SDK.
func (s *Sessions) refuseLate(stack *middleware.Stack) error {
	begin := middleware.InitializeMiddlewareFunc("CallBegins",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(middleware.WithStackValue(ctx, begunKey{}, s.Clock.Now()), in)
		})
	send := middleware.DeserializeMiddlewareFunc("RefuseLate",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (out middleware.DeserializeOutput, metadata middleware.Metadata, err error) {
			if readOnly(awsmiddleware.GetOperationName(ctx)) {
				return next.HandleDeserialize(ctx, in)
			}
			late, err := s.lateness(ctx)
			if err == nil {
				err = late()
			}
			if err != nil {
				return out, metadata, err
			}
			if request, ok := in.Request.(*smithyhttp.Request); ok && request.GetStream() != nil {
				if in.Request, err = request.SetStream(&lastLook{Reader: request.GetStream(), late: late}); err != nil {
					return out, metadata, err
				}
			}
			return next.HandleDeserialize(ctx, in)
		})
	return errors.Join(stack.Initialize.Add(begin, middleware.Before), stack.Deserialize.Add(send, middleware.After))
}

// errUnfenced is the error of a changing request without a fence: see Clients.Fenced.
var errUnfenced = fmt.Errorf("%w: it has no fence", ErrLate)

// lateness gives a function that returns ErrLate if a call's request comes too late.
func (s *Sessions) lateness(ctx context.Context) (late func() error, err error) {
	begun, _ := middleware.GetStackValue(ctx, begunKey{}).(time.Time)
	since := []time.Time{begun}
	fences := fencesOf(ctx)
	if len(fences) == 0 {
		return nil, errUnfenced
	}

	for _, fence := range fences {
		at, err := fence(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrLate, err)
		}
		since = append(since, at)
	}

	return func() error {
		now := s.Clock.Now()
		if slices.ContainsFunc(since, func(t time.Time) bool { return Elapsed(t, now) > CallTimeout }) {
			return ErrLate
		}
		return nil
	}, nil
}

// lastLook is a request's body, which is not sent if it is late.
type lastLook struct {
	io.Reader

	late func() error
	sent bool
}

// Read implements io.Reader.
func (l *lastLook) Read(p []byte) (int, error) {
	if !l.sent {
		if err := l.late(); err != nil {
			return 0, err
		}
		l.sent = true
	}
	return l.Reader.Read(p)
}

// begunKey is the key of the time at which a call began.
type begunKey struct{}

// readOnly reports whether an operation changes nothing. AssumeRole gives credentials.
func readOnly(operation string) bool {
	for _, prefix := range []string{"Describe", "List", "Get", "Discover", "Lookup", "AssumeRole"} {
		if strings.HasPrefix(operation, prefix) {
			return true
		}
	}
	return false
}

// Elapsed is the longer of what the monotonic clock and the wall clock say: the one stands still
// while a machine is suspended, the other may be set.
func Elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
