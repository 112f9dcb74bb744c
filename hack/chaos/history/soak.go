// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
)

// SoakOptions say which histories to run, and for how long.
type SoakOptions struct {
	// Plane is the control plane that the worlds share.
	Plane *rig.Plane
	// Seed is the first one; those that follow count up from it.
	Seed uint64
	// Duration is for how long histories are begun, in real time; 0: until the context ends.
	Duration time.Duration
	// Count is how many histories there are at most; 0: any number.
	Count int
	// Size is how many operations a history has, about; 0: 25.
	Size int
	// Shrink is how long the shortest history that still fails is looked for; 0: 5 minutes.
	Shrink time.Duration
	// Out is told of each history, a line each, and of failures.
	Out io.Writer
}

// Summary says what a soak came to.
type Summary struct {
	// Histories, Ops and Steps count what was done; see Result.
	Histories, Ops, Steps int
	Waited                time.Duration
	// Failures are the shortest histories that failed.
	Failures []History
}

// Soak runs histories until the time is over. The error is of the worlds; what the manager did wrong is in the summary.
func Soak(ctx context.Context, o SoakOptions) (Summary, error) {
	if o.Size == 0 {
		o.Size = 25
	}
	if o.Shrink == 0 {
		o.Shrink = 5 * time.Minute
	}
	var sum Summary
	for begun := time.Now(); ctx.Err() == nil && (o.Duration == 0 || time.Since(begun) < o.Duration) && (o.Count == 0 || sum.Histories < o.Count); {
		h := Generate(o.Seed+uint64(sum.Histories), o.Size)
		started := time.Now()
		result, err := Run(ctx, o.Plane, h)
		switch {
		case ctx.Err() != nil:
			return sum, nil //nolint:nilerr // an interruption is not an error
		case err != nil:
			return sum, fmt.Errorf("history %d: %w", h.Seed, err)
		}
		sum.Histories, sum.Ops, sum.Steps = sum.Histories+1, sum.Ops+result.Ops, sum.Steps+result.Steps
		sum.Waited += result.Waited
		fmt.Fprintf(o.Out, "history %d: %d operations, %d steps, %s of waits for a turn, %s: %s\n", h.Seed, result.Ops, result.Steps, result.Waited.Truncate(time.Second), time.Since(started).Truncate(10*time.Millisecond), result.outcome())
		if len(result.Violations) > 0 {
			sum.Failures = append(sum.Failures, explain(ctx, o, h, result))
		}
	}
	return sum, nil
}

func (r Result) outcome() string {
	if len(r.Violations) == 0 {
		return "no promise was broken"
	}
	return strings.Join(r.Promises(), ", ")
}

// explain finds the shortest history that still fails in the same way, and prints what one needs to look into it.
func explain(ctx context.Context, o SoakOptions, h History, result Result) History {
	fmt.Fprintf(o.Out, "seed %d: promises were broken:\n", h.Seed)
	for _, v := range result.Violations {
		fmt.Fprintf(o.Out, "  %s\n", v)
	}
	until := time.Now().Add(o.Shrink)
	tries := 0
	least := Shrink(h, func(candidate History) (failed, more bool) {
		tries++
		found, err := Run(ctx, o.Plane, candidate)
		failed = err == nil && slices.ContainsFunc(found.Promises(), func(promise string) bool { return slices.Contains(result.Promises(), promise) })
		if failed {
			result = found
		}
		return failed, ctx.Err() == nil && time.Now().Before(until)
	})
	fmt.Fprintf(o.Out, "the shortest history that still fails, of %d tried (run it again: go run ./hack/chaos soak --replay FILE):\n%s", tries, least)
	for _, v := range result.Violations {
		fmt.Fprintf(o.Out, "  %s\n", v)
	}
	fmt.Fprintf(o.Out, "what happened:\n%s\n", strings.Join(tail(result.Log, 200), "\n"))
	return least
}

func tail(lines []string, n int) []string { return lines[max(len(lines)-n, 0):] }

// Replay runs the history in a file, and prints what happened. It reports whether no promise was broken.
func Replay(ctx context.Context, plane *rig.Plane, path string, out io.Writer) (kept bool, err error) {
	h, err := Read(path)
	if err != nil {
		return false, err
	}
	result, err := Run(ctx, plane, h)
	if err != nil {
		return false, err
	}
	fmt.Fprintln(out, strings.Join(result.Log, "\n"))
	for _, v := range result.Violations {
		fmt.Fprintln(out, v)
	}
	fmt.Fprintf(out, "%d operations, %d steps: %s\n", result.Ops, result.Steps, result.outcome())
	return len(result.Violations) == 0, nil
}
