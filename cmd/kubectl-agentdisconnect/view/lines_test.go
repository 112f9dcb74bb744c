// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

// shown are the texts of the lines, each after its label.
func shown(obj *object) []string {
	var texts []string
	for _, line := range view.Lines(obj, now) {
		texts = append(texts, line.Label+" "+line.Text)
	}
	return texts
}

func ledger(states ...v1alpha1.RuleState) change {
	return func(obj *object) {
		obj.Status.Rules = nil
		for _, state := range states {
			obj.Status.Rules = append(obj.Status.Rules, v1alpha1.Rule{State: state})
		}
	}
}

func installed(status metav1.ConditionStatus, reason string) change {
	return func(obj *object) {
		for i := range obj.Status.Conditions {
			if c := &obj.Status.Conditions[i]; c.Type == v1alpha1.ConditionRulesInstalled {
				c.Status, c.Reason = status, reason
			}
		}
	}
}

func TestLinesOfARun(t *testing.T) {
	const onClone = ", on acl-01ab775c2a21943ea (Clone)"
	for name, tc := range map[string]struct {
		obj  *object
		want []string
	}{
		"just created": {fresh(func(obj *object) { obj.CreationTimestamp = *at(-29 * time.Second) }), []string{"State not processed by the manager yet"}},
		"that no manager looks at": {fresh(), []string{"State not processed by the manager yet",
			"Hint No manager has looked at the object for 30s. Does one run (kubectl --namespace agentdisconnect-system get pods), and does it watch namespace chaos (--watch-namespaces)?"}},
		"that is on": {blocking(), []string{"State Blocking", "Rules 6 of 6 installed, as read back" + onClone, "Agents 2 of 3 disconnected", "End in 7m0s, at 10:28:01Z"}},
		"that was edited": {blocking(func(obj *object) { obj.Generation = 2 }),
			[]string{"State Blocking, of the spec as it was before", "Rules 6 of 6 installed, as read back" + onClone, "Agents 2 of 3 disconnected", "End in 7m0s, at 10:28:01Z"}},
		"that was deleted": {blocking(func(obj *object) { obj.DeletionTimestamp = at(0) }),
			[]string{"State Blocking; the object is being deleted", "Rules 6 of 6 installed, as read back" + onClone, "Agents 2 of 3 disconnected", "End in 7m0s, at 10:28:01Z"}},
		"that waits for its time": {fresh(in(unknown, v1alpha1.StateWaiting, "x"), func(obj *object) { obj.Spec.StartAfter = at(90 * time.Second) }), []string{"State Waiting", "Start in 1m30s, at 10:22:31Z"}},
		"of whose agents nothing is known": {blocking(func(obj *object) { obj.Status.Agents.Disconnected = nil }),
			[]string{"State Blocking", "Rules 6 of 6 installed, as read back" + onClone, "Agents unknown how many of 3 are disconnected: ECS reported nothing lately", "End in 7m0s, at 10:28:01Z"}},
		"that is refused": {fresh(in(unknown, v1alpha1.StateRefused, noConsent), isStalled(v1alpha1.ReasonNoConsent, noConsent)), []string{"State Refused", "Problem NoConsent: " + noConsent}},
		"whose end is due": {blocking(func(obj *object) { obj.Status.ExpirationTime = at(-5 * time.Second) }),
			[]string{"State Blocking", "Rules 6 of 6 installed, as read back" + onClone, "Agents 2 of 3 disconnected", "End was due 5s ago, at 10:20:56Z"}},
		"that ended, and no manager says so": {blocking(func(obj *object) { obj.Status.ExpirationTime = at(-time.Minute) }),
			[]string{"State Blocking", "Rules 6 of 6 installed, as read back" + onClone, "Agents 2 of 3 disconnected", "End was due 1m0s ago, at 10:20:01Z",
				"Hint The time is over, and the status does not say that the rules are gone. Does a manager run? Without one, kubectl agentdisconnect sweep --uid 0d1b101a-608d-46f1-90b7-6d1e72c7b23f removes them."}},
		"that completed": {fresh(in(yes, v1alpha1.StateCompleted, "x"), completed), []string{"State Completed", "Rules none in place", "Agents 0 of 2 disconnected"}},
		"that failed":    {fresh(in(no, v1alpha1.AbortDriftDetected, "x"), isStalled(v1alpha1.AbortDriftDetected, "x"), completed), []string{"State DriftDetected", "Rules none in place", "Agents 0 of 2 disconnected"}},
	} {
		t.Run(name, func(t *testing.T) { NewWithT(t).Expect(shown(tc.obj)).To(Equal(tc.want)) })
	}
}

