// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"fmt"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// outcome is what a run that is over came to. It rests on the status alone, so that it stays what
// it is.
func (f Input) outcome() Value {
	status := &f.Object.Status
	stayed := run.NeverDisconnected(status.Agents)
	switch {
	case run.IsMissed(status):
		return Value{no, status.Abort.Reason, status.Abort.Message}
	case status.Abort != nil:
		return Value{no, status.Abort.Reason, status.Abort.Message + f.afterwards() + aboutCallers(status)}
	case run.IsTelemetryRun(status):
		return telemetryOutcome(status)
	case status.Agents == nil || len(status.Agents.ContainerInstances) == 0:
		return Value{no, v1alpha1.StateAgentsStayedConnected, "no agent was seen disconnected: status.agents was edited" + f.afterwards()}
	case len(stayed) > 0 && !f.observedToTheEnd():
		return Value{no, v1alpha1.StateAgentsNotObserved, fmt.Sprintf("%s: whether %s disconnected is not known: %s%s",
			f.lastObserved(), problem.Plural(len(stayed), "agent was", "agents were"), problem.List(run.InstanceIDs(stayed)), f.afterwards())}
	case len(stayed) > 0:
		return Value{no, v1alpha1.StateAgentsStayedConnected, fmt.Sprintf("%s never seen disconnected: %s%s",
			problem.Plural(len(stayed), "agent was", "agents were"), problem.List(run.InstanceIDs(stayed)), f.afterwards())}
	case status.Agents.ReconnectedTime == nil && len(run.StillDisconnected(status.Agents)) > 0:
		return Value{no, v1alpha1.StateAgentsDidNotReconnect, "all agents were seen disconnected" + f.afterwards()}
	case status.Agents.ReconnectedTime == nil:
		return Value{no, v1alpha1.StateAgentsNotObserved, "all agents were seen disconnected" + f.afterwards()}
	case run.HasProbe(status) && !run.AgentFailureSeen(status):
		return Value{no, v1alpha1.StateAgentFailureNotSeen, "all agents were seen disconnected, and " + describeProbe(status.Probe) + f.afterwards()}
	}

	text := "all agents were seen disconnected"
	if run.HasProbe(status) {
		text += ", and " + describeProbe(status.Probe)
	}

	text += f.afterwards() + aboutCallers(status)
	if state := unmetRequirement(status); state != "" {
		return Value{no, state, text}
	}
	return Value{yes, v1alpha1.StateCompleted, text}
}

// afterwards is what became of rules and agents when the run was over.
func (f Input) afterwards() string {
	status := &f.Object.Status
	text := "; the rules are gone" + f.reconnected()
	if acl := status.NetworkACL; acl != nil && acl.State == v1alpha1.CloneAdopted {
		text += fmt.Sprintf("; the original %s was deleted, so clone %s stays as the subnet's network ACL", acl.OriginalID, acl.ID)
	}
	return text + f.repairs() + f.leftInstances("; ")
}

// reconnected is what was seen of the agents after the rules were gone.
func (f Input) reconnected() string {
	status := &f.Object.Status
	away, unobserved := run.StillDisconnected(status.Agents), run.Unobserved(status.Agents)
	switch {
	case run.AllLeft(status.Agents):
		return ""
	case status.Agents != nil && status.Agents.ReconnectedTime != nil && !run.AnyDisconnected(status.Agents):
		return " and the agents are connected"
	case status.Agents != nil && status.Agents.ReconnectedTime != nil:
		return " and the agents are connected again"
	case len(away) > 0:
		within := ""
		// Those of a cluster that is gone are not waited for.
		if deadline := run.RecoveryDeadline(status); !deadline.IsZero() && !run.AwaitedUntil(status).Before(deadline) {
			within = " within " + problem.Minutes(run.RecoveryTimeout)
		}
		return ", but not every agent was seen connected again" + within + ": " + problem.List(run.InstanceIDs(away))
	case len(unobserved) > 0:
		return fmt.Sprintf(", but it is not known whether %s connected again: %s",
			problem.Plural(len(unobserved), "agent is", "agents are"), problem.List(run.InstanceIDs(unobserved)))
	default:
		return ", but not every agent was seen connected again"
	}
}

// observedToTheEnd reports whether ECS answered about the agents until the rules began to go. An
// agent that was connected then stayed connected, whatever was not looked at before: rules that are
// in place keep it disconnected.
func (f Input) observedToTheEnd() bool {
	at := f.Object.Status.Agents.ObservedTime
	// The time is written whenever something else is, so the end itself brings it up to date.
	return at != nil && f.rulesEnd().Sub(at.Time) < f.AgentsSeen.GoodFor
}

// rulesEnd is when the rules of a run that is over began to go.
func (f Input) rulesEnd() time.Time {
	end := run.Expiration(&f.Object.Status)
	if abort := f.Object.Status.Abort; abort != nil {
		return run.Earliest(end, abort.Time.Time)
	}
	return end
}

// lastObserved is when ECS last answered about the agents while the run was on.
func (f Input) lastObserved() string {
	if at := f.Object.Status.Agents.ObservedTime; at != nil {
		return "ECS last answered about the agents at " + problem.FormatTime(at.Time) + ", and the run lasted until " + problem.FormatTime(f.rulesEnd())
	}
	return "ECS did not answer about the agents while the run was on"
}

