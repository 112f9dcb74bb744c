// SPDX-License-Identifier: Apache-2.0

// Package caller is an example: a caller of RunTask that survives the failure AGENT, one that does
// not, and the test that tells them apart. Replace Run by your own code.
package caller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// The waits between attempts double from firstWait to mostWait. Against AWS, wait some seconds to a
// minute.
const (
	firstWait = 50 * time.Millisecond
	mostWait  = time.Second
)

// Run starts one task. While agents are disconnected it tries again, until ctx ends.
func Run(ctx context.Context, client *ecs.Client, in *ecs.RunTaskInput) (types.Task, error) {
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		out, err := client.RunTask(ctx, in)
		if err != nil {
			return types.Task{}, err
		}
		if len(out.Tasks) > 0 {
			return out.Tasks[0], nil
		}
		var reasons []string
		for _, f := range out.Failures {
			reasons = append(reasons, aws.ToString(f.Reason))
		}
		if !slices.Contains(reasons, "AGENT") {
			return types.Task{}, fmt.Errorf("ECS started no task: %q", reasons)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return types.Task{}, fmt.Errorf("ECS started no task: %q: %w", reasons, ctx.Err())
		}
	}
}

// RunOnce is what not to do: RunTask returned no error, so it takes the task for started.
func RunOnce(ctx context.Context, client *ecs.Client, in *ecs.RunTaskInput) error {
	_, err := client.RunTask(ctx, in)
	return err
}
