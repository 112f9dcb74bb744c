// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

type call = sim.Call

// product is what the manager calls itself in the user agent of its calls.
const product = "agentdisconnect/"

// managerCalls are the manager's calls to AWS, of all from the given one on. AWS itself shows writes in CloudTrail, some
// minutes later, and not all reads.
func (w *walk) managerCalls(from int) []call {
	return slices.DeleteFunc(w.stack.Sim.Calls()[from:], func(c call) bool { return !strings.Contains(c.UserAgent, product) })
}

// writes are the calls that may change something.
func writes(calls []call) []call {
	return slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return c.ReadOnly || c.DryRun })
}

// beyondSweep are the calls that a sweep which finds nothing doesn't make.
func beyondSweep(calls []call) []call {
	return slices.DeleteFunc(slices.Clone(calls), func(c call) bool {
		return slices.Contains([]string{"sts:GetCallerIdentity", "ec2:DescribeNetworkAcls", "scheduler:ListSchedules", "ecs:ListTasks"}, c.Name())
	})
}

// naming are the calls with a parameter that is the given id, other than a tag's value.
func naming(calls []call, id string) []call {
	return slices.DeleteFunc(slices.Clone(calls), func(c call) bool {
		for name := range c.Params {
			if c.Param(name) == id && !strings.Contains(name, "Tag.") {
				return false
			}
		}
		return true
	})
}

// tally counts calls by their action.
func tally(calls []call) string {
	if len(calls) == 0 {
		return "none"
	}
	counts := map[string]int{}
	for _, c := range calls {
		counts[c.Action]++
	}
	var parts []string
	for _, action := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s ×%d", action, counts[action]))
	}
	return strings.Join(parts, ", ")
}
