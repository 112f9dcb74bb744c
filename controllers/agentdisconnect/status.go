// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"slices"
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
	// aclSeen, agentsSeen and hostsSeen are when the network ACL was read, ECS answered about the agents, and every host was
	// looked up with an answer. endpointsSeen is when the VPC's endpoints were looked up.
	aclSeen, agentsSeen, hostsSeen, endpointsSeen look
	// open are the destinations that the network ACL lets through, as last read; own is how many rules of the run deny some,
	// and foreign how many entries of others do.
	open []string
	// elsewhere says that the subnet is not on the network ACL, or that there is none, as last read; empty: it is.
	elsewhere string
	// suspected is what reads show that is not acted on yet.
	suspected    []string
	own, foreign int
	// unsettled are the hosts whose set of addresses may still grow, and failing those of which lookups are not answered,
	// with the reason; resolver is whom they are asked of.
	unsettled, failing []string
	resolver           string
	// unasked are container instances that count and whose hosts ECS was not asked for lately.
	unasked []string
	// inForce is since when reads show rules of the run in force; zero: the last one does not.
	inForce time.Time
	// mismatch says how the manager's own network path may have shaped what ECS named; empty: it doesn't look so.
	mismatch string
	// hit are the subnets that the denies act on, as the network ACL was last read.
	hit []string
	// follows describes a change of a clone's original that the clone has yet to follow; empty: there is none.
	follows string
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
		message := "the rules are gone; waiting for a second look at the agents"
		if away := stillDisconnected(status.Agents); len(away) > 0 {
			message = fmt.Sprintf("the rules are gone; waiting for %s to be connected again", plural(len(away), "agent", "agents"))
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
	left := slices.DeleteFunc(slices.Clone(status.Rules), func(l v1alpha1.Rule) bool { return l.State == v1alpha1.RuleReleased })
	if len(left) == 0 && len(status.Rules) > 0 {
		return fmt.Sprintf("the rules are gone; the tags that name them are left to remove from network ACL %s", aclID(status))
	}
	return fmt.Sprintf("%s left to remove from network ACL %s", plural(len(left), "rule", "rules"), aclID(status))
}

func (f facts) planning() verdict {
	switch {
	case planned(f.obj):
		return planVerdict(f.obj.Status.Plan)
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
	state, message := v1alpha1.StateInstalling, installed.message
	if installed.status == yes || installed.reason == notObserved && f.lastReadBlocking() {
		state = v1alpha1.StateBlocking
	}
	if installed.status != unknown { // then it has the trouble already
		message = f.withTrouble(message)
	}
	for _, more := range []string{f.suspicions(), f.follows, f.window(state), f.shortDuration(), f.changedSpec()} {
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
	case f.lookingUp() && !f.hostsSeen.fresh(f.now):
		return f.unobserved(f.hostsSeen, "the hosts were last looked up with an answer at %s", "the hosts have not been looked up")
	case f.lookingUp() && len(f.unsettled)+len(f.failing)+len(f.unasked) > 0:
		return verdict{yes, "Discovered", describeEndpoints(endpoints) + f.mayGrow() + f.andMismatch()}
	case f.lookingUp():
		return verdict{yes, "Settled", fmt.Sprintf("%s; lookups found no other for %s", describeEndpoints(endpoints), minutes(settledAfter)) + f.andMismatch()}
	default:
		return verdict{yes, "Discovered", describeEndpoints(endpoints)}
	}
}

// lookingUp reports whether the hosts are looked up again and again.
func (f facts) lookingUp() bool { return f.mode == ModePending || f.mode == ModeActive }

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
	case f.aclSeen.at.IsZero():
		return verdict{unknown, "NotRead", f.withTrouble(fmt.Sprintf("network ACL %s has not been read since the rules were installed or the manager started", aclID(status)))}
	case !f.aclSeen.fresh(f.now):
		return f.unobserved(f.aclSeen, "network ACL "+aclID(status)+" was last read at %s", "")
	case len(desired(f.obj)) == 0:
		return verdict{no, "Incomplete", "no address to deny is known: status.endpoints was edited"}
	case f.elsewhere != "":
		return verdict{no, "SubnetElsewhere", f.elsewhere}
	case len(f.open) > 0:
		return verdict{no, "Incomplete", fmt.Sprintf("network ACL %s does not deny %s, as last read", aclID(status), list(f.open))}
	case f.own == 0:
		return verdict{no, "DeniedByOthers", fmt.Sprintf("network ACL %s%s denies %s by %s of a third party, and none by a rule of this run",
			aclID(status), f.howUsed(), describeEndpoints(status.Endpoints), plural(f.foreign, "entry", "entries"))}
	default:
		return verdict{yes, "Installed", fmt.Sprintf("network ACL %s%s denies %s by %s: read back", aclID(status), f.howUsed(), describeDenied(status), f.byRules()) + describeExempt(status.Exemptions)}
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
