// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"fmt"
	"strings"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// maxRefusal bounds the message of a plan that is refused; status.plan.refusals has all of it.
const maxRefusal = 4096

// planVerdict is a plan as the run in one word: it failed where a run would not start, also for a
// reason that passes by itself, since a plan is of one time and is not made again.
func planVerdict(plan *v1alpha1.Plan) Value {
	if ptr.Deref(plan.WouldStart, false) {
		return Value{yes, v1alpha1.StatePlanned, "a run would start: " + describePlan(plan)}
	}

	var reasons, messages []string
	for _, refusal := range plan.Refusals {
		reasons = append(reasons, refusal.Reason)
		messages = append(messages, refusal.Reason+": "+refusal.Message)
	}

	text := aws.Truncate(fmt.Sprintf("a run would not start (%s). %s", problem.List(reasons), strings.Join(messages, ". ")), maxRefusal)
	if plan.NetworkACL != nil {
		text += ". It would create " + describePlan(plan)
	}
	return Value{no, v1alpha1.StatePlanRefused, text}
}

// describePlan is what a run would do.
func describePlan(plan *v1alpha1.Plan) string {
	acl := ptr.Deref(plan.NetworkACL, v1alpha1.PlannedNetworkACL{})
	where := "a network ACL that is not known"
	if acl.ID != "" {
		where = "network ACL " + acl.ID
	}

	if acl.Mode != "" {
		where += " (" + string(acl.Mode) + ")"
	}

	agents := "agents whose number is not known"
	if plan.Agents != nil && plan.Agents.Connected != nil {
		agents = problem.Plural(int(*plan.Agents.Connected), "connected agent", "connected agents")
	}
	return fmt.Sprintf("%s on %s for %s", problem.Plural(len(plan.Rules), "rule", "rules"), where, agents)
}
