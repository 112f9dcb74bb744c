// SPDX-License-Identifier: Apache-2.0

package objects_test

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// maybe gives a value or none.
func maybe[T any](t *rapid.T, name string, value *rapid.Generator[T]) *T {
	if !rapid.Bool().Draw(t, "has "+name) {
		return nil
	}
	return new(value.Draw(t, name))
}

// anyObject has each field that a decision may rest on set or unset.
func anyObject(t *rapid.T) *v1alpha1.AgentDisconnect {
	at := rapid.Custom(func(t *rapid.T) metav1.Time {
		return metav1.NewTime(now.Add(time.Duration(rapid.IntRange(-90, 90).Draw(t, "minutes")) * time.Minute))
	})
	obj := &v1alpha1.AgentDisconnect{}
	obj.Namespace, obj.Name, obj.UID, obj.Generation = "team", "cut", "uid", 2
	obj.CreationTimestamp, obj.DeletionTimestamp = at.Draw(t, "created"), maybe(t, "deleted", at)
	obj.Annotations, obj.Labels = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}, map[string]string{"a": "b"}
	if rapid.Bool().Draw(t, "held") {
		obj.Finalizers = []string{v1alpha1.Finalizer}
	}
	spec, status := &obj.Spec, &obj.Status
	spec.SubnetID, spec.RunID = "subnet-1", rapid.SampledFrom([]string{"", "2"}).Draw(t, "runID")
	spec.Mode = rapid.SampledFrom([]v1alpha1.Mode{"", v1alpha1.ModeRun, v1alpha1.ModePlan}).Draw(t, "mode")
	spec.Suspend, spec.StartAfter, spec.StartDeadline = maybe(t, "suspend", rapid.Bool()), maybe(t, "startAfter", at), maybe(t, "startDeadline", at)
	spec.TTLSecondsAfterFinished = maybe(t, "ttl", rapid.Int32Range(0, 7200))

	status.ObservedGeneration = rapid.Int64Range(1, 2).Draw(t, "observed")
	status.StartTime, status.ExpirationTime, status.EnforcedTime = maybe(t, "start", at), maybe(t, "expiration", at), maybe(t, "enforced", at)
	status.RestoredTime, status.RecoveredTime, status.CompletionTime = maybe(t, "restored", at), maybe(t, "recovered", at), maybe(t, "completion", at)
	status.State = rapid.SampledFrom([]string{"", v1alpha1.StateCompleted}).Draw(t, "state")
	if rapid.Bool().Draw(t, "aborted") {
		status.Abort = &v1alpha1.Abort{Reason: "Some", Time: at.Draw(t, "abort")}
	}
	if rapid.Bool().Draw(t, "ruled") {
		status.Rules = []v1alpha1.Rule{{NetworkACLID: "acl-1", RuleNumber: 80, CIDR: "192.0.2.1/32", State: v1alpha1.RuleInstalled}}
	}
	if rapid.Bool().Draw(t, "on an ACL") {
		status.NetworkACL = &v1alpha1.NetworkACL{
			ID: "acl-1", OriginalID: "acl-2", Mode: v1alpha1.NetworkACLModeClone,
			State: rapid.SampledFrom([]v1alpha1.CloneState{"", v1alpha1.CloneServing, v1alpha1.CloneAdopted}).Draw(t, "clone"),
		}
		if rapid.Bool().Draw(t, "armed") {
			status.NetworkACL.DeadManSwitch = &v1alpha1.DeadManSwitch{ScheduleGroup: "group", RuleNumbers: []int32{80}}
		}
	}
	if rapid.Bool().Draw(t, "planned") {
		status.Plan = &v1alpha1.Plan{ObservedGeneration: 2, WouldStart: new(true), Notes: []string{"a note"}}
	}
	if rapid.Bool().Draw(t, "probed") {
		status.Probe = &v1alpha1.ProbeStatus{Unanswered: maybe(t, "unanswered", rapid.Bool()), Outcomes: []v1alpha1.ProbeOutcome{{Reason: "AGENT"}}}
		if rapid.Bool().Draw(t, "task") {
			status.Probe.Tasks = []v1alpha1.ProbeTask{{ARN: "arn", Stopping: maybe(t, "stopping", rapid.Bool())}}
		}
	}
	if rapid.Bool().Draw(t, "startedWith") {
		status.StartedWith = &v1alpha1.StartedWith{Callers: maybe(t, "callers", rapid.Just(v1alpha1.Callers{})), AdditionalEndpoints: &v1alpha1.AdditionalEndpoints{}}
	}
	status.Agents = &v1alpha1.Agents{ContainerInstances: make([]v1alpha1.ContainerInstance, 20)}
	status.Endpoints, status.Timeline = make([]v1alpha1.Endpoint, 3), make([]v1alpha1.TimelineEntry, 8)
	return obj
}

