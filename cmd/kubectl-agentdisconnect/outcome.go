// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
	"agentdisconnect.dev/agentdisconnect/controllers/pages"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

const outcomeCodes = `Exit codes:
  0    the run completed; with mode Plan: a run would start
  1    the run failed, was ended early, missed its start deadline, or was deleted; or an error
  2    refused: a person must change something before the run can begin (with mode Plan: a run
       would not start), or the command line or the manifest is wrong
  3    --timeout is over; the run goes on
  130  Ctrl-C, or SIGTERM: the command stopped following, and the run goes on`

// conclude turns the ending into the command's result: nil, or an error with its exit code and the
// words for it.
func (f *follower) conclude(end ending) error {
	switch {
	case end == endedGone && f.deleted:
		return &exit{code: exitFailed, err: fmt.Errorf("the run was ended on request: %s", f.gone())}
	case end == endedGone:
		return &exit{code: exitFailed, err: fmt.Errorf("the object was deleted before its run was over (last state: %s): %s", stateOf(f.obj), f.gone())}
	case end == endedTimeout:
		return &exit{code: exitTimeout, err: fmt.Errorf("%s is not over after %s (state: %s). %s", f.name(), f.timeout, stateOf(f.obj), f.goesOn())}
	case end == endedLeft:
		return &exit{code: exitInterrupted, err: fmt.Errorf("stopped following %s (state: %s). %s", f.name(), stateOf(f.obj), f.goesOn())}
	}
	return verdictError(f.obj)
}

// verdictError is nil for a run that succeeded.
func verdictError(obj *v1alpha1.AgentDisconnect) error {
	name, v := named(obj.Namespace, obj.Name), view.Judge(obj)
	switch v.Outcome {
	case view.Failed:
		return &exit{code: exitFailed, err: fmt.Errorf("the run of %s failed: %s: %s. See %s", name, v.Reason, v.Message, pages.State(v.Reason))}
	case view.Refused:
		page := pages.Stalled(v.Reason)
		if view.IsOver(obj) {
			page = pages.State(v.Reason)
		}
		return &exit{code: exitRefused, err: fmt.Errorf("%s is refused: %s: %s (see %s). %s", name, v.Reason, v.Message, page, refusedUntil(obj))}
	}
	return nil
}

// refusedUntil says what becomes of an object that was refused.
func refusedUntil(obj *v1alpha1.AgentDisconnect) string {
	switch {
	case view.IsOver(obj):
		return "A plan is made once for each change of the spec"
	case obj.Spec.Mode == v1alpha1.ModePlan:
		return "The plan is made once that is solved"
	default:
		return fmt.Sprintf("Nothing was written to AWS. The object stays, and the run begins by itself once that is solved, until %s. To give it up: %s",
			run.StartDeadline(obj).UTC().Format(time.RFC3339), stopCommand(obj))
	}
}

// goesOn says how to come back to a run that goes on without the command.
func (f *follower) goesOn() string {
	if f.deleted || !f.obj.DeletionTimestamp.IsZero() {
		return "The manager goes on removing what the run made"
	}
	return fmt.Sprintf("The run goes on. Follow it: kubectl agentdisconnect wait %s --namespace %s. End it: %s", f.obj.Name, f.obj.Namespace, stopCommand(f.obj))
}

func stopCommand(obj metav1.Object) string {
	return fmt.Sprintf("kubectl agentdisconnect stop %s --namespace %s", obj.GetName(), obj.GetNamespace())
}

// gone says what is known of AWS once the object is gone. Its finalizer may have been removed by
// hand.
func (f *follower) gone() string {
	switch status := &f.obj.Status; {
	case !run.IsRestored(status):
		return fmt.Sprintf("%s is gone. A manager lets an object go only once nothing of its run is left in AWS; kubectl agentdisconnect sweep --uid %s shows whether that is so", f.name(), f.obj.UID)
	case status.StartTime == nil:
		return f.name() + " is gone, and its run had not begun"
	default:
		return f.name() + " is gone; by its last status, nothing of the run is left in AWS"
	}
}

func (f *follower) name() string { return named(f.obj.Namespace, f.obj.Name) }

// stateOf is the state as last seen.
func stateOf(obj *v1alpha1.AgentDisconnect) string {
	for _, c := range obj.Status.Conditions {
		if c.Type == v1alpha1.ConditionSucceeded {
			return c.Reason
		}
	}
	return "not processed by the manager yet"
}

// ended reports whether a run is decided, for those who wait for it.
func ended(obj *v1alpha1.AgentDisconnect) bool { return view.Judge(obj).Outcome != view.Undecided }
