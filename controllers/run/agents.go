// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// CountAgents brings the totals in line with the instances. Of how many are disconnected nothing is
// said as long as one of them was not looked at.
func CountAgents(agents *v1alpha1.Agents) {
	total, disconnected, unobserved := agents.Omitted, int32(0), false
	for _, instance := range agents.ContainerInstances {
		if ptr.Deref(instance.Gone, false) {
			continue
		}
		total++
		unobserved = unobserved || instance.Connected == nil
		if instance.Connected != nil && !*instance.Connected {
			disconnected++
		}
	}

	agents.Total, agents.Disconnected = &total, &disconnected
	if unobserved {
		agents.Disconnected = nil
	}
}

// Reached counts the agents that the run disconnected, such as 2/2: those that were seen disconnected
// under its rules, of those and of all that are still there. Empty: there are none, or ECS shows
// nothing of it.
func Reached(status *v1alpha1.AgentDisconnectStatus) string {
	if status.StartTime == nil || status.Agents == nil || IsTelemetryRun(status) {
		return ""
	}
	reached := int(status.Agents.Omitted)
	for _, instance := range status.Agents.ContainerInstances {
		if instance.DisconnectedTime != nil {
			reached++
		}
	}
	total := reached + len(NeverDisconnected(status.Agents))
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", reached, total)
}

// mostRegular is how many agents a run that is over names of those of which nothing is left to say.
const mostRegular = 10

// OmitAgents leaves those out of the status of a run that is over of which nothing is left to say: they were disconnected by the run
// and are connected again. A few stay, among them the one that was disconnected last.
func OmitAgents(agents *v1alpha1.Agents) {
	if agents == nil {
		return
	}

	var kept, regular []v1alpha1.ContainerInstance
	for _, instance := range agents.ContainerInstances {
		if instance.DisconnectedTime == nil || !ptr.Deref(instance.Connected, false) || ptr.Deref(instance.Gone, false) {
			kept = append(kept, instance)
		} else {
			regular = append(regular, instance)
		}
	}
	if len(regular) <= mostRegular {
		return
	}

	slices.SortStableFunc(regular, func(a, b v1alpha1.ContainerInstance) int { return b.DisconnectedTime.Compare(a.DisconnectedTime.Time) })
	agents.Omitted += int32(len(regular) - mostRegular)
	agents.ContainerInstances = slices.Concat(kept, regular[:mostRegular])
	slices.SortFunc(agents.ContainerInstances, func(a, b v1alpha1.ContainerInstance) int { return strings.Compare(a.ARN, b.ARN) })
}

// InstanceIDs are the last parts of ARNs: what tells container instances of one cluster apart.
func InstanceIDs(arns []string) []string {
	ids := make([]string, 0, len(arns))
	for _, arn := range arns {
		ids = append(ids, arn[strings.LastIndex(arn, "/")+1:])
	}
	return ids
}

// AllLeft reports whether no tracked container instance is in the cluster any more. It asks the
// instances and not their total, which an edit of the status can take away.
func AllLeft(agents *v1alpha1.Agents) bool {
	return len(AgentARNs(agents)) > 0 && len(presentAgents(agents)) == 0
}

// presentAgents are the tracked agents that are still there.
func presentAgents(agents *v1alpha1.Agents) []string {
	return SelectAgents(agents, func(v1alpha1.ContainerInstance) bool { return true })
}

// AllDisconnected reports whether every tracked agent is disconnected, and was seen so under
// the run's rules.
func AllDisconnected(agents *v1alpha1.Agents) bool {
	return agents != nil && ptr.Deref(agents.Total, 0) > 0 && len(NeverDisconnected(agents)) == 0 &&
		len(StillDisconnected(agents)) == int(*agents.Total)
}

// NeverDisconnected are the tracked agents that are still there and were not seen disconnected
// under the run's rules.
func NeverDisconnected(agents *v1alpha1.Agents) []string {
	return SelectAgents(agents, func(i v1alpha1.ContainerInstance) bool { return i.DisconnectedTime == nil })
}

// StillConnected are the tracked agents that ECS reports as connected.
func StillConnected(agents *v1alpha1.Agents) []string {
	return SelectAgents(agents, func(i v1alpha1.ContainerInstance) bool { return ptr.Deref(i.Connected, false) })
}

// StillDisconnected are the tracked agents that ECS reports as disconnected.
func StillDisconnected(agents *v1alpha1.Agents) []string {
	return SelectAgents(agents, func(i v1alpha1.ContainerInstance) bool { return !ptr.Deref(i.Connected, true) })
}

// Unobserved are the tracked agents of which ECS did not report the same lately on two polls in
// a row.
func Unobserved(agents *v1alpha1.Agents) []string {
	return SelectAgents(agents, func(i v1alpha1.ContainerInstance) bool { return i.Connected == nil })
}

// SelectAgents are the ARNs, sorted, of the tracked agents that are still there and for which take
// is true.
func SelectAgents(agents *v1alpha1.Agents, take func(v1alpha1.ContainerInstance) bool) []string {
	var arns []string
	if agents == nil {
		return nil
	}
	for _, instance := range agents.ContainerInstances {
		if !ptr.Deref(instance.Gone, false) && take(instance) {
			arns = append(arns, instance.ARN)
		}
	}
	slices.Sort(arns)
	return arns
}

// AgentARNs are the ARNs of the tracked agents, in the order of the status.
func AgentARNs(agents *v1alpha1.Agents) []string {
	if agents == nil {
		return nil
	}
	arns := make([]string, 0, len(agents.ContainerInstances))
	for _, instance := range agents.ContainerInstances {
		arns = append(arns, instance.ARN)
	}
	return arns
}

// ForgetAgents has the status say nothing of the given agents.
func ForgetAgents(agents *v1alpha1.Agents, arns []string) {
	if agents == nil || len(arns) == 0 {
		return
	}
	for i := range agents.ContainerInstances {
		if slices.Contains(arns, agents.ContainerInstances[i].ARN) {
			agents.ContainerInstances[i].Connected = nil
		}
	}
	CountAgents(agents)
}

// AnyDisconnected reports whether any agent was seen disconnected in the run.
func AnyDisconnected(agents *v1alpha1.Agents) bool {
	return len(NeverDisconnected(agents)) < len(presentAgents(agents))
}
