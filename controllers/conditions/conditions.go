// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/pages"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// notObserved is the reason of a condition about something that was not looked at lately.
const notObserved = "NotObserved"

// unobserved is the value of a condition about something that was not looked at lately. last is a
// format that takes the time of the last look, never the sentence for none. Neither changes until
// the next look.
func (f Input) unobserved(l run.Look, last, never string) Value {
	message := never + " since the manager started"
	if !l.At.IsZero() {
		message = fmt.Sprintf(last, problem.FormatTime(l.At))
	}
	return Value{unknown, notObserved, f.withTrouble(message)}
}

// Input are all that the conditions are computed from: what the pass knows, not what an earlier
// pass said.
type Input struct {
	Object *v1alpha1.AgentDisconnect
	Now    time.Time
	Phase  run.Phase
	// Problem is what kept the pass from its work; nil: nothing.
	Problem *problem.Problem
	// ACLSeen, AgentsSeen and HostsSeen are when the network ACL was read, ECS answered about the
	// agents, and every host was looked up with an answer. EndpointsSeen is when the VPC's
	// endpoints were looked up.
	ACLSeen, AgentsSeen, HostsSeen, EndpointsSeen run.Look
	// Open are the destinations that the network ACL lets through, as last read.
	Open []string
	// Own is how many rules of the run deny a destination, and Foreign how many entries of third
	// parties do.
	Own, Foreign int
	// Elsewhere says that the subnet is not on the network ACL, or that there is none, as last
	// read; empty: it is.
	Elsewhere string
	// Suspected is what reads show that is not acted on yet.
	Suspected []string
	// Unsettled are the hosts whose set of addresses may still grow, and Failing those of which
	// lookups are not answered, with the reason.
	Unsettled, Failing []string
	// Resolver is the DNS server that the lookups are asked of.
	Resolver string
	// Unasked are tracked container instances whose hosts ECS was not asked for lately.
	Unasked []string
	// EnforcedSince is since when reads show rules of the run in force; zero: the last one does
	// not.
	EnforcedSince time.Time
	// PathMismatch says how the manager's own network path may have shaped what ECS named; empty:
	// it doesn't look so.
	PathMismatch string
	// SubnetsHit are the subnets that the denies act on, as the network ACL was last read.
	SubnetsHit []string
	// Follows describes a change of a clone's original that the clone has yet to follow; empty:
	// there is none.
	Follows string
	// PrivateInSubnet are interfaces in the subnet itself that agents may connect to.
	PrivateInSubnet []string
}

// Value is the value of a condition.
type Value struct {
	status  metav1.ConditionStatus
	reason  string
	message string
}

const (
	yes     = metav1.ConditionTrue
	no      = metav1.ConditionFalse
	unknown = metav1.ConditionUnknown
)

// Set brings the conditions in line with the input. It is the only place that computes them.
func Set(f Input) {
	status := &f.Object.Status
	status.ObservedGeneration = f.Object.Generation
	if f.Phase == run.Finished && status.Plan == nil {
		// What the run was stays; the conditions only follow the generation, or tools would wait
		// for ever.
		for i := range status.Conditions {
			status.Conditions[i].ObservedGeneration = f.Object.Generation
		}
		f.summarize() // an earlier version stored none
		return
	}

	if f.Phase == run.Finished {
		status.Plan = nil // it was a plan in between
	}

	succeeded := f.succeeded()
	f.set(v1alpha1.ConditionSucceeded, &succeeded)
	f.set(v1alpha1.ConditionEndpointsDiscovered, new(f.endpointsDiscovered()))
	f.set(v1alpha1.ConditionRulesInstalled, new(f.rulesInstalled()))
	f.set(v1alpha1.ConditionAgentsDisconnected, new(f.agentsDisconnected()))
	f.set(v1alpha1.ConditionRunTaskFails, f.runTaskFails())
	f.set(v1alpha1.ConditionCallersRecovered, f.callersRecovered())
	f.set(v1alpha1.ConditionReconciling, f.reconciling(succeeded))
	f.set(v1alpha1.ConditionStalled, f.stalled(succeeded))
	status.Reason = f.why(succeeded)
	f.summarize()
}

// set gives a condition its value; nil takes it away.
func (f Input) set(conditionType string, v *Value) {
	if v == nil {
		meta.RemoveStatusCondition(&f.Object.Status.Conditions, conditionType)
		return
	}
	meta.SetStatusCondition(&f.Object.Status.Conditions, metav1.Condition{
		Type: conditionType, Status: v.status, Reason: v.reason, Message: v.message,
		ObservedGeneration: f.Object.Generation, LastTransitionTime: *run.Stamp(f.Now),
	})
}