// agentsDisconnected is what ECS says of the tracked agents.
func (f Input) agentsDisconnected() Value {
	status := &f.Object.Status
	agents := status.Agents
	connected, unobserved := run.StillConnected(agents), run.Unobserved(agents)
	switch {
	case agents == nil || status.StartTime == nil:
		return Value{no, "NotStarted", "the run has not begun"}
	case run.IsTelemetryRun(status):
		return Value{unknown, "NotShown", TelemetryNote}
	case run.IsOver(status), run.IsVerifying(status):
		return f.agentsInTheEnd()
	case !f.AgentsSeen.Fresh(f.Now):
		return f.unobserved(f.AgentsSeen, "ECS last answered about the agents at %s", "ECS has not answered about the agents")
	case f.Phase == run.Active && len(connected)+len(unobserved) == 0 && !f.ACLSeen.Fresh(f.Now):
		return f.unobserved(f.ACLSeen, "whether rules of this run keep the agents disconnected is not known: network ACL "+aclID(status)+" was last read at %s",
			"whether rules of this run keep the agents disconnected is not known: network ACL "+aclID(status)+" has not been read")
	case f.Phase == run.Active && len(connected)+len(unobserved) == 0 && (f.EnforcedSince.IsZero() || !run.AllDisconnected(agents)):
		return Value{no, "NotByTheRules", f.notByTheRules() + f.leftInstances(". ") + f.untracked()}
	case run.AllDisconnected(agents):
		return Value{yes, "AllDisconnected", fmt.Sprintf("ECS reports on two polls in a row that %s disconnected%s",
			problem.Plural(int(*agents.Total), "agent is", "agents are"), f.leftInstances(". "))}
	case len(connected) == 0 && len(unobserved) > 0:
		return Value{unknown, notObserved, fmt.Sprintf("ECS has not reported the same state of %s on two polls in a row: %s", problem.Plural(len(unobserved), "agent", "agents"), problem.List(run.InstanceIDs(unobserved)))}
	case f.Phase != run.Active && f.Phase != run.Suspended:
		return f.agentsAfterwards()
	case f.Phase == run.Suspended:
		return Value{no, "Suspended", problem.Plural(len(connected), "agent is", "agents are") + " connected while the rules are lifted"}
	default:
		return Value{no, "SomeConnected", fmt.Sprintf("%s still connected: %s. %s%s",
			problem.Plural(len(connected), "agent is", "agents are"), problem.List(run.InstanceIDs(connected)), f.whyConnected(), f.leftInstances(". ")+f.untracked())}
	}
}

// notByTheRules says why agents that are disconnected don't count as disconnected by the run.
func (f Input) notByTheRules() string {
	agents := f.Object.Status.Agents
	text := problem.Plural(len(run.StillDisconnected(agents)), "agent is", "agents are") + " disconnected"
	if f.EnforcedSince.IsZero() {
		return text + ", while the rules of this run are not in force, as last read: the run does not count that as its effect"
	}
	never := run.NeverDisconnected(agents)
	return fmt.Sprintf("%s, %d of them not yet on two polls while the rules of this run are in force: %s", text, len(never), problem.List(run.InstanceIDs(never)))
}

// agentsInTheEnd is what was last seen of the agents of a run that no longer waits for them: they
// are not looked at any more.
func (f Input) agentsInTheEnd() Value {
	agents := f.Object.Status.Agents
	if unobserved := run.Unobserved(agents); agents.ReconnectedTime == nil && len(unobserved) > 0 {
		return Value{unknown, notObserved, fmt.Sprintf("it is not known whether %s connected again: %s",
			problem.Plural(len(unobserved), "agent is", "agents are"), problem.List(run.InstanceIDs(unobserved)))}
	}
	return f.agentsAfterwards()
}

// agentsAfterwards is what was seen of the agents after the run. An agent is connected again only
// if it was disconnected.
func (f Input) agentsAfterwards() Value {
	agents := f.Object.Status.Agents
	back := run.SelectAgents(agents, func(i v1alpha1.ContainerInstance) bool {
		return i.Connected != nil && *i.Connected && i.DisconnectedTime != nil
	})
	away, stayed := run.StillDisconnected(agents), len(run.StillConnected(agents))-len(back)
	returned := len(back) + int(agents.Omitted)

	reason := "Reconnected"
	switch {
	case len(away) > 0:
		reason = "SomeDisconnected"
	case returned == 0:
		reason = "StayedConnected"
	}

	var parts []string
	if returned > 0 {
		parts = append(parts, problem.Plural(returned, "agent is", "agents are")+" connected again")
	}

	if stayed > 0 {
		parts = append(parts, problem.Plural(stayed, "agent is connected and was", "agents are connected and were")+" never seen disconnected")
	}

	if len(away) > 0 {
		parts = append(parts, problem.Plural(len(away), "agent is", "agents are")+" disconnected: "+problem.List(run.InstanceIDs(away)))
	}

	if len(parts) == 0 {
		return Value{no, "AllLeft", "no tracked container instance is left in the cluster"}
	}
	return Value{no, reason, strings.Join(parts, "; ")}
}
