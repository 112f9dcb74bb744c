// SPDX-License-Identifier: Apache-2.0

// Command caller starts one task in a subnet, as a job of a user would: it calls RunTask as the principal that its
// environment has credentials of, and prints what ECS answers, a line each call. Where no task starts, it tries again after
// a while, or gives up. It exits with 0 once a task was started, and with 1 when it gave up.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func main() {
	cluster := flag.String("cluster", "", "the ECS cluster")
	subnet := flag.String("subnet", "", "the subnet to start the task in")
	family := flag.String("family", "", "the family of the task definition")
	retry := flag.Duration("retry", 0, "how long to wait before the next call after one that started no task; 0: give up")
	flag.Parse()

	ctx := context.Background()
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		fail(err)
	}
	client := ecs.NewFromConfig(loaded)
	input := &ecs.RunTaskInput{
		Cluster: cluster, TaskDefinition: family,
		PlacementConstraints: []types.PlacementConstraint{
			{Type: types.PlacementConstraintTypeMemberOf, Expression: awssdk.String("attribute:ecs.subnet-id == " + *subnet)},
		},
	}
	for {
		out, err := client.RunTask(ctx, input)
		if err != nil {
			fail(err)
		}
		if len(out.Tasks) > 0 {
			say("started task %s", last(out.Tasks[0].TaskArn))
			return
		}
		if *retry == 0 {
			fail(fmt.Errorf("%s; gives up", reasons(out.Failures)))
		}
		say("%s; tries again in %s", reasons(out.Failures), *retry)
		time.Sleep(*retry)
	}
}

// reasons are those of a call's failures, each once.
func reasons(failures []types.Failure) string {
	var all []string
	seen := map[string]bool{}
	for _, f := range failures {
		reason := strings.TrimSuffix(awssdk.ToString(f.Reason), ".")
		if !seen[reason] {
			all = append(all, reason)
		}
		seen[reason] = true
	}
	return "no task: " + strings.Join(all, ", ")
}

func last(arn *string) string {
	return awssdk.ToString(arn)[strings.LastIndexByte(awssdk.ToString(arn), '/')+1:]
}

func say(format string, args ...any) {
	fmt.Printf("%s %s\n", time.Now().UTC().Format("15:04:05"), fmt.Sprintf(format, args...))
}

func fail(err error) {
	say("%v", err)
	os.Exit(1)
}
