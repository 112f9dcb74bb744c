// SPDX-License-Identifier: Apache-2.0

package gauges

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

var at, begun = runtest.At, runtest.Begun

// object is one of the API server, made when the run began.
func object(status v1alpha1.AgentDisconnectStatus, change ...func(*v1alpha1.AgentDisconnect)) v1alpha1.AgentDisconnect {
	obj := v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: *at(0)}, Status: status}
	for _, c := range change {
		c(&obj)
	}
	return obj
}

func deletedAt(minute float64) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.DeletionTimestamp = at(minute) }
}

func TestPastEndOfOneRun(t *testing.T) {
	type status = v1alpha1.AgentDisconnectStatus
	ruled := func(s *status) {
		s.Rules = []v1alpha1.Rule{{NetworkACLID: runtest.ACL, RuleNumber: 80, CIDR: "192.0.2.1/32", State: v1alpha1.RuleInstalled}}
	}
	abortedAt := func(minute float64) func(*status) {
		return func(s *status) { s.Abort = &v1alpha1.Abort{Reason: "Some", Time: *at(minute)} }
	}
	restored := func(s *status) { s.RestoredTime, s.Rules = at(11), nil }
	completed := func(s *status) { s.CompletionTime = at(3) }
	clone := func(state v1alpha1.CloneState) func(*status) {
		return func(s *status) {
			s.NetworkACL = &v1alpha1.NetworkACL{ID: runtest.ACL, Mode: v1alpha1.NetworkACLModeClone, State: state}
		}
	}
	timeless := func(s *status) { s.StartTime, s.ExpirationTime = nil, nil }
	const s = time.Second
	for name, tc := range map[string]struct {
		obj  v1alpha1.AgentDisconnect
		now  float64 // minutes; the run ends at 10
		want time.Duration
	}{
		"not begun":                      {object(status{}), 500, 0},
		"not begun, deleted":             {object(status{}, deletedAt(1)), 500, 0},
		"missed":                         {object(status{Abort: &v1alpha1.Abort{Time: *at(60)}, RestoredTime: at(60), CompletionTime: at(60)}), 500, 0},
		"on":                             {object(begun(ruled)), 5, 0},
		"at its end":                     {object(begun(ruled)), 10, 0},
		"a second later":                 {object(begun(ruled)), 10 + 1./60, s},
		"an hour later":                  {object(begun(ruled)), 70, time.Hour},
		"restored":                       {object(begun(restored)), 70, 0},
		"begun, and no rule written yet": {object(begun()), 11, time.Minute},
		"aborted before its end":         {object(begun(ruled, abortedAt(4))), 5, time.Minute},
		"aborted, restored":              {object(begun(abortedAt(4), restored)), 70, 0},
		"aborted after its end":          {object(begun(ruled, abortedAt(12))), 13, 3 * time.Minute},
		"deleted":                        {object(begun(ruled), deletedAt(2)), 5, 3 * time.Minute},
		"deleted, restored":              {object(begun(restored), deletedAt(2)), 5, 0},
		"deleted after its abort":        {object(begun(ruled, abortedAt(1)), deletedAt(2)), 5, 4 * time.Minute},
		"a clone that serves":            {object(begun(clone(v1alpha1.CloneServing))), 12, 2 * time.Minute},
		"a clone that was left":          {object(begun(clone(v1alpha1.CloneAdopted), restored)), 12, 0},
		"schedules of the dead man's switch": {object(begun(restored, func(s *status) {
			s.NetworkACL = &v1alpha1.NetworkACL{DeadManSwitch: &v1alpha1.DeadManSwitch{ScheduleGroup: "group", RuleNumbers: []int32{80}}}
		})), 12, 2 * time.Minute},
		"said to be complete, with rules": {object(begun(ruled, completed)), 4, time.Minute},
		"its end edited away":             {object(begun(ruled, func(s *status) { s.ExpirationTime = nil })), 1, time.Minute},
		"all its times edited away":       {object(begun(ruled, timeless)), 7, 7 * time.Minute},
		"a clock that is behind":          {object(begun(ruled)), -5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(pastEnd([]objects.Object{objects.Of(&tc.obj)}, at(tc.now).Time)).To(BeNumerically("~", tc.want, time.Millisecond))
		})
	}
}

func TestPastEndIsThatOfTheMostOverdueRun(t *testing.T) {
	g := NewWithT(t)
	ruled := func(end float64) objects.Object {
		obj := object(begun())
		obj.Status.ExpirationTime = at(end)
		return objects.Of(&obj)
	}
	none := object(v1alpha1.AgentDisconnectStatus{})
	all := []objects.Object{ruled(30), ruled(3), ruled(20), objects.Of(&none)}
	g.Expect(pastEnd(nil, at(25).Time)).To(BeZero())
	g.Expect(pastEnd(all, at(2).Time)).To(BeZero())
	g.Expect(pastEnd(all, at(25).Time)).To(Equal(22 * time.Minute))
}

// stock is what a cache answers.
type stock struct {
	client.Reader
	items []v1alpha1.AgentDisconnect
	err   error
}

// List implements client.Reader.
func (s *stock) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if s.err == nil {
		for i := range s.items {
			list.(*objects.List).Items = append(list.(*objects.List).Items, objects.Of(&s.items[i]))
		}
	}
	return s.err
}

func TestTheGaugesAreWorkedOutAtEachScrape(t *testing.T) {
	g := NewWithT(t)
	gauges := newCollector()
	registry := prometheus.NewPedanticRegistry()
	g.Expect(registry.Register(gauges)).To(Succeed())
	// scrape gives a sample for each gauge and state.
	scrape := func() map[string]float64 {
		families, err := registry.Gather()
		g.Expect(err).NotTo(HaveOccurred(), "an error would take all other metrics with it")
		values := map[string]float64{}
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				name := family.GetName()
				for _, label := range metric.GetLabel() {
					name += " " + label.GetName() + "=" + label.GetValue()
				}
				values[name] = metric.GetGauge().GetValue()
			}
		}
		return values
	}
	g.Expect(scrape()).To(BeEmpty(), "no manager yet")

	const late, objects = "agentdisconnect_rules_past_end_seconds", "agentdisconnect_objects state="
	blocking := object(begun(func(s *v1alpha1.AgentDisconnectStatus) { s.State = v1alpha1.StateBlocking }))
	clock, cache := clocktesting.NewFakeClock(at(9).Time), &stock{items: []v1alpha1.AgentDisconnect{blocking, blocking, object(v1alpha1.AgentDisconnectStatus{})}}
	gauges.Watch(cache, clock)
	g.Expect(scrape()).To(Equal(map[string]float64{late: 0, objects + v1alpha1.StateBlocking: 2, objects: 1}))
	clock.SetTime(at(10.5).Time)
	g.Expect(scrape()).To(HaveKeyWithValue(late, 30.))
	clock.SetTime(at(12).Time)
	g.Expect(scrape()).To(HaveKeyWithValue(late, 120.))

	cache.err = errors.New("the cache is not started")
	g.Expect(scrape()).To(BeEmpty(), "nothing is known, which is not 0")
	cache.items, cache.err = nil, nil
	g.Expect(scrape()).To(Equal(map[string]float64{late: 0}))
}
