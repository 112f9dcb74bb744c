// SPDX-License-Identifier: Apache-2.0

package run_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

type spec = v1alpha1.AgentDisconnectSpec

// fullSpec is a spec that sets all that a run begins with.
func fullSpec() spec {
	return spec{
		Sessions: []v1alpha1.Session{v1alpha1.SessionTCS}, NetworkACLMode: v1alpha1.NetworkACLModeClone,
		OtherClusters: v1alpha1.OtherClustersAllow, OnDrift: v1alpha1.OnDriftAbort, StartAfter: runtest.At(0),
		Callers:             &v1alpha1.Callers{Require: v1alpha1.RequireRecovery},
		AdditionalEndpoints: &v1alpha1.AdditionalEndpoints{Hostnames: []string{"a.example", "b.example"}, CIDRs: []string{"192.0.2.0/24", "198.51.100.0/24"}},
		RunID:               "one", Duration: metav1.Duration{Duration: 10 * time.Minute}, TTLSecondsAfterFinished: new(int32(60)),
	}
}

// begunWith is an object whose run began with a spec, for 10 minutes.
func begunWith(s spec) *v1alpha1.AgentDisconnect {
	return &v1alpha1.AgentDisconnect{Spec: s, Status: v1alpha1.AgentDisconnectStatus{
		StartTime: runtest.At(0), ExpirationTime: runtest.At(10), RunID: s.RunID, StartedWith: run.StartedWith(&s),
	}}
}

