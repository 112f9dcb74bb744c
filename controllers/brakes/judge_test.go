// SPDX-License-Identifier: Apache-2.0

package brakes

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

var here = Place{AccountID: "123456789012", Region: "ap-northeast-1"}

func named(alarms ...string) (conditions []v1alpha1.StopCondition) {
	for _, each := range alarms {
		conditions = append(conditions, v1alpha1.StopCondition{CloudWatchAlarm: each})
	}
	return conditions
}

// reasons are those of errors that were joined.
func reasons(err error) (all []string) {
	if err == nil {
		return nil
	}
	for _, each := range problem.All(err) {
		all = append(all, each.Reason)
	}
	return all
}

func TestAnAlarmIsKnownByItsNameOrItsARN(t *testing.T) {
	g := NewWithT(t)
	const arn = "arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:checkout: all: errors"
	g.Expect(AlarmNames(named("b", arn, "a", "b"))).To(Equal([]string{"a", "b", "checkout: all: errors"}))
	g.Expect(CheckPlace(named("b", arn), here)).To(Succeed())
	g.Expect(CheckPlace(named(arn), Place{Region: here.Region})).To(Succeed(), "an account that is not known is none")
	g.Expect(reasons(CheckPlace(named(arn), Place{here.AccountID, "eu-west-1"}))).To(Equal([]string{v1alpha1.ReasonAlarmNotFound}))
	g.Expect(CheckPlace(named(arn), Place{"210987654321", here.Region})).To(MatchError(ContainSubstring("is in account 123456789012, and the manager's credentials are of account 210987654321")))
}

// Each brake on its own: what a reading says against a start, and whether it ends a run.
func TestWhatAReadingMeans(t *testing.T) {
	wanted := Wanted{Alarms: []string{"a", "b"}, Lever: true}
	ok, released := Alarm{State: "OK"}, &Lever{Status: "disengaged"}
	for name, tc := range map[string]struct {
		reading  Reading
		refusals []string
		stop     string
		missing  string
	}{
		"all released":             {Reading{Alarms: map[string]Alarm{"a": ok, "b": ok}, Lever: released}, nil, "", ""},
		"an alarm without data":    {Reading{Alarms: map[string]Alarm{"a": ok, "b": {State: "INSUFFICIENT_DATA"}}, Lever: released}, nil, "", ""},
		"an alarm in ALARM":        {Reading{Alarms: map[string]Alarm{"a": ok, "b": {State: "ALARM"}}, Lever: released}, []string{"StopConditionMet"}, "StopConditionMet", ""},
		"an alarm missing":         {Reading{Alarms: map[string]Alarm{"a": ok}, Lever: released}, []string{"AlarmNotFound"}, "", "alarm b does not exist in account 123456789012, Region ap-northeast-1 any more"},
		"one missing, one ALARM":   {Reading{Alarms: map[string]Alarm{"b": {State: "ALARM"}}, Lever: released}, []string{"AlarmNotFound", "StopConditionMet"}, "StopConditionMet", "alarm a does not exist in account 123456789012, Region ap-northeast-1 any more"},
		"the lever engaged":        {Reading{Alarms: map[string]Alarm{"a": ok, "b": ok}, Lever: &Lever{Status: "engaged"}}, []string{"SafetyLeverEngaged"}, "SafetyLeverEngaged", ""},
		"the lever being engaged":  {Reading{Alarms: map[string]Alarm{"a": ok, "b": ok}, Lever: &Lever{Status: "engaging"}}, []string{"SafetyLeverEngaged"}, "SafetyLeverEngaged", ""},
		"a lever without a status": {Reading{Alarms: map[string]Alarm{"a": ok, "b": ok}, Lever: &Lever{}}, []string{"SafetyLeverEngaged"}, "SafetyLeverEngaged", ""},
		"nothing read":             {Reading{Err: errors.New("no answer")}, nil, "", "AWS gave no usable answer"},
		"alarms not read, lever on": {
			Reading{Err: errors.New("no answer"), Lever: &Lever{Status: "engaged"}}, []string{"SafetyLeverEngaged"}, "SafetyLeverEngaged", "AWS gave no usable answer"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(reasons(CheckStart(wanted, tc.reading, here))).To(Equal(tc.refusals))
			stop := CheckRunning(wanted, tc.reading, here)
			if tc.stop == "" {
				g.Expect(stop).To(BeNil())
			} else {
				g.Expect(stop).To(HaveField("Reason", tc.stop))
			}
			g.Expect(Missing(wanted, tc.reading, here)).To(ContainSubstring(tc.missing))
			if tc.missing == "" {
				g.Expect(Missing(wanted, tc.reading, here)).To(BeEmpty())
			}
		})
	}
}

func TestARunEndsAMinuteAfterItsBrakesWereFirstNotRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 12, 1, 4, 0, 0, 0, time.UTC)
		age := time.Duration(rapid.Int64Range(0, int64(3*time.Minute)).Draw(t, "age"))
		stop := CheckUnreadable("why", now.Add(-age), now)
		if (stop != nil) != (age >= UnreadableFor) {
			t.Fatalf("after %s: %v", age, stop)
		}
	})
}

// CloudWatch's reasons are up to 1,023 characters, and status.abort.message holds 1,024.
func TestMessagesFitTheStatus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alarm := Alarm{State: "ALARM", Reason: rapid.StringN(0, 1023, -1).Draw(t, "reason")}
		name := rapid.StringN(1, 255, -1).Draw(t, "name")
		stop := CheckRunning(Wanted{Alarms: []string{name}}, Reading{Alarms: map[string]Alarm{name: alarm}}, here)
		if !strings.Contains(stop.Message, name) || utf8.RuneCountInString(stop.Message) > 1024 {
			t.Fatalf("%d characters: %s", utf8.RuneCountInString(stop.Message), stop.Message)
		}
	})
}

// A message that changed with the order of a list would be written again and again.
func TestHaltsAreDescribedTheSameInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begun := time.Date(2026, 12, 1, 4, 0, 0, 0, time.UTC)
		var halts []v1alpha1.AgentDisconnectHalt
		for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,8}`), 1, 5, rapid.ID[string]).Draw(t, "names") {
			made := metav1.NewTime(begun.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "at")) * time.Second))
			halts = append(halts, v1alpha1.AgentDisconnectHalt{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: made}})
		}
		want := StopForHalts(halts)
		if again := StopForHalts(rapid.Permutation(halts).Draw(t, "order")); *again != *want {
			t.Fatalf("%v, not %v", again, want)
		}
		if held := CheckHalts(halts, nil); !strings.HasPrefix(held.Message, want.Message) || !held.Stalled {
			t.Fatalf("%v holds a start back, %v ends a run", held, want)
		}
	})
	g := NewWithT(t)
	g.Expect(StopForHalts(nil)).To(BeNil())
	g.Expect(CheckHalts(nil, nil).AsError()).To(Succeed())
}