// What is decided of an object must not differ by where it was read.
func TestAStrippedObjectDecidesAsTheWholeOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		obj := anyObject(t)
		before := obj.DeepCopy()
		known := objects.Of(obj)
		g.Expect(obj).To(Equal(before), "the original stays")
		g.Expect(known.Status.Agents).To(BeNil())

		phase, change := known.PhaseAt(now)
		wantPhase, wantChange := run.PhaseAt(obj, now)
		g.Expect(phase).To(Equal(wantPhase))
		g.Expect(change).To(BeTemporally("==", wantChange))
		for what, decide := range map[string]func(*v1alpha1.AgentDisconnectStatus) any{
			"on":         func(s *v1alpha1.AgentDisconnectStatus) any { return run.IsOn(s) },
			"over":       func(s *v1alpha1.AgentDisconnectStatus) any { return run.IsOver(s) },
			"restored":   func(s *v1alpha1.AgentDisconnectStatus) any { return run.IsRestored(s) },
			"verifying":  func(s *v1alpha1.AgentDisconnectStatus) any { return run.IsVerifying(s) },
			"tasks":      func(s *v1alpha1.AgentDisconnectStatus) any { return run.HasTasksToStop(s) },
			"tasks left": func(s *v1alpha1.AgentDisconnectStatus) any { return run.HasTasksLeft(s) },
			"probe":      func(s *v1alpha1.AgentDisconnectStatus) any { return run.HasProbe(s) },
			"touched":    func(s *v1alpha1.AgentDisconnectStatus) any { return run.TouchedAWS(s) },
			"expiration": func(s *v1alpha1.AgentDisconnectStatus) any { return run.Expiration(s) },
		} {
			g.Expect(decide(&known.Status)).To(Equal(decide(&obj.Status)), what)
		}

		if rests, _ := known.Rests(now); rests {
			g.Expect(wantPhase).To(BeElementOf(run.Finished, run.Planning))
			g.Expect(obj.Finalizers).To(BeEmpty())
			g.Expect(obj.Status.ObservedGeneration).To(Equal(obj.Generation))
		}
	})
}

// A field that is new is either kept, or named here: nobody strips one by accident, or keeps a large one.
func TestEachFieldOfTheStatusIsKeptOrStripped(t *testing.T) {
	g := NewWithT(t)
	whole := &v1alpha1.AgentDisconnect{}
	fill(reflect.ValueOf(&whole.Status).Elem())
	whole.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionStalled}}
	known := reflect.ValueOf(objects.Of(whole).Status)
	var gone []string
	for i := range known.NumField() {
		if known.Field(i).IsZero() {
			gone = append(gone, known.Type().Field(i).Name)
		}
	}
	g.Expect(gone).To(ConsistOf("Endpoints", "Exemptions", "Agents", "Callers", "Timeline"))
}

// fill sets each field of a struct to something.
func fill(v reflect.Value) {
	for _, f := range v.Fields() {
		switch f.Kind() {
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.String:
			f.SetString("x")
		case reflect.Int32, reflect.Int64:
			f.SetInt(1)
		}
	}
}

func TestNoObjectIsWritten(t *testing.T) {
	g := NewWithT(t)
	known := objects.Of(&v1alpha1.AgentDisconnect{})
	_, err := json.Marshal(&known)
	g.Expect(err).To(MatchError(ContainSubstring("it is never written")))
	_, err = json.Marshal(objects.List{Items: []objects.Object{known}})
	g.Expect(err).To(MatchError(ContainSubstring("it is never written")))

	scheme := objects.Scheme()
	_, _, err = scheme.ObjectKinds(&v1alpha1.AgentDisconnect{})
	g.Expect(runtime.IsNotRegisteredError(err)).To(BeTrue(), "a read of whole objects from the cache fails")
}

