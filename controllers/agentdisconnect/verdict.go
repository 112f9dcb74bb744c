// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// outcome is what a run that is over came to. It rests on the status alone, so that it stays what it is.
func (f facts) outcome() verdict {
	status := &f.obj.Status
	stayed := neverDisconnected(status.Agents)
	switch {
	case missed(status):
		return verdict{no, status.Abort.Reason, status.Abort.Message}
	case status.Abort != nil:
		return verdict{no, status.Abort.Reason, status.Abort.Message + f.afterwards()}
	case telemetryRun(status):
		return telemetryOutcome(status)
	case status.Agents == nil || len(status.Agents.ContainerInstances) == 0:
		return verdict{no, v1alpha1.StateAgentsStayedConnected, "no agent was seen disconnected: status.agents was edited" + f.afterwards()}
	case len(stayed) > 0 && !f.observedToTheEnd():
		return verdict{no, v1alpha1.StateAgentsNotObserved, fmt.Sprintf("%s: whether %s disconnected is not known: %s%s",
			f.lastObserved(), plural(len(stayed), "agent was", "agents were"), list(instanceIDs(stayed)), f.afterwards())}
	case len(stayed) > 0:
		return verdict{no, v1alpha1.StateAgentsStayedConnected, fmt.Sprintf("%s never seen disconnected: %s%s",
			plural(len(stayed), "agent was", "agents were"), list(instanceIDs(stayed)), f.afterwards())}
	case status.Agents.ReconnectedTime == nil && len(stillDisconnected(status.Agents)) > 0:
		return verdict{no, v1alpha1.StateAgentsDidNotReconnect, "all agents were seen disconnected" + f.afterwards()}
	case status.Agents.ReconnectedTime == nil:
		return verdict{no, v1alpha1.StateAgentsNotObserved, "all agents were seen disconnected" + f.afterwards()}
	default:
		return verdict{yes, v1alpha1.StateCompleted, "all agents were seen disconnected" + f.afterwards()}
	}
}

// afterwards is what became of rules and agents when the run was over.
func (f facts) afterwards() string {
	status := &f.obj.Status
	text := "; the rules are gone" + f.reconnected()
	if acl := status.NetworkACL; acl != nil && acl.State == v1alpha1.CloneAdopted {
		text += fmt.Sprintf("; the original %s was deleted, so clone %s stays as the subnet's network ACL", acl.OriginalID, acl.ID)
	}
	return text + f.repairs() + f.leftInstances("; ")
}

// reconnected is what was seen of the agents after the rules were gone.
func (f facts) reconnected() string {
	status := &f.obj.Status
	away, unobserved := stillDisconnected(status.Agents), unobserved(status.Agents)
	switch {
	case allLeft(status.Agents):
		return ""
	case status.Agents != nil && status.Agents.ReconnectedTime != nil && !anyDisconnected(status.Agents):
		return " and the agents are connected"
	case status.Agents != nil && status.Agents.ReconnectedTime != nil:
		return " and the agents are back"
	case len(away) > 0:
		within := ""
		// Those of a cluster that is gone are not waited for.
		if deadline := recoveryDeadline(status); !deadline.IsZero() && !status.CompletionTime.Time.Before(deadline) {
			within = " within " + minutes(RecoveryTimeout)
		}
		return ", but not every agent was seen connected again" + within + ": " + list(instanceIDs(away))
	case len(unobserved) > 0:
		return fmt.Sprintf(", but ECS did not say on two polls in a row whether %s connected: %s",
			plural(len(unobserved), "agent is", "agents are"), list(instanceIDs(unobserved)))
	default:
		return ", but not every agent was seen connected again"
	}
}

// anyDisconnected reports whether any agent was seen disconnected in the run.
func anyDisconnected(agents *v1alpha1.Agents) bool {
	return len(neverDisconnected(agents)) < len(selectARNs(agents, func(v1alpha1.ContainerInstance) bool { return true }))
}

// observedToTheEnd reports whether ECS answered about the agents until the rules began to go. An agent that was connected then
// stayed connected, whatever was not looked at before: rules that are in place keep it disconnected.
func (f facts) observedToTheEnd() bool {
	at := f.obj.Status.Agents.ObservedTime
	// The time in the status may be older than the look by as much as it is not written.
	return at != nil && f.rulesEnd().Sub(at.Time) < f.agentsSeen.goodFor+noteEvery
}

// rulesEnd is when the rules of a run that is over began to go.
func (f facts) rulesEnd() time.Time {
	end := expiration(&f.obj.Status)
	if abort := f.obj.Status.Abort; abort != nil {
		return earliest(end, abort.Time.Time)
	}
	return end
}

// lastObserved is when ECS last answered about the agents while the run was on.
func (f facts) lastObserved() string {
	if at := f.obj.Status.Agents.ObservedTime; at != nil {
		return "ECS last answered about the agents at " + rfc3339(at.Time) + ", and the run lasted until " + rfc3339(f.rulesEnd())
	}
	return "ECS did not answer about the agents while the run was on"
}

