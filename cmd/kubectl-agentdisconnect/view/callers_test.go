// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

const verifyingMessage = "the rules are gone and the agents are connected again; the run looks at its callers until 2026-11-29T10:44:01Z at the latest: CloudTrail was read at 2026-11-29T10:20:01Z"

// watched is a run that looks at its callers, with what CloudTrail shows of them.
func watched(seen *v1alpha1.CallersStatus) change {
	return func(obj *object) {
		obj.Status.EnforcedTime, obj.Status.StartedWith, obj.Status.Callers = at(-19*time.Minute), &v1alpha1.StartedWith{Callers: &v1alpha1.Callers{}}, seen
	}
}

// verifying waits for nothing but its callers, since 12 minutes.
func verifying(seen *v1alpha1.CallersStatus, changes ...change) *object {
	all := []change{in(unknown, v1alpha1.StateVerifying, verifyingMessage), completed, condition(v1alpha1.ConditionRulesInstalled, no, "Removed", ""), watched(seen), func(obj *object) {
		obj.Status.RestoredTime, obj.Status.RecoveredTime, obj.Status.CompletionTime = at(-13*time.Minute), at(-12*time.Minute), nil
		obj.Status.Agents.ReconnectedTime = at(-12 * time.Minute)
	}}
	return fresh(append(all, changes...)...)
}

// over is the same run, when it is over.
func over(obj *object) {
	obj.Status.Conditions = nil
	in(yes, v1alpha1.StateCompleted, "x")(obj)
	condition(v1alpha1.ConditionRulesInstalled, no, "Removed", "")(obj)
	obj.Status.CompletionTime = at(0)
}

// read is what CloudTrail shows until a minute before now.
func read(until time.Duration, change func(*v1alpha1.CallersStatus)) *v1alpha1.CallersStatus {
	seen := &v1alpha1.CallersStatus{ObservedTime: at(-time.Minute), CompleteSince: at(-20 * time.Minute), CompleteUntil: at(until), Calls: 3}
	change(seen)
	return seen
}

func counted(recovered, not, unknown, twice, pending int32) func(*v1alpha1.CallersStatus) {
	return func(c *v1alpha1.CallersStatus) {
		c.Met, c.Recovered, c.NotRecovered, c.NotKnown, c.StartedTwice = recovered+not+unknown, recovered, not, unknown, twice
		if pending > 0 {
			c.Window = &v1alpha1.CallerWindow{Calls: 1, Tasks: pending}
		}
	}
}

func TestCallersInTheView(t *testing.T) {
	unread := &v1alpha1.CallersStatus{Message: "AWS denies the manager's role cloudtrail:LookupEvents"}
	for name, tc := range map[string]struct {
		obj  *object
		text string
		log  string
		tone view.Tone
	}{
		"of a run that does not look at them": {blocking(), "", "", ""},
		"while the run is on":                 {blocking(watched(nil)), "read from CloudTrail once the agents are back", "", ""},
		"not read yet":                        {verifying(nil), "CloudTrail was not read yet", "", ""},
		"that can't be read":                  {verifying(unread), "CloudTrail could not be read: AWS denies the manager's role cloudtrail:LookupEvents", "same", ""},
		"none so far":                         {verifying(read(-16*time.Minute, counted(0, 0, 0, 0, 0))), "none met AGENT so far; known until 10:05:01Z", "none met AGENT so far", ""},
		"one of two":                          {verifying(read(-16*time.Minute, counted(1, 0, 1, 0, 1))), "2 met AGENT: 1 recovered, 1 not known yet; 1 task hung in PENDING; known until 10:05:01Z", "2 met AGENT: 1 recovered, 1 not known yet; 1 task hung in PENDING", ""},
		"one that did not":                    {verifying(read(-5*time.Minute, counted(1, 1, 0, 1, 3))), "2 met AGENT: 1 recovered, 1 did not recover; 1 started twice; 3 tasks hung in PENDING; known until 10:16:01Z", "2 met AGENT: 1 recovered, 1 did not recover; 1 started twice; 3 tasks hung in PENDING", view.Bad},
		"all, for certain":                    {verifying(read(-time.Minute, counted(2, 0, 0, 0, 0)), over), "2 met AGENT: 2 recovered", "same", view.Good},
		"one twice":                           {verifying(read(-time.Minute, counted(1, 0, 0, 1, 0)), over), "1 met AGENT: 1 recovered; 1 started twice", "same", view.Bad},
		"none":                                {verifying(read(-time.Minute, counted(0, 0, 0, 0, 0)), over), "none met AGENT", "same", ""},
		"none, as far as known":               {verifying(read(-16*time.Minute, counted(0, 0, 0, 0, 0)), over), "none met AGENT, as far as CloudTrail is known", "same", ""},
		"one not known to the end":            {verifying(read(-16*time.Minute, counted(1, 0, 1, 0, 0)), over), "2 met AGENT: 1 recovered, 1 not known", "same", ""},
		"all, as far as known":                {verifying(read(-16*time.Minute, counted(1, 0, 0, 0, 0)), over), "1 met AGENT: 1 recovered", "same", ""},
		"that were never read":                {verifying(nil, over), "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got view.Line
			for _, line := range view.Lines(tc.obj, now) {
				if line.Label == "Callers" {
					got = line
				}
			}
			want := strings.Replace(tc.log, "same", tc.text, 1)
			if want != "" {
				want = "Callers: " + want
			}
			g := NewWithT(t)
			g.Expect([]string{got.Text, got.Log, string(got.Tone)}).To(Equal([]string{tc.text, want, string(tc.tone)}))
		})
	}
}

