// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/pages"
)

// The actions that events name.
const (
	actionRun = "Run"
	// maxNote is what the API server allows an event's note.
	maxNote = 1024
)

// announce says what changed in the pass, after it was written: events for people, a log line, and
// metrics.
func (r *reconciliation) announce(ctx context.Context, before reported) {
	status := r.Status()
	if !before.started && status.StartTime != nil {
		if warning := conditions.ShortDuration(r.Object); warning != "" {
			r.event(corev1.EventTypeWarning, "ShortDuration", warning)
		}
		if counted, uncounted := len(status.Agents.ContainerInstances), int(ptr.Deref(status.Agents.Uncounted, 0)); uncounted > 0 {
			r.event(corev1.EventTypeWarning, "AgentsNotCounted", fmt.Sprintf("%d of %d container instances are tracked: the others were not connected on two polls before the start",
				counted, counted+uncounted))
		}
		for _, note := range r.notes {
			r.event(corev1.EventTypeWarning, "TargetNote", note)
		}
	}

	if !before.disconnected && status.Agents != nil && status.Agents.DisconnectedTime != nil {
		r.event(corev1.EventTypeNormal, "AgentsDisconnected", "ECS reports that all tracked agents are disconnected")
	}

	if note := r.deadManSwitch.Rearmed(); note != "" {
		r.event(corev1.EventTypeWarning, "DeadManSwitchChanged", note)
	}

	if changes := r.enforcement.Readings().CarriedOver; changes != "" {
		r.event(corev1.EventTypeNormal, "OriginalCarriedOver", changes)
	}

	succeeded := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSucceeded)
	said := ""
	if stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled); stalled != nil && stalled.Reason != before.stalled && status.CompletionTime == nil {
		said = stalled.Reason
		r.event(corev1.EventTypeWarning, stalled.Reason, stalled.Message)
	}

	if succeeded == nil || succeeded.Reason == before.state {
		return
	}

	target := ptr.Deref(r.Status().Target, v1alpha1.Target{})
	log.FromContext(ctx).Info("State changed", "state", succeeded.Reason, "before", before.state, "accountID", target.AccountID, "role", target.RoleARN, "message", succeeded.Message)
	if succeeded.Reason != v1alpha1.StateRefused && succeeded.Reason != said { // the Stalled event says it
		kind := corev1.EventTypeNormal
		if succeeded.Status == metav1.ConditionFalse {
			kind = corev1.EventTypeWarning
		}
		r.event(kind, succeeded.Reason, succeeded.Message)
	}

	if status.CompletionTime != nil && r.First.CompletionTime == nil {
		runs.WithLabelValues(succeeded.Reason).Inc()
	}
}

// noteRepair tells at once that rules were restored, and has the timeline list it.
func (r *reconciliation) noteRepair(note string) {
	r.repaired = note
	r.event(corev1.EventTypeWarning, "RulesRepaired", note)
}

func (r *reconciliation) event(kind, reason, note string) {
	r.reconciler.recorder.Eventf(r.Object, nil, kind, reason, actionRun, "%s", pages.Truncate(note, maxNote))
}