// succeeded is the run as one word.
func (f Input) succeeded() Value {
	status := &f.Object.Status
	switch {
	case f.Phase == run.Planning:
		return f.planning()
	case run.IsOver(status):
		return f.outcome()
	case f.Phase == run.Suspended:
		return f.suspended()
	case f.Phase == run.Pending || f.Phase == run.Waiting:
		return f.notBegun()
	case f.Phase == run.Active:
		return f.running()
	case !run.IsRestored(status):
		return Value{unknown, v1alpha1.StateRestoring, f.because(f.withTrouble(f.remaining()))}
	case f.Phase == run.Deleting:
		return Value{unknown, v1alpha1.StateRestoring, f.withTrouble("the object is being deleted, and no rule of the run is left")}
	case run.IsVerifying(status):
		return Value{unknown, v1alpha1.StateVerifying, f.because(f.withTrouble(f.verifying()))}
	default:
		message := "the rules are gone; waiting for a second poll of the agents"
		if agents := status.Agents; agents != nil && agents.ReconnectedTime != nil {
			message = "the rules are gone and the agents are connected again"
		} else if away := run.StillDisconnected(status.Agents); len(away) > 0 {
			message = fmt.Sprintf("the rules are gone; waiting for %s to be connected again", problem.Plural(len(away), "agent", "agents"))
		}
		return Value{unknown, v1alpha1.StateRecovering, f.because(f.withTrouble(message))}
	}
}

// remaining says what of the run is left to undo.
func (f Input) remaining() string {
	status := &f.Object.Status
	if acl := status.NetworkACL; acl != nil && !run.HasCloneLeft(acl) && len(status.Rules) == 0 && run.IsArmed(status) {
		return fmt.Sprintf("the rules are gone; the schedules of the dead man's switch are still to be deleted from group %s", acl.DeadManSwitch.ScheduleGroup)
	}

	if acl := status.NetworkACL; acl != nil && run.HasCloneLeft(acl) {
		return fmt.Sprintf("clone %s of network ACL %s is still to be removed", aclID(status), acl.OriginalID)
	}

	left := slices.DeleteFunc(slices.Clone(status.Rules), func(l v1alpha1.Rule) bool { return l.State == v1alpha1.RuleReleased })
	if len(left) == 0 && len(status.Rules) > 0 {
		return fmt.Sprintf("the rules are gone; the tags that name them are still to be removed from network ACL %s", aclID(status))
	}
	return fmt.Sprintf("%s still to be removed from network ACL %s", problem.Plural(len(left), "rule", "rules"), aclID(status))
}

func (f Input) planning() Value {
	switch {
	case run.IsPlanned(f.Object):
		return planVerdict(f.Object.Status.Plan)
	case f.Problem != nil && f.Problem.Stalled:
		return Value{unknown, v1alpha1.StateRefused, f.Problem.Message}
	default:
		return Value{unknown, v1alpha1.StateDiscovering, f.withTrouble("determining what a run would do")}
	}
}

// suspended is a run that spec.suspend holds up, before its start or after it.
func (f Input) suspended() Value {
	status := &f.Object.Status
	switch {
	case status.StartTime == nil:
		return Value{unknown, v1alpha1.StateSuspended, fmt.Sprintf("spec.suspend is true: the run has not begun, and holds no network ACL; if it has not begun by %s, it does not start", run.StartDeadline(f.Object).UTC().Format(time.RFC3339))}
	case !run.IsLifted(status):
		return Value{unknown, v1alpha1.StateRestoring, f.withTrouble("spec.suspend is true: the rules are being lifted from network ACL " + aclID(status))}
	}
	return Value{unknown, v1alpha1.StateSuspended, f.withTrouble(fmt.Sprintf("spec.suspend is true: the rules are lifted; the run still ends at %s", run.Expiration(status).UTC().Format(time.RFC3339)))}
}

func (f Input) notBegun() Value {
	switch {
	case f.Phase == run.Waiting:
		return Value{unknown, v1alpha1.StateWaiting, fmt.Sprintf("the run begins at %s at the earliest; discovery begins %s before", f.Object.Spec.StartAfter.UTC().Format(time.RFC3339), problem.Minutes(run.WarmUp))}
	case f.Problem == nil:
		return Value{unknown, v1alpha1.StateDiscovering, "looking for endpoints, and for agents that are connected on two polls in a row"}
	case f.Problem.Stalled:
		return Value{unknown, v1alpha1.StateRefused, f.Problem.Message}
	default:
		return Value{unknown, v1alpha1.StateWaiting, f.Problem.Message}
	}
}

func (f Input) running() Value {
	installed := f.rulesInstalled()
	state, message := v1alpha1.StateInstalling, installed.message
	if installed.status == yes || installed.reason == notObserved && f.lastReadBlocking() {
		state = v1alpha1.StateBlocking
	}

	if installed.status != unknown { // then it has the problem already
		message = f.withTrouble(message)
	}

	for _, more := range []string{f.suspicions(), f.Follows, f.window(state), ShortDuration(f.Object), f.changedSpec()} {
		if more != "" {
			message += "; " + more
		}
	}
	return Value{unknown, state, message}
}

