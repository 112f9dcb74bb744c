// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"encoding/json"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// stripped is an AgentDisconnect without what no pass over another object needs.
type stripped = v1alpha1.AgentDisconnect

// Object is what is known of an AgentDisconnect to others than its own pass. Its fields are those of an AgentDisconnect, stripped: see
// strip for those that are always unset. A copy of it is the same object: do not change one that the informer gave.
type Object struct{ *stripped }

// Of strips an object. The original stays as it is.
func Of(obj *v1alpha1.AgentDisconnect) Object {
	kept := *obj
	strip(&kept)
	return Object{&kept}
}

// strip unsets what no reader of the informer asks for. What is left decides phase, owner of a network ACL, priority and gauges as
// the whole object would.
func strip(obj *stripped) {
	obj.ManagedFields, obj.Labels = nil, nil
	// By that one the informer knows that it has all objects: it comes with one that is none.
	initial, complete := obj.Annotations[metav1.InitialEventsAnnotationKey]
	if obj.Annotations = nil; complete {
		obj.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: initial}
	}

	spec := &obj.Spec
	spec.AdditionalEndpoints, spec.Probe, spec.Callers = nil, nil, nil

	status := &obj.Status
	status.Endpoints, status.Exemptions, status.Timeline, status.Callers, status.Agents = nil, nil, nil, nil, nil
	status.Conditions = stalledOf(status.Conditions)
	if plan := status.Plan; plan != nil {
		status.Plan = &v1alpha1.Plan{ObservedGeneration: plan.ObservedGeneration, WouldStart: plan.WouldStart}
	}
	if probe := status.Probe; probe != nil {
		status.Probe = &v1alpha1.ProbeStatus{Tasks: probe.Tasks, Unanswered: probe.Unanswered}
	}
	if with := status.StartedWith; with != nil {
		kept := *with
		kept.AdditionalEndpoints = nil
		status.StartedWith = &kept
	}
}

// stalledOf keeps what a schedule says of a run of its own.
func stalledOf(conditions []metav1.Condition) []metav1.Condition {
	for i := range conditions {
		if conditions[i].Type == v1alpha1.ConditionStalled {
			return []metav1.Condition{conditions[i]}
		}
	}
	return nil
}

// PhaseAt is run.PhaseAt of the object.
func (o *Object) PhaseAt(now time.Time) (run.Phase, time.Time) { return run.PhaseAt(o.stripped, now) }

// UnmarshalJSON strips an object while it is decoded, so that the informer never holds a list of whole ones.
func (o *Object) UnmarshalJSON(data []byte) error {
	o.stripped = &stripped{}
	if err := json.Unmarshal(data, o.stripped); err != nil {
		return err
	}
	strip(o.stripped)
	return nil
}

var errStripped = errors.New("the object is as the informer has it, without most of its status: it is never written")

// MarshalJSON refuses: an encoded Object would be a write that clears what it lacks.
func (o Object) MarshalJSON() ([]byte, error) { return nil, errStripped }

// GetObjectKind implements runtime.Object, also for the zero value, which decoders begin with.
func (o *Object) GetObjectKind() schema.ObjectKind {
	if o.stripped == nil {
		o.stripped = &stripped{}
	}
	return &o.TypeMeta
}

// DeepCopy copies the object.
func (o *Object) DeepCopy() *Object { return &Object{o.stripped.DeepCopy()} }

// DeepCopyInto copies the object into another one.
func (o *Object) DeepCopyInto(out *Object) { *out = *o.DeepCopy() }

// DeepCopyObject implements runtime.Object.
func (o *Object) DeepCopyObject() runtime.Object { return o.DeepCopy() }

// List is a list of them.
type List struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []Object `json:"items"`
}

// DeepCopyObject implements runtime.Object.
func (l *List) DeepCopyObject() runtime.Object {
	out := &List{TypeMeta: l.TypeMeta, ListMeta: *l.ListMeta.DeepCopy()}
	for i := range l.Items {
		out.Items = append(out.Items, *l.Items[i].DeepCopy())
	}
	return out
}

// Scheme is that of a manager's cache. It decodes an AgentDisconnect to an Object, and knows no other type for it: a read of whole
// objects from the cache is an error.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypeWithName(v1alpha1.GroupVersion.WithKind("AgentDisconnect"), &Object{})
	scheme.AddKnownTypeWithName(v1alpha1.GroupVersion.WithKind("AgentDisconnectList"), &List{})
	scheme.AddKnownTypes(v1alpha1.GroupVersion,
		&v1alpha1.AgentDisconnectSchedule{}, &v1alpha1.AgentDisconnectScheduleList{}, &v1alpha1.AgentDisconnectHalt{}, &v1alpha1.AgentDisconnectHaltList{})
	metav1.AddToGroupVersion(scheme, v1alpha1.GroupVersion)
	return scheme
}
