// SPDX-License-Identifier: Apache-2.0

package run

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// ChangedFields names the fields of the spec that differ from what the run began with, and that it
// doesn't follow.
func ChangedFields(obj *v1alpha1.AgentDisconnect) []string {
	var changed []string
	if longer(obj) {
		changed = append(changed, "duration (longer than the manager's --max-duration)")
	}

	with := obj.Status.StartedWith
	if with == nil {
		return changed
	}

	spec, now := &obj.Spec, StartedWith(&obj.Spec)
	for _, each := range []struct {
		field string
		same  bool
	}{
		{"mode", spec.Mode != v1alpha1.ModePlan},
		{"sessions", sameSet(WantedSessions(now.Sessions), WantedSessions(with.Sessions))},
		{"networkACLMode", now.NetworkACLMode == with.NetworkACLMode},
		{"otherClusters", now.OtherClusters == with.OtherClusters},
		{"onDrift", now.OnDrift == with.OnDrift},
		{"additionalEndpoints", sameEndpoints(now.AdditionalEndpoints, with.AdditionalEndpoints)},
		{"probe", sameProbe(now.Probe, with.Probe)},
		{"callers", sameCallers(now.Callers, with.Callers)},
		{"stopConditions", sameSet(now.StopConditions, with.StopConditions)},
		{"startAfter", equality.Semantic.DeepEqual(now.StartAfter, with.StartAfter)},
		{"runID", spec.RunID == "" || spec.RunID == obj.Status.RunID},
	} {
		if !each.same {
			changed = append(changed, each.field)
		}
	}
	return changed
}

// longer reports whether the spec asks for a longer run than this one is, after each change that
// the manager follows was followed.
func longer(obj *v1alpha1.AgentDisconnect) bool {
	begun, ends := obj.Status.StartTime, obj.Status.ExpirationTime
	return begun != nil && ends != nil && begun.Add(obj.Spec.Duration.Duration).After(ends.Time)
}

// WantedSessions are the sessions that a list names: an empty one names both.
func WantedSessions(sessions []v1alpha1.Session) []v1alpha1.Session {
	if len(sessions) == 0 {
		return []v1alpha1.Session{v1alpha1.SessionACS, v1alpha1.SessionTCS}
	}
	return sessions
}

func sameEndpoints(a, b *v1alpha1.AdditionalEndpoints) bool {
	if a == nil || b == nil {
		return a == b
	}
	return sameSet(a.Hostnames, b.Hostnames) && sameSet(a.CIDRs, b.CIDRs)
}

func sameProbe(a, b *v1alpha1.Probe) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.TaskDefinition == b.TaskDefinition && ProbeInterval(a) == ProbeInterval(b)
}

func sameCallers(a, b *v1alpha1.Callers) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Require == b.Require && RecoverWithin(a) == RecoverWithin(b)
}

// sameSet reports whether two lists without repetition hold the same, in any order.
func sameSet[T comparable](a, b []T) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x T) bool { return !slices.Contains(b, x) })
}

// StartedWith keeps what of the spec holds for the whole run.
func StartedWith(spec *v1alpha1.AgentDisconnectSpec) *v1alpha1.StartedWith {
	return &v1alpha1.StartedWith{
		Sessions:            slices.Clone(spec.Sessions),
		NetworkACLMode:      spec.NetworkACLMode,
		OtherClusters:       cmp.Or(spec.OtherClusters, v1alpha1.OtherClustersRefuse),
		OnDrift:             cmp.Or(spec.OnDrift, v1alpha1.OnDriftReapply),
		AdditionalEndpoints: spec.AdditionalEndpoints.DeepCopy(),
		Probe:               spec.Probe.DeepCopy(),
		Callers:             spec.Callers.DeepCopy(),
		StopConditions:      slices.Clone(spec.StopConditions),
		StartAfter:          spec.StartAfter.DeepCopy(),
	}
}

// StartSpec is the spec with the fields that the run began with.
func StartSpec(obj *v1alpha1.AgentDisconnect) *v1alpha1.AgentDisconnectSpec {
	spec := obj.Spec.DeepCopy()
	if with := obj.Status.StartedWith; with != nil {
		spec.Sessions, spec.AdditionalEndpoints, spec.OtherClusters = with.Sessions, with.AdditionalEndpoints, with.OtherClusters
	}
	return spec
}

// DeniesTelemetryAlone reports whether the sessions leave ACS out.
func DeniesTelemetryAlone(sessions []v1alpha1.Session) bool {
	return len(sessions) > 0 && !slices.Contains(sessions, v1alpha1.SessionACS)
}

// IsTelemetryRun reports whether the run that the status is about denies TCS alone.
func IsTelemetryRun(status *v1alpha1.AgentDisconnectStatus) bool {
	return status.StartedWith != nil && DeniesTelemetryAlone(status.StartedWith.Sessions)
}
