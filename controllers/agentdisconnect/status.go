// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// facts are all that the conditions are computed from: what the pass knows, not what an earlier pass said.
type facts struct {
	obj  *v1alpha1.AgentDisconnect
	now  time.Time
	mode Mode
	// trouble is what kept the pass from its work; nil: nothing.
	trouble *problem
	// aclRead says that the network ACL was read since the process began.
	aclRead bool
	// open are the destinations that the network ACL lets through, as last read.
	open []string
	// unsettled are the hosts whose set of addresses may still grow.
	unsettled []string
}

// verdict is the value of a condition.
type verdict struct {
	status  metav1.ConditionStatus
	reason  string
	message string
}

const (
	yes     = metav1.ConditionTrue
	no      = metav1.ConditionFalse
	unknown = metav1.ConditionUnknown
)

// setConditions brings the conditions in line with the facts. It is the only place that computes them.
func setConditions(f facts) {
	status := &f.obj.Status
	status.ObservedGeneration = f.obj.Generation
	if f.mode == ModeFinished {
		// What the run was stays; the conditions only follow the generation, or tools would wait for ever.
		for i := range status.Conditions {
			status.Conditions[i].ObservedGeneration = f.obj.Generation
		}
		return
	}
	succeeded := f.succeeded()
	f.set(v1alpha1.ConditionSucceeded, &succeeded)
	f.set(v1alpha1.ConditionEndpointsDiscovered, new(f.endpointsDiscovered()))
	f.set(v1alpha1.ConditionRulesInstalled, new(f.rulesInstalled()))
	f.set(v1alpha1.ConditionAgentsDisconnected, new(f.agentsDisconnected()))
	f.set(v1alpha1.ConditionReconciling, f.reconciling(succeeded))
	f.set(v1alpha1.ConditionStalled, f.stalled(succeeded))
}

// set gives a condition its value; nil takes it away.
func (f facts) set(conditionType string, v *verdict) {
	if v == nil {
		meta.RemoveStatusCondition(&f.obj.Status.Conditions, conditionType)
		return
	}
	meta.SetStatusCondition(&f.obj.Status.Conditions, metav1.Condition{
		Type: conditionType, Status: v.status, Reason: v.reason, Message: v.message,
		ObservedGeneration: f.obj.Generation, LastTransitionTime: *stamp(f.now),
	})
}

// succeeded is the run as one word.
func (f facts) succeeded() verdict {
	status := &f.obj.Status
	switch {
	case status.CompletionTime != nil:
		return f.outcome()
	case f.mode == ModePending:
		return f.notBegun()
	case f.mode == ModeActive:
		return f.running()
	case !Restored(status):
		message := fmt.Sprintf("%s left to remove from network ACL %s", plural(len(status.Rules), "rule", "rules"), aclID(status))
		return verdict{unknown, v1alpha1.StateRestoring, f.because(f.withTrouble(message))}
	case f.mode == ModeDeleting:
		return verdict{unknown, v1alpha1.StateRestoring, "the object is being deleted, and no rule of the run is left"}
	default:
		message := fmt.Sprintf("the rules are gone; waiting for %s to be connected again", plural(len(stillDisconnected(status.Agents)), "agent", "agents"))
		if len(stillDisconnected(status.Agents)) == 0 {
			message = "the rules are gone; waiting for a second look at the agents"
		}
		return verdict{unknown, v1alpha1.StateRecovering, f.because(f.withTrouble(message))}
	}
}

func (f facts) notBegun() verdict {
	switch {
	case f.trouble == nil:
		return verdict{unknown, v1alpha1.StateDiscovering, "looking for endpoints, and for agents that are connected on two polls in a row"}
	case f.trouble.stalled:
		return verdict{unknown, v1alpha1.StateRefused, f.trouble.message}
	default:
		return verdict{unknown, v1alpha1.StateWaiting, f.trouble.message}
	}
}

func (f facts) running() verdict {
	installed := f.rulesInstalled()
	state, message := v1alpha1.StateInstalling, "the rules are not all in place yet"
	if installed.status == yes {
		state, message = v1alpha1.StateBlocking, installed.message
	}
	message = f.withTrouble(message)
	for _, more := range []string{f.shortDuration(), f.changedSpec()} {
		if more != "" {
			message += "; " + more
		}
	}
	return verdict{unknown, state, message}
}

// outcome is what a run that is over came to.
func (f facts) outcome() verdict {
	status := &f.obj.Status
	back := "; the rules are gone and the agents are back"
	if status.Agents == nil || status.Agents.ReconnectedTime == nil {
		back = "; the rules are gone, but not every agent was seen connected again"
		// Those of a cluster that is gone are not waited for.
		if deadline := recoveryDeadline(status); !deadline.IsZero() && !status.CompletionTime.Time.Before(deadline) {
			back += " within " + minutes(RecoveryTimeout)
		}
		if away := stillDisconnected(status.Agents); len(away) > 0 {
			back += ": " + list(instanceIDs(away))
		}
	}
	switch stayed := neverDisconnected(status.Agents); {
	case status.Abort != nil:
		return verdict{no, status.Abort.Reason, status.Abort.Message + back}
	case len(stayed) > 0 || status.Agents == nil:
		return verdict{no, v1alpha1.StateAgentsStayedConnected, fmt.Sprintf("%s never seen disconnected: %s%s", plural(len(stayed), "agent was", "agents were"), list(instanceIDs(stayed)), back)}
	case status.Agents.ReconnectedTime == nil:
		return verdict{no, v1alpha1.StateAgentsDidNotReconnect, "all agents were seen disconnected" + back}
	default:
		return verdict{yes, v1alpha1.StateCompleted, "all agents were seen disconnected" + back}
	}
}