func TestChangesThatTheRunDoesNotFollowAreNamed(t *testing.T) {
	both := []v1alpha1.Session{v1alpha1.SessionACS, v1alpha1.SessionTCS}
	endpoints := func(hostnames, cidrs []string) func(*spec) {
		return func(s *spec) {
			s.AdditionalEndpoints = &v1alpha1.AdditionalEndpoints{Hostnames: hostnames, CIDRs: cidrs}
		}
	}
	hosts, ranges := fullSpec().AdditionalEndpoints.Hostnames, fullSpec().AdditionalEndpoints.CIDRs
	const longer = "duration (longer than the manager's --max-duration)"
	for name, tc := range map[string]struct {
		from   spec
		change func(*spec)
		want   []string
	}{
		"nothing":                    {from: fullSpec()},
		"nothing, of an empty spec":  {},
		"what the run follows":       {from: fullSpec(), change: func(s *spec) { s.Suspend, s.TTLSecondsAfterFinished, s.StartDeadline = new(true), nil, runtest.At(5) }},
		"a shorter run":              {from: fullSpec(), change: func(s *spec) { s.Duration.Duration = time.Minute }},
		"a longer run":               {from: fullSpec(), change: func(s *spec) { s.Duration.Duration += time.Second }, want: []string{longer}},
		"a plan":                     {from: fullSpec(), change: func(s *spec) { s.Mode = v1alpha1.ModePlan }, want: []string{"mode"}},
		"a run by name":              {from: fullSpec(), change: func(s *spec) { s.Mode = v1alpha1.ModeRun }},
		"callers looked at":          {change: func(s *spec) { s.Callers = &v1alpha1.Callers{} }, want: []string{"callers"}},
		"callers not looked at":      {from: fullSpec(), change: func(s *spec) { s.Callers = nil }, want: []string{"callers"}},
		"callers not required":       {from: fullSpec(), change: func(s *spec) { s.Callers = &v1alpha1.Callers{} }, want: []string{"callers"}},
		"the default time, by name":  {from: fullSpec(), change: func(s *spec) { s.Callers.RecoverWithin = &metav1.Duration{Duration: 10 * time.Minute} }},
		"another time for callers":   {from: fullSpec(), change: func(s *spec) { s.Callers.RecoverWithin = &metav1.Duration{Duration: time.Minute} }, want: []string{"callers"}},
		"another session":            {from: fullSpec(), change: func(s *spec) { s.Sessions = []v1alpha1.Session{v1alpha1.SessionACS} }, want: []string{"sessions"}},
		"one more session":           {from: fullSpec(), change: func(s *spec) { s.Sessions = both }, want: []string{"sessions"}},
		"all sessions, by none":      {from: fullSpec(), change: func(s *spec) { s.Sessions = nil }, want: []string{"sessions"}},
		"one session less":           {change: func(s *spec) { s.Sessions = both[:1] }, want: []string{"sessions"}},
		"both sessions by name":      {change: func(s *spec) { s.Sessions = both }},
		"sessions in another order":  {from: spec{Sessions: both}, change: func(s *spec) { s.Sessions = []v1alpha1.Session{both[1], both[0]} }},
		"another networkACLMode":     {from: fullSpec(), change: func(s *spec) { s.NetworkACLMode = v1alpha1.NetworkACLModeInPlace }, want: []string{"networkACLMode"}},
		"no networkACLMode":          {from: fullSpec(), change: func(s *spec) { s.NetworkACLMode = "" }, want: []string{"networkACLMode"}},
		"another otherClusters":      {change: func(s *spec) { s.OtherClusters = v1alpha1.OtherClustersAllow }, want: []string{"otherClusters"}},
		"otherClusters as unset":     {change: func(s *spec) { s.OtherClusters = v1alpha1.OtherClustersRefuse }},
		"another onDrift":            {change: func(s *spec) { s.OnDrift = v1alpha1.OnDriftAbort }, want: []string{"onDrift"}},
		"onDrift as unset":           {change: func(s *spec) { s.OnDrift = v1alpha1.OnDriftReapply }},
		"additionalEndpoints gone":   {from: fullSpec(), change: func(s *spec) { s.AdditionalEndpoints = nil }, want: []string{"additionalEndpoints"}},
		"first additionalEndpoints":  {change: endpoints(hosts, ranges), want: []string{"additionalEndpoints"}},
		"in another order":           {from: fullSpec(), change: endpoints([]string{hosts[1], hosts[0]}, []string{ranges[1], ranges[0]})},
		"another host":               {from: fullSpec(), change: endpoints([]string{hosts[0], "c.example"}, ranges), want: []string{"additionalEndpoints"}},
		"one host less":              {from: fullSpec(), change: endpoints(hosts[:1], ranges), want: []string{"additionalEndpoints"}},
		"one host more":              {from: fullSpec(), change: endpoints(append(hosts[:2:2], "c.example"), ranges), want: []string{"additionalEndpoints"}},
		"another range":              {from: fullSpec(), change: endpoints(hosts, []string{ranges[0], "203.0.113.0/24"}), want: []string{"additionalEndpoints"}},
		"one range less":             {from: fullSpec(), change: endpoints(hosts, ranges[1:]), want: []string{"additionalEndpoints"}},
		"another startAfter":         {from: fullSpec(), change: func(s *spec) { s.StartAfter = runtest.At(1) }, want: []string{"startAfter"}},
		"no startAfter":              {from: fullSpec(), change: func(s *spec) { s.StartAfter = nil }, want: []string{"startAfter"}},
		"startAfter in another zone": {from: fullSpec(), change: func(s *spec) { s.StartAfter = &metav1.Time{Time: runtest.Start.In(time.FixedZone("", 9*3600))} }},
		"another runID":              {from: fullSpec(), change: func(s *spec) { s.RunID = "two" }, want: []string{"runID"}},
		"the first runID":            {change: func(s *spec) { s.RunID = "one" }, want: []string{"runID"}},
		"no runID":                   {from: fullSpec(), change: func(s *spec) { s.RunID = "" }},
		"all, in the order of the spec": {
			change: func(s *spec) { *s = fullSpec(); s.Mode, s.Duration.Duration = v1alpha1.ModePlan, time.Hour },
			want:   []string{longer, "mode", "sessions", "networkACLMode", "otherClusters", "onDrift", "additionalEndpoints", "callers", "startAfter", "runID"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			obj := begunWith(tc.from)
			if tc.change != nil {
				tc.change(&obj.Spec)
			}
			NewWithT(t).Expect(run.ChangedFields(obj)).To(Equal(tc.want))
		})
	}

	for name, tc := range map[string]struct {
		edit func(*v1alpha1.AgentDisconnectStatus)
		want []string
	}{
		"without what the run began with, the duration alone is known": {func(s *v1alpha1.AgentDisconnectStatus) { s.StartedWith = nil }, []string{longer}},
		"before the run began, none":                                   {func(s *v1alpha1.AgentDisconnectStatus) { *s = v1alpha1.AgentDisconnectStatus{} }, nil},
		"without a start, no end is too early":                         {func(s *v1alpha1.AgentDisconnectStatus) { s.StartedWith, s.StartTime = nil, nil }, nil},
		"without an end, none is too early":                            {func(s *v1alpha1.AgentDisconnectStatus) { s.StartedWith, s.ExpirationTime = nil, nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			obj := begunWith(spec{})
			obj.Spec = fullSpec()
			obj.Spec.Mode, obj.Spec.Duration.Duration = v1alpha1.ModePlan, time.Hour
			tc.edit(&obj.Status)
			NewWithT(t).Expect(run.ChangedFields(obj)).To(Equal(tc.want))
		})
	}
}