// agentsDisconnected is what ECS says of the agents that count.
func (f facts) agentsDisconnected() verdict {
	status := &f.obj.Status
	agents := status.Agents
	connected, unobserved := stillConnected(agents), unobserved(agents)
	switch {
	case agents == nil || status.StartTime == nil:
		return verdict{no, "NotStarted", "the run has not begun"}
	case telemetryRun(status):
		return verdict{unknown, "NotShown", telemetryNote}
	case status.CompletionTime != nil && Restored(status):
		return f.agentsInTheEnd()
	case !f.agentsSeen.fresh(f.now):
		return f.unobserved(f.agentsSeen, "ECS last answered about the agents at %s", "ECS has not answered about the agents")
	case f.mode == ModeActive && len(connected)+len(unobserved) == 0 && !f.aclSeen.fresh(f.now):
		return f.unobserved(f.aclSeen, "whether rules of this run keep the agents disconnected is not known: network ACL "+aclID(status)+" was last read at %s",
			"whether rules of this run keep the agents disconnected is not known: network ACL "+aclID(status)+" has not been read")
	case f.mode == ModeActive && len(connected)+len(unobserved) == 0 && (f.inForce.IsZero() || !allDisconnected(agents)):
		return verdict{no, "NotByTheRules", f.notByTheRules() + f.leftInstances(". ") + f.uncounted()}
	case allDisconnected(agents):
		return verdict{yes, "AllDisconnected", fmt.Sprintf("ECS says on two polls in a row that %s disconnected%s",
			plural(int(*agents.Total), "agent is", "agents are"), f.leftInstances(". "))}
	case len(connected) == 0 && len(unobserved) > 0:
		return verdict{unknown, notObserved, fmt.Sprintf("ECS has not said the same of %s on two polls in a row: %s", plural(len(unobserved), "agent", "agents"), list(instanceIDs(unobserved)))}
	case f.mode != ModeActive && f.mode != ModeSuspended:
		return f.agentsAfterwards()
	case f.mode == ModeSuspended:
		return verdict{no, "Suspended", plural(len(connected), "agent is", "agents are") + " connected while the rules are lifted"}
	default:
		return verdict{no, "SomeConnected", fmt.Sprintf("%s still connected: %s. %s%s",
			plural(len(connected), "agent is", "agents are"), list(instanceIDs(connected)), f.whyConnected(), f.leftInstances(". ")+f.uncounted())}
	}
}

// notByTheRules says why agents that are disconnected don't count as disconnected by the run.
func (f facts) notByTheRules() string {
	agents := f.obj.Status.Agents
	text := plural(len(stillDisconnected(agents)), "agent is", "agents are") + " disconnected"
	if f.inForce.IsZero() {
		return text + ", while the rules of this run are not in force, as last read: that does not count"
	}
	never := neverDisconnected(agents)
	return fmt.Sprintf("%s, %d of them not yet on two polls while the rules of this run are in force: %s", text, len(never), list(instanceIDs(never)))
}

// agentsInTheEnd is what was last seen of the agents of a run that is over: they are not looked at any more.
func (f facts) agentsInTheEnd() verdict {
	agents := f.obj.Status.Agents
	if unobserved := unobserved(agents); agents.ReconnectedTime == nil && len(unobserved) > 0 {
		return verdict{unknown, notObserved, fmt.Sprintf("ECS did not say on two polls in a row, after the rules were gone, whether %s connected: %s",
			plural(len(unobserved), "agent is", "agents are"), list(instanceIDs(unobserved)))}
	}
	return f.agentsAfterwards()
}

// agentsAfterwards is what was seen of the agents after the run. An agent is connected again only if it was disconnected.
func (f facts) agentsAfterwards() verdict {
	agents := f.obj.Status.Agents
	back := selectARNs(agents, func(i v1alpha1.ContainerInstance) bool {
		return i.Connected != nil && *i.Connected && i.DisconnectedTime != nil
	})
	away, stayed := stillDisconnected(agents), len(stillConnected(agents))-len(back)

	reason := "Reconnected"
	switch {
	case len(away) > 0:
		reason = "SomeDisconnected"
	case len(back) == 0:
		reason = "StayedConnected"
	}
	var parts []string
	if len(back) > 0 {
		parts = append(parts, plural(len(back), "agent is", "agents are")+" connected again")
	}
	if stayed > 0 {
		parts = append(parts, plural(stayed, "agent is", "agents are")+" connected and was never seen disconnected")
	}
	if len(away) > 0 {
		parts = append(parts, plural(len(away), "agent is", "agents are")+" disconnected: "+list(instanceIDs(away)))
	}
	if len(parts) == 0 {
		return verdict{no, "AllLeft", "no container instance that counted is left in the cluster"}
	}
	return verdict{no, reason, strings.Join(parts, "; ")}
}