func (f Input) endpointsDiscovered() Value {
	endpoints := f.Object.Status.Endpoints
	if plan := f.Object.Status.Plan; f.Phase == run.Planning && plan != nil {
		endpoints = plan.Endpoints
	}

	switch host := run.UnresolvedHost(endpoints); {
	case f.Problem != nil && (f.Problem.Reason == v1alpha1.ReasonHostNotResolved || f.Problem.Reason == v1alpha1.ReasonInvalidEndpoint || f.Problem.Reason == v1alpha1.ReasonTooManyEndpoints):
		return Value{no, f.Problem.Reason, f.Problem.Message}
	case len(endpoints) == 0:
		return Value{unknown, "NotDiscovered", "ECS has not been asked yet for the endpoints of the agents"}
	case host != "":
		return Value{unknown, "NotLookedUp", host + " has not been looked up yet"}
	case f.lookingUp() && !f.HostsSeen.Fresh(f.Now):
		return f.unobserved(f.HostsSeen, "the hosts were last looked up with an answer at %s", "the hosts have not been looked up")
	case f.lookingUp() && len(f.Unsettled)+len(f.Failing)+len(f.Unasked) > 0:
		return Value{yes, "Discovered", DescribeEndpoints(endpoints) + f.mayGrow() + f.andMismatch()}
	case f.lookingUp():
		return Value{yes, "Settled", fmt.Sprintf("%s; lookups found no other address for %s", DescribeEndpoints(endpoints), problem.Minutes(discovery.SettledAfter)) + f.andMismatch()}
	default:
		return Value{yes, "Discovered", DescribeEndpoints(endpoints)}
	}
}

// lookingUp reports whether the hosts are looked up again and again.
func (f Input) lookingUp() bool { return f.Phase == run.Pending || f.Phase == run.Active }

func (f Input) rulesInstalled() Value {
	status := &f.Object.Status
	switch {
	case status.StartTime == nil && !run.TouchedAWS(status), run.IsMissed(status) && run.IsRestored(status):
		return Value{no, "NotStarted", "the run has not begun"}
	case f.Phase == run.Suspended && run.IsLifted(status):
		return Value{no, "Suspended", "the rules are lifted while spec.suspend is true"}
	case f.Phase != run.Active && run.IsRestored(status):
		return Value{no, "Removed", "no rule of this run is left"}
	case f.Phase != run.Active:
		return Value{no, "Restoring", f.remaining()}
	case run.IsCloned(status) && status.NetworkACL.State != v1alpha1.CloneServing:
		return Value{no, "Cloning", fmt.Sprintf("clone %s of network ACL %s does not serve the subnet yet", aclID(status), status.NetworkACL.OriginalID)}
	case f.ACLSeen.At.IsZero():
		return Value{unknown, "NotRead", f.withTrouble(fmt.Sprintf("network ACL %s has not been read since the rules were installed or the manager started", aclID(status)))}
	case !f.ACLSeen.Fresh(f.Now):
		return f.unobserved(f.ACLSeen, "network ACL "+aclID(status)+" was last read at %s", "")
	case len(run.Desired(f.Object)) == 0:
		return Value{no, "Incomplete", "status.endpoints has no address left to deny" + describeExempt(status.Exemptions)}
	case f.Elsewhere != "":
		return Value{no, "SubnetElsewhere", f.Elsewhere}
	case len(f.Open) > 0:
		return Value{no, "Incomplete", fmt.Sprintf("network ACL %s does not deny %s, as last read", aclID(status), problem.List(f.Open))}
	case f.Own == 0:
		return Value{no, "DeniedByOthers", fmt.Sprintf("network ACL %s%s denies %s by %s of a third party, and none by a rule of this run",
			aclID(status), f.howUsed(), DescribeEndpoints(status.Endpoints), problem.Plural(f.Foreign, "entry", "entries"))}
	default:
		return Value{yes, "Installed", fmt.Sprintf("network ACL %s%s denies %s by %s, as read back", aclID(status), f.howUsed(), describeDenied(status), f.byRules()) + describeExempt(status.Exemptions)}
	}
}

// reconciling is there while the run moves on by itself.
func (f Input) reconciling(succeeded Value) *Value {
	switch succeeded.reason {
	case v1alpha1.StateDiscovering, v1alpha1.StateInstalling, v1alpha1.StateRestoring, v1alpha1.StateRecovering, v1alpha1.StateVerifying:
		if f.stalled(succeeded) == nil {
			return &Value{yes, succeeded.reason, succeeded.message}
		}
	}
	return nil
}

// stalled is there while a person must act, and after a run that failed. Its message names the page
// that says what to do.
func (f Input) stalled(succeeded Value) *Value {
	switch {
	case succeeded.status == no:
		return &Value{yes, succeeded.reason, pages.Link(succeeded.message, pages.State(succeeded.reason))}
	case succeeded.status == unknown && f.Problem != nil && f.Problem.Stalled:
		return &Value{yes, f.Problem.Reason, pages.Link(f.Problem.Message, pages.Stalled(f.Problem.Reason))}
	}
	return nil
}