func TestARunKeepsTheSpecThatItBeganWith(t *testing.T) {
	g := NewWithT(t)
	full := fullSpec()
	with := run.StartedWith(&full)
	full.Sessions[0], full.AdditionalEndpoints.Hostnames[0], full.StartAfter.Time = v1alpha1.SessionACS, "edited.example", runtest.At(99).Time
	full.Callers.Require = ""
	began := fullSpec()
	g.Expect(with).To(Equal(&v1alpha1.StartedWith{
		Sessions: began.Sessions, NetworkACLMode: began.NetworkACLMode, OtherClusters: began.OtherClusters, OnDrift: began.OnDrift,
		AdditionalEndpoints: began.AdditionalEndpoints, StartAfter: began.StartAfter, Callers: began.Callers,
	}), "whatever becomes of the spec")
	g.Expect(run.StartedWith(&spec{})).To(Equal(&v1alpha1.StartedWith{
		OtherClusters: v1alpha1.OtherClustersRefuse, OnDrift: v1alpha1.OnDriftReapply,
	}), "what is unset is kept as what it means, where it means a value")
}

func TestTheStartSpecIsTheSpecAsFarAsTheRunFollowsIt(t *testing.T) {
	g := NewWithT(t)
	obj := begunWith(fullSpec())
	obj.Spec = spec{OtherClusters: v1alpha1.OtherClustersRefuse, Duration: metav1.Duration{Duration: time.Hour}, Suspend: new(true)}
	edited := obj.DeepCopy()
	want, began := edited.Spec, fullSpec()
	want.Sessions, want.AdditionalEndpoints, want.OtherClusters = began.Sessions, began.AdditionalEndpoints, began.OtherClusters
	g.Expect(run.StartSpec(obj)).To(HaveValue(Equal(want)))
	g.Expect(obj).To(Equal(edited), "the object stays as it is")

	obj.Status.StartedWith = nil
	g.Expect(run.StartSpec(obj)).To(HaveValue(Equal(edited.Spec)), "before the run began, all of it")
}

func TestARunDeniesTelemetryAloneWhereItsSessionsLeaveACSOut(t *testing.T) {
	for name, tc := range map[string]struct {
		sessions []v1alpha1.Session
		want     bool
	}{
		"none, which means both": {nil, false},
		"both":                   {[]v1alpha1.Session{v1alpha1.SessionTCS, v1alpha1.SessionACS}, false},
		"ACS":                    {[]v1alpha1.Session{v1alpha1.SessionACS}, false},
		"TCS":                    {[]v1alpha1.Session{v1alpha1.SessionTCS}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(run.DeniesTelemetryAlone(tc.sessions)).To(Equal(tc.want))
			g.Expect(run.IsTelemetryRun(&v1alpha1.AgentDisconnectStatus{StartedWith: &v1alpha1.StartedWith{Sessions: tc.sessions}})).To(Equal(tc.want))
		})
	}
	NewWithT(t).Expect(run.IsTelemetryRun(&v1alpha1.AgentDisconnectStatus{})).To(BeFalse(), "a run that has not begun")
}