// The informer decodes as client-go does: by the scheme, into a type of its own.
func TestAnObjectIsStrippedWhileItIsDecoded(t *testing.T) {
	g := NewWithT(t)
	decoder := serializer.NewCodecFactory(objects.Scheme()).UniversalDeserializer()
	decoded, _, err := decoder.Decode([]byte(`{"apiVersion":"chaos.agentdisconnect.dev/v1alpha1","kind":"AgentDisconnect",
		"metadata":{"name":"cut","annotations":{"k8s.io/initial-events-end":"true","other":"x"},"managedFields":[{"manager":"x"}]},
		"status":{"state":"Completed","agents":{"total":1}}}`), nil, nil)
	g.Expect(err).NotTo(HaveOccurred())
	known := decoded.(*objects.Object)
	g.Expect(known.Name).To(Equal("cut"))
	g.Expect(known.Status.State).To(Equal(v1alpha1.StateCompleted))
	g.Expect(known.Status.Agents).To(BeNil())
	g.Expect(known.ManagedFields).To(BeNil())
	g.Expect(known.Annotations).To(Equal(map[string]string{"k8s.io/initial-events-end": "true"}), "by which the informer knows that it has all")
	g.Expect(known.DeepCopyObject()).To(Equal(known))
}

// server lists objects in pages, as the API server does.
type server struct {
	client.Reader

	items []v1alpha1.AgentDisconnect
	// selects: its CRD has the field that objects are selected by.
	selects bool
	asked   int
}

func (s *server) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	s.asked++
	o := client.ListOptions{}
	o.ApplyOptions(opts)
	if known, cached := list.(*objects.List); cached {
		for i := range s.items {
			known.Items = append(known.Items, objects.Of(&s.items[i]))
		}
		return nil
	}
	var from int
	for from < len(s.items) && o.Continue != "" && s.items[from].Name != o.Continue {
		from++
	}
	all := list.(*v1alpha1.AgentDisconnectList)
	for _, obj := range s.items[from:] {
		switch {
		case o.FieldSelector != nil && !s.selects:
			return apierrors.NewGenericServerResponse(http.StatusBadRequest, "list", v1alpha1.GroupVersion.WithResource("agentdisconnects").GroupResource(), "", "field label not supported: status.completionTime", 0, false)
		case o.FieldSelector != nil && obj.Status.CompletionTime != nil:
		case int64(len(all.Items)) == o.Limit:
			all.Continue = obj.Name
			return nil
		default:
			all.Items = append(all.Items, obj)
		}
	}
	return nil
}

func TestAReaderListsInPages(t *testing.T) {
	g := NewWithT(t)
	s := &server{selects: true}
	for i := range 1000 {
		obj := v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Name: "o-" + time.Duration(i).String()}}
		if i%2 == 0 {
			obj.Status.CompletionTime = &metav1.Time{Time: now}
		}
		s.items = append(s.items, obj)
	}
	r := objects.NewReader(s)
	g.Expect(r.All(t.Context())).To(HaveLen(1000))
	g.Expect(s.asked).To(Equal(5))
	g.Expect(r.Unfinished(t.Context())).To(HaveLen(500))
	g.Expect(r.Known(t.Context())).To(HaveLen(500), "past the cache, without an informer")

	s.selects = false
	g.Expect(r.Unfinished(t.Context())).To(HaveLen(1000), "with the CRD of an earlier version")

	clock := clocktesting.NewFakePassiveClock(now)
	r.UseInformer(s, clock)
	s.asked = 0
	for range 3 {
		g.Expect(r.Known(t.Context())).To(HaveLen(500))
	}
	g.Expect(s.asked).To(Equal(1), "one look serves all that ask within a second")
	clock.SetTime(now.Add(time.Second))
	s.items = s.items[:100]
	g.Expect(r.Known(t.Context())).To(HaveLen(50))
	g.Expect(r.KnownAll(t.Context())).To(HaveLen(100))
}