func TestARunWhoseRulesAreGoneCountsDownToItsEnd(t *testing.T) {
	g := NewWithT(t)
	g.Expect(shown(verifying(nil))).To(ContainElement("End in 23m0s at the latest, at 10:44:01Z"))
	recovering := verifying(nil, func(obj *object) { obj.Status.RestoredTime, obj.Status.RecoveredTime = at(-4*time.Minute), nil })
	g.Expect(shown(recovering)).To(ContainElement("End in 6m0s at the latest, at 10:27:01Z"))
	late := verifying(nil, func(obj *object) {
		obj.Status.RecoveredTime, obj.Status.RestoredTime = at(-2*time.Hour), at(-2*time.Hour)
	})
	g.Expect(shown(late)).NotTo(ContainElement(HavePrefix("End ")))
}

func TestALogOfCallersHearsOfEachChangeAndNotOfEachRead(t *testing.T) {
	g := NewWithT(t)
	first := view.Lines(verifying(nil), now)
	g.Expect(view.Changes(nil, first)).To(ContainElement("Verifying until 2026-11-29T10:44:01Z at the latest"))
	one := view.Lines(verifying(read(-16*time.Minute, counted(0, 0, 1, 0, 0))), now)
	g.Expect(view.Changes(first, one)).To(Equal([]string{"Callers: 1 met AGENT: 1 not known yet"}))
	later := view.Lines(verifying(read(-10*time.Minute, counted(0, 0, 1, 0, 0)), func(obj *object) { obj.Status.Conditions[0].Message += ", and again" }), now)
	g.Expect(view.Changes(one, later)).To(BeEmpty())
}

func TestTheBlockOfARunThatVerifies(t *testing.T) {
	const narrow = `
chaos/checkout-agents   subnet-0c2e4a6b8d1f35790 of demo
State    Verifying
Rules    none in place
Agents   0 of 2 disconnected                   ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
Callers  2 met AGENT: 1 recovered, 1 not known yet; 1 task hung in PENDING;
         known until 10:05:01Z
End      in 23m0s at the latest, at 10:44:01Z  ██████████░░░░░░░░░░░░░░░░░░░░
Ctrl-C asks whether to end the run.
`
	wide := strings.Replace(narrow, ";\n         known", "; known", 1)
	for _, tc := range []struct {
		width, height int
		want          string
	}{{80, 24, narrow}, {120, 40, wide}} {
		v, s := newTerminal(tc.width, tc.height)
		draw(s, verifying(read(-16*time.Minute, counted(1, 0, 1, 0, 1))), now)
		NewWithT(t).Expect(strings.Split(v.String(), "\n")).To(Equal(strings.Split(tc.want, "\n")))
	}
}