func (f facts) endpointsDiscovered() verdict {
	endpoints := f.obj.Status.Endpoints
	switch host := unresolved(endpoints); {
	case f.trouble != nil && (f.trouble.reason == v1alpha1.ReasonHostNotResolved || f.trouble.reason == v1alpha1.ReasonInvalidEndpoint || f.trouble.reason == v1alpha1.ReasonTooManyEndpoints):
		return verdict{no, f.trouble.reason, f.trouble.message}
	case len(endpoints) == 0:
		return verdict{unknown, "NotDiscovered", "ECS has not been asked yet for the endpoints of the agents"}
	case host != "":
		return verdict{unknown, "NotLookedUp", host + " has not been looked up yet"}
	case len(f.unsettled) > 0 && (f.mode == ModePending || f.mode == ModeActive):
		return verdict{yes, "Discovered", describeEndpoints(endpoints) + "; lookups go on, more may be found for " + list(f.unsettled)}
	case f.mode == ModePending || f.mode == ModeActive:
		return verdict{yes, "Settled", fmt.Sprintf("%s; lookups found no other for %s", describeEndpoints(endpoints), minutes(settledAfter))}
	default:
		return verdict{yes, "Discovered", describeEndpoints(endpoints)}
	}
}

func (f facts) rulesInstalled() verdict {
	status := &f.obj.Status
	switch {
	case f.mode == ModePending || status.StartTime == nil:
		return verdict{no, "NotStarted", "the run has not begun"}
	case f.mode != ModeActive && Restored(status):
		return verdict{no, "Removed", "no rule of this run is left"}
	case f.mode != ModeActive:
		return verdict{no, "Restoring", plural(len(status.Rules), "rule", "rules") + " left to remove"}
	case !f.aclRead:
		return verdict{unknown, "NotRead", "the network ACL has not been read yet"}
	case len(f.open) > 0:
		return verdict{no, "Incomplete", fmt.Sprintf("network ACL %s does not deny %s yet", aclID(status), list(f.open))}
	default:
		return verdict{yes, "Installed", fmt.Sprintf("network ACL %s denies %s: read back", aclID(status), describeEndpoints(status.Endpoints))}
	}
}

func (f facts) agentsDisconnected() verdict {
	agents := f.obj.Status.Agents
	connected := stillConnected(agents)
	switch {
	case agents == nil || f.mode == ModePending:
		return verdict{no, "NotStarted", "the run has not begun"}
	case allDisconnected(agents):
		return verdict{yes, "AllDisconnected", fmt.Sprintf("ECS says on two polls in a row that %s disconnected", plural(int(*agents.Total), "agent is", "agents are"))}
	case f.mode != ModeActive:
		return verdict{no, "Reconnected", plural(len(connected), "agent is", "agents are") + " connected"}
	default:
		return verdict{no, "SomeConnected", fmt.Sprintf("%s still connected: %s. Agents notice a dropped path after 1 to 4 minutes; if it takes longer, an address was missed, they use a PrivateLink interface in the subnet itself, or a proxy",
			plural(len(connected), "agent is", "agents are"), list(instanceIDs(connected)))}
	}
}

// reconciling is there while the run moves on by itself.
func (f facts) reconciling(succeeded verdict) *verdict {
	switch succeeded.reason {
	case v1alpha1.StateDiscovering, v1alpha1.StateInstalling, v1alpha1.StateRestoring, v1alpha1.StateRecovering:
		if f.stalled(succeeded) == nil {
			return &verdict{yes, succeeded.reason, succeeded.message}
		}
	}
	return nil
}

// stalled is there while a person must act, and after a run that failed.
func (f facts) stalled(succeeded verdict) *verdict {
	switch {
	case succeeded.status == no:
		return &verdict{yes, succeeded.reason, succeeded.message}
	case succeeded.status == unknown && f.trouble != nil && f.trouble.stalled:
		return &verdict{yes, f.trouble.reason, f.trouble.message}
	}
	return nil
}

// shortDurationBelow is the duration under which a run proves little: agents take up to 4 minutes to notice.
const shortDurationBelow = 5 * time.Minute

func (f facts) shortDuration() string {
	if f.obj.Spec.Duration.Duration >= shortDurationBelow {
		return ""
	}
	return fmt.Sprintf("a run of less than %s proves little, since agents take 1 to 4 minutes to notice", minutes(shortDurationBelow))
}

// changedSpec names what was changed in the spec since the run began and takes no effect on it.
func (f facts) changedSpec() string {
	if changed := changedFields(f.obj); len(changed) > 0 {
		return "changed after the start and without effect on this run: " + strings.Join(changed, ", ")
	}
	return ""
}

// because adds why a run was aborted.
func (f facts) because(message string) string {
	if abort := f.obj.Status.Abort; abort != nil {
		return abort.Reason + ": " + abort.Message + "; " + message
	}
	return message
}

func (f facts) withTrouble(message string) string {
	if f.trouble == nil {
		return message
	}
	return message + "; " + f.trouble.message
}

func aclID(status *v1alpha1.AgentDisconnectStatus) string {
	if status.NetworkACL == nil {
		return "(unknown)"
	}
	return status.NetworkACL.ID
}

func minutes(d time.Duration) string { return fmt.Sprintf("%d minutes", int(d/time.Minute)) }

// list names the first few of several things.
func list(names []string) string {
	const most = 3
	if len(names) == 0 {
		return "unknown"
	}
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
