// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
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
	// endpointsRead says that the VPC's endpoints were looked up since the process began.
	endpointsRead bool
	// inForce is since when the rules were seen to deny everything; zero: they were not yet, since the process began.
	inForce time.Time
	// mismatch says how the manager's own network path may have shaped what ECS named; empty: it doesn't look so.
	mismatch string
	// hit are the subnets that the denies act on, as the network ACL was last read.
	hit []string
	// privateAtHome are interfaces in the subnet itself that agents may connect to.
	privateAtHome []string
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
	if f.mode == ModeFinished && status.Plan == nil {
		// What the run was stays; the conditions only follow the generation, or tools would wait for ever.
		for i := range status.Conditions {
			status.Conditions[i].ObservedGeneration = f.obj.Generation
		}
		return
	}
	if f.mode == ModeFinished {
		status.Plan = nil // it was a plan in between
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
	case f.mode == ModePlan:
		return f.planning()
	case status.CompletionTime != nil && Restored(status):
		return f.outcome()
	case f.mode == ModeSuspended:
		return f.suspended()
	case f.mode == ModePending || f.mode == ModeWaiting:
		return f.notBegun()
	case f.mode == ModeActive:
		return f.running()
	case !Restored(status):
		return verdict{unknown, v1alpha1.StateRestoring, f.because(f.withTrouble(f.left()))}
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

// left says what of the run is left to undo.
func (f facts) left() string {
	status := &f.obj.Status
	if acl := status.NetworkACL; acl != nil && !cloneLeft(acl) && len(status.Rules) == 0 && armed(status) {
		return fmt.Sprintf("the rules are gone; the schedules of the dead man's switch are left to delete from group %s", acl.DeadManSwitch.ScheduleGroup)
	}
	if acl := status.NetworkACL; acl != nil && cloneLeft(acl) {
		return fmt.Sprintf("clone %s of network ACL %s is left to undo", aclID(status), acl.OriginalID)
	}
	return fmt.Sprintf("%s left to remove from network ACL %s", plural(len(status.Rules), "rule", "rules"), aclID(status))
}

func (f facts) planning() verdict {
	switch {
	case planned(f.obj):
		return verdict{yes, v1alpha1.StatePlanned, describePlan(f.obj.Status.Plan)}
	case f.trouble != nil && f.trouble.stalled:
		return verdict{unknown, v1alpha1.StateRefused, f.trouble.message}
	default:
		return verdict{unknown, v1alpha1.StateDiscovering, f.withTrouble("finding out what a run would do")}
	}
}

// suspended is a run that spec.suspend holds up, before its start or after it.
func (f facts) suspended() verdict {
	status := &f.obj.Status
	switch {
	case status.StartTime == nil:
		return verdict{unknown, v1alpha1.StateSuspended, fmt.Sprintf("spec.suspend is true: the run has not begun, and holds nothing; if it has not by %s, it never will", startDeadline(f.obj).UTC().Format(time.RFC3339))}
	case !lifted(status):
		return verdict{unknown, v1alpha1.StateRestoring, f.withTrouble("spec.suspend is true: the rules are being lifted from network ACL " + aclID(status))}
	}
	return verdict{unknown, v1alpha1.StateSuspended, f.withTrouble(fmt.Sprintf("spec.suspend is true: the rules are lifted; the run ends at %s all the same", expiration(status).UTC().Format(time.RFC3339)))}
}

func (f facts) notBegun() verdict {
	switch {
	case f.mode == ModeWaiting:
		return verdict{unknown, v1alpha1.StateWaiting, fmt.Sprintf("the run begins at %s at the earliest; discovery begins %s before", f.obj.Spec.StartAfter.UTC().Format(time.RFC3339), minutes(WarmUp))}
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

// missed says whether the run is over without ever having begun.
func missed(status *v1alpha1.AgentDisconnectStatus) bool {
	return status.StartTime == nil && status.Abort != nil && status.Abort.Reason == v1alpha1.AbortStartDeadlineExceeded
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
	if allLeft(status.Agents) {
		back = "; the rules are gone"
	}
	if acl := status.NetworkACL; acl != nil && acl.State == v1alpha1.CloneAdopted {
		back += fmt.Sprintf("; the original %s was deleted, so clone %s stays as the subnet's network ACL", acl.OriginalID, acl.ID)
	}
	switch stayed := neverDisconnected(status.Agents); {
	case missed(status):
		return verdict{no, status.Abort.Reason, status.Abort.Message}
	case status.Abort != nil:
		return verdict{no, status.Abort.Reason, status.Abort.Message + back}
	case len(stayed) > 0 || status.Agents == nil || len(status.Agents.ContainerInstances) == 0:
		return verdict{no, v1alpha1.StateAgentsStayedConnected, fmt.Sprintf("%s never seen disconnected: %s%s", plural(len(stayed), "agent was", "agents were"), list(instanceIDs(stayed)), back)}
	case status.Agents.ReconnectedTime == nil:
		return verdict{no, v1alpha1.StateAgentsDidNotReconnect, "all agents were seen disconnected" + back}
	default:
		return verdict{yes, v1alpha1.StateCompleted, "all agents were seen disconnected" + back}
	}
}

func (f facts) endpointsDiscovered() verdict {
	endpoints := f.obj.Status.Endpoints
	if plan := f.obj.Status.Plan; f.mode == ModePlan && plan != nil {
		endpoints = plan.Endpoints
	}
	switch host := unresolved(endpoints); {
	case f.trouble != nil && (f.trouble.reason == v1alpha1.ReasonHostNotResolved || f.trouble.reason == v1alpha1.ReasonInvalidEndpoint || f.trouble.reason == v1alpha1.ReasonTooManyEndpoints):
		return verdict{no, f.trouble.reason, f.trouble.message}
	case len(endpoints) == 0:
		return verdict{unknown, "NotDiscovered", "ECS has not been asked yet for the endpoints of the agents"}
	case host != "":
		return verdict{unknown, "NotLookedUp", host + " has not been looked up yet"}
	case len(f.unsettled) > 0 && (f.mode == ModePending || f.mode == ModeActive):
		return verdict{yes, "Discovered", describeEndpoints(endpoints) + "; lookups go on, more may be found for " + list(f.unsettled) + f.andMismatch()}
	case f.mode == ModePending || f.mode == ModeActive:
		return verdict{yes, "Settled", fmt.Sprintf("%s; lookups found no other for %s", describeEndpoints(endpoints), minutes(settledAfter)) + f.andMismatch()}
	default:
		return verdict{yes, "Discovered", describeEndpoints(endpoints)}
	}
}

func (f facts) rulesInstalled() verdict {
	status := &f.obj.Status
	switch {
	case status.StartTime == nil && !traces(status), missed(status) && Restored(status):
		return verdict{no, "NotStarted", "the run has not begun"}
	case f.mode == ModeSuspended && lifted(status):
		return verdict{no, "Suspended", "the rules are lifted while spec.suspend is true"}
	case f.mode != ModeActive && Restored(status):
		return verdict{no, "Removed", "no rule of this run is left"}
	case f.mode != ModeActive:
		return verdict{no, "Restoring", f.left()}
	case status.NetworkACL != nil && status.NetworkACL.Mode == v1alpha1.NetworkACLModeClone && status.NetworkACL.State != v1alpha1.CloneServing:
		return verdict{no, "Cloning", fmt.Sprintf("clone %s of network ACL %s does not serve the subnet yet", aclID(status), status.NetworkACL.OriginalID)}
	case !f.aclRead:
		return verdict{unknown, "NotRead", "the network ACL has not been read yet"}
	case len(desired(f.obj)) == 0:
		return verdict{no, "Incomplete", "no address to deny is known: status.endpoints was edited"}
	case len(f.open) > 0:
		return verdict{no, "Incomplete", fmt.Sprintf("network ACL %s does not deny %s yet", aclID(status), list(f.open))}
	default:
		return verdict{yes, "Installed", fmt.Sprintf("network ACL %s%s denies %s: read back", aclID(status), f.howUsed(), describeDenied(status)) + describeExempt(status.Exemptions)}
	}
}

func (f facts) agentsDisconnected() verdict {
	agents := f.obj.Status.Agents
	connected := stillConnected(agents)
	switch {
	case agents == nil || f.obj.Status.StartTime == nil:
		return verdict{no, "NotStarted", "the run has not begun"}
	case allDisconnected(agents):
		return verdict{yes, "AllDisconnected", fmt.Sprintf("ECS says on two polls in a row that %s disconnected", plural(int(*agents.Total), "agent is", "agents are"))}
	case f.mode != ModeActive && f.mode != ModeSuspended:
		return verdict{no, "Reconnected", plural(len(connected), "agent is", "agents are") + " connected"}
	case f.mode == ModeSuspended:
		return verdict{no, "Suspended", plural(len(connected), "agent is", "agents are") + " connected while the rules are lifted"}
	default:
		return verdict{no, "SomeConnected", fmt.Sprintf("%s still connected: %s. %s%s",
			plural(len(connected), "agent is", "agents are"), list(instanceIDs(connected)), f.whyConnected(), f.uncounted())}
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