func TestRulesAreWhatTheLedgerAndTheConditionSay(t *testing.T) {
	for name, tc := range map[string]struct {
		obj  *object
		want string
	}{
		"none yet":          {blocking(ledger(), installed(no, "Incomplete")), "Rules none yet"},
		"some":              {blocking(ledger("Installed", "Creating", "Released"), installed(no, "Incomplete")), "Rules 1 of 2 installed, not in force yet, on acl-01ab775c2a21943ea (Clone)"},
		"not looked at":     {blocking(ledger("Installed"), installed(unknown, "NotObserved")), "Rules 1 of 1 installed, not read back lately, on acl-01ab775c2a21943ea (Clone)"},
		"going":             {blocking(ledger("Deleting", "Installed", "Released"), installed(no, "Restoring")), "Rules 2 to be removed, on acl-01ab775c2a21943ea (Clone)"},
		"lifted":            {blocking(ledger(), installed(no, "Suspended")), "Rules none in place"},
		"gone":              {blocking(ledger(), installed(no, "Removed")), "Rules none in place"},
		"lifted on a clone": {blocking(installed(no, "Suspended")), "Rules none in place, on acl-01ab775c2a21943ea (Clone)"},
	} {
		t.Run(name, func(t *testing.T) { NewWithT(t).Expect(shown(tc.obj)).To(ContainElement(tc.want)) })
	}
}

func TestALogHearsEachChangeOnce(t *testing.T) {
	g := NewWithT(t)
	first := view.Lines(blocking(), now)
	g.Expect(view.Changes(nil, first)).To(Equal([]string{
		"Rules: 6 of 6 installed, as read back", "Agents: 2 of 3 disconnected", "Ends at 2026-11-29T10:28:01Z", "Blocking: " + blockingMessage,
	}))
	later := view.Lines(blocking(), now.Add(time.Minute))
	g.Expect(view.Changes(first, later)).To(BeEmpty(), "only the time that is left changed")
	g.Expect(view.Changes(later, view.Lines(blocking(func(obj *object) { obj.Status.Agents.Disconnected = new(int32(3)) }), now))).To(Equal([]string{"Agents: 3 of 3 disconnected"}))

	all := condition(v1alpha1.ConditionAgentsDisconnected, yes, "AllDisconnected", "ECS reports it")
	g.Expect(view.Changes(first, view.Lines(blocking(all), now))).To(Equal([]string{"AgentsDisconnected: ECS reports it"}), "what callers wait for")

	refused := view.Lines(fresh(in(unknown, v1alpha1.StateRefused, noConsent), isStalled(v1alpha1.ReasonNoConsent, noConsent)), now)
	g.Expect(view.Changes(nil, refused)).To(Equal([]string{"A person must act: NoConsent", "Refused: " + noConsent}), "the message is printed once")
	wordless := view.Lines(fresh(in(unknown, v1alpha1.StateRefused, ""), isStalled(v1alpha1.ReasonNoConsent, noConsent)), now)
	g.Expect(view.Changes(nil, wordless)).To(ContainElement("A person must act: NoConsent: " + noConsent))
	stuck := view.Lines(blocking(isStalled(v1alpha1.ReasonAccessDenied, "AWS denies x")), now)
	g.Expect(view.Changes(first, stuck)).To(Equal([]string{"A person must act: AccessDenied: AWS denies x"}))
}

func TestTheProbeIsCountedAndLoggedOnce(t *testing.T) {
	g := NewWithT(t)
	obj := &v1alpha1.AgentDisconnect{}
	obj.Status.Probe = &v1alpha1.ProbeStatus{}
	calls := func() view.Line {
		lines := view.Lines(obj, now)
		i := slices.IndexFunc(lines, func(l view.Line) bool { return l.Label == "RunTask" })
		g.Expect(i).NotTo(Equal(-1))
		return lines[i]
	}
	g.Expect(calls()).To(Equal(view.Line{Label: "RunTask", Text: "not called by the probe yet"}))
	for count := range int32(3) {
		obj.Status.Probe.Outcomes = []v1alpha1.ProbeOutcome{{Reason: v1alpha1.ProbeStarted, Count: 1}, {Reason: v1alpha1.ProbeAgent, Count: count + 1}}
		obj.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionRunTaskFails, Status: metav1.ConditionTrue, Reason: "AGENT", Message: fmt.Sprint(count)}}
		g.Expect(calls()).To(Equal(view.Line{
			Label: "RunTask", Text: fmt.Sprintf("%d of %d calls of the probe failed with AGENT", count+1, count+2), Log: "RunTaskFails: True, AGENT", Tone: view.Good,
		}))
	}
	obj.Status.Probe.Tasks = []v1alpha1.ProbeTask{{ARN: "t"}}
	g.Expect(calls().Text).To(HaveSuffix("; 1 started and not stopped yet"))
}
