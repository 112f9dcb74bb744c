// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

const (
	// patience is how long a manager that works may take to look at a new object.
	patience = 30 * time.Second
	// overdueAfter is how long after the end of a run its rules may be there without a word. The
	// manager takes seconds.
	overdueAfter = time.Minute
)

// Labels of lines that a verdict repeats.
const (
	LabelState   = "State"
	LabelProblem = "Problem"
)

// Line is one line of the view.
type Line struct {
	// Label names what the line is about, and is the same for the whole run.
	Label string
	// Text is what a screen shows, which may change each second; empty: nothing.
	Text string
	// Log is what a log hears whenever it changes; empty: nothing.
	Log string
	// Bar is how much of a whole the text speaks of; nil: there is no bar.
	Bar  *Bar
	Tone Tone
	// Wrapped says that a text which doesn't fit goes on in further lines, rather than being cut.
	Wrapped bool
}

// Bar is a part of a whole.
type Bar struct{ Part, Whole int64 }

// parts are what the view shows, from top to bottom.
var parts = []func(*v1alpha1.AgentDisconnect, time.Time) Line{state, rules, agents, probe, callers, end, problem, hint}

// Lines is what there is to see of an object at a time.
func Lines(obj *v1alpha1.AgentDisconnect, now time.Time) []Line {
	var lines []Line
	for _, part := range parts {
		if line := part(obj, now); line.Text != "" || line.Log != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// Changes is what a log hears of lines after it heard of those before. The state, and with it the
// verdict, comes last.
func Changes(before, after []Line) []string {
	after = slices.Clone(after)
	slices.SortStableFunc(after, func(a, b Line) int { return cmp.Compare(rank(a), rank(b)) })
	var changes []string
	for _, line := range after {
		heard := slices.ContainsFunc(before, func(b Line) bool { return b.Label == line.Label && b.Log == line.Log })
		if line.Log != "" && !heard {
			changes = append(changes, line.Log)
		}
	}
	return changes
}

func rank(line Line) int {
	if line.Label == LabelState {
		return 1
	}
	return 0
}

// state is the run as one word. The log has the message of the condition beside it.
func state(obj *v1alpha1.AgentDisconnect, _ time.Time) Line {
	c := succeeded(obj)
	if c == nil {
		return Line{Label: LabelState, Text: "not processed by the manager yet"}
	}

	line := Line{Label: LabelState, Text: c.Reason, Log: c.Reason + ": " + c.Message, Tone: toneOf(obj)}
	if until := run.VerifyDeadline(&obj.Status); c.Reason == v1alpha1.StateVerifying && !until.IsZero() {
		line.Log = "Verifying until " + stamp(until) + " at the latest" // its message has the time of each read
	}
	switch {
	case !obj.DeletionTimestamp.IsZero():
		line.Text += "; the object is being deleted"
	case c.ObservedGeneration < obj.Generation, isOfEarlierRun(obj):
		line.Text += ", of the spec as it was before"
	}
	return line
}

func toneOf(obj *v1alpha1.AgentDisconnect) Tone {
	switch c := succeeded(obj); {
	case stalled(obj) != nil:
		return Bad
	case c.Status == metav1.ConditionTrue:
		return Good
	default:
		return Bold
	}
}

// rules counts the lines of the ledger. Only the condition says if they were read back.
func rules(obj *v1alpha1.AgentDisconnect, _ time.Time) Line {
	status := &obj.Status
	if status.StartTime == nil && len(status.Rules) == 0 {
		return Line{}
	}

	left, installed := 0, 0
	for _, rule := range status.Rules {
		if rule.State != v1alpha1.RuleReleased {
			left++
		}
		if rule.State == v1alpha1.RuleInstalled {
			installed++
		}
	}

	c := ptr.Deref(meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionRulesInstalled), metav1.Condition{})
	var text string
	switch {
	case c.Reason == "Removed" || c.Reason == "Suspended", left == 0 && (status.RestoredTime != nil || c.Reason == "Restoring"):
		text = "none in place"
	case left == 0:
		text = "none yet"
	case c.Reason == "Restoring":
		text = fmt.Sprintf("%d to be removed", left)
	case c.Status == metav1.ConditionTrue:
		text = fmt.Sprintf("%d of %d installed, as read back", installed, left)
	case c.Status == metav1.ConditionUnknown:
		text = fmt.Sprintf("%d of %d installed, not read back lately", installed, left)
	default:
		text = fmt.Sprintf("%d of %d installed, not in force yet", installed, left)
	}

	line := Line{Label: "Rules", Text: text, Log: "Rules: " + text} // the messages name the network ACL
	if acl := status.NetworkACL; acl != nil && acl.ID != "" && left > 0 {
		line.Text += fmt.Sprintf(", on %s (%s)", acl.ID, acl.Mode)
	}
	return line
}

// agents counts those that the run tracks. Where ECS reported nothing lately, there is no number.
func agents(obj *v1alpha1.AgentDisconnect, _ time.Time) Line {
	status := obj.Status.Agents
	if status == nil || status.Total == nil {
		return Line{}
	}

	total := *status.Total
	if status.Disconnected == nil {
		text := fmt.Sprintf("unknown how many of %d are disconnected: ECS reported nothing lately", total)
		return Line{Label: "Agents", Text: text, Log: "Agents: " + text}
	}
	text := fmt.Sprintf("%d of %d disconnected", *status.Disconnected, total)
	line := Line{Label: "Agents", Text: text, Log: "Agents: " + text, Bar: &Bar{Part: int64(*status.Disconnected), Whole: int64(total)}}
	// Only from then on RunTask is known to meet them: it is what callers wait for.
	if c := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionAgentsDisconnected); c != nil && c.Status == metav1.ConditionTrue {
		line.Log, line.Tone = c.Type+": "+c.Message, Good
	}
	return line
}

// end counts down to the expiration, or to the start of a run that has to wait for its time.
func end(obj *v1alpha1.AgentDisconnect, now time.Time) Line {
	status := &obj.Status
	if status.CompletionTime != nil {
		return Line{}
	}

	if status.ExpirationTime == nil {
		if after := obj.Spec.StartAfter; after != nil && now.Before(after.Time) {
			return Line{Label: "Start", Text: fmt.Sprintf("in %s, at %s", seconds(after.Sub(now)), clock(after.Time)), Log: "Starts at " + stamp(after.Time) + " at the earliest"}
		}
		return Line{}
	}

	if status.RestoredTime != nil {
		return wait(status, now)
	}

	at := status.ExpirationTime.Time
	line := Line{Label: "End", Log: "Ends at " + stamp(at)}
	if left := at.Sub(now); left > 0 {
		line.Text = fmt.Sprintf("in %s, at %s", seconds(left), clock(at))
		if status.StartTime != nil {
			whole := at.Sub(status.StartTime.Time)
			line.Bar = &Bar{Part: int64(min(whole-left, whole)), Whole: int64(whole)}
		}
		return line
	}
	line.Text = fmt.Sprintf("was due %s ago, at %s", seconds(now.Sub(at)), clock(at))
	return line
}

// wait counts down to when a run whose rules are gone no longer waits for its agents, or for
// CloudTrail.
func wait(status *v1alpha1.AgentDisconnectStatus, now time.Time) Line {
	line, from, until := Line{Label: "End"}, status.RestoredTime, run.RecoveryDeadline(status)
	if run.IsVerifying(status) {
		from, until = status.RecoveredTime, run.VerifyDeadline(status)
	}

	left := until.Sub(now)
	if until.IsZero() || left <= 0 {
		return Line{}
	}
	line.Text = fmt.Sprintf("in %s at the latest, at %s", seconds(left), clock(until))
	whole := until.Sub(from.Time)
	line.Bar = &Bar{Part: int64(max(whole-left, 0)), Whole: int64(whole)}
	return line
}

// problem is what a person must act on while the run waits or is on. That of a run that is over is
// its state.
func problem(obj *v1alpha1.AgentDisconnect, _ time.Time) Line {
	s, c := stalled(obj), succeeded(obj)
	if s == nil || c == nil || c.Status != metav1.ConditionUnknown {
		return Line{}
	}

	line := Line{Label: LabelProblem, Text: s.Reason + ": " + s.Message, Tone: Bad, Wrapped: true, Log: "A person must act: " + s.Reason}
	if c.Message == "" || !strings.HasPrefix(s.Message, c.Message) { // else the log has it
		line.Log += ": " + s.Message
	}
	return line
}

// hint says what a missing manager looks like.
func hint(obj *v1alpha1.AgentDisconnect, now time.Time) Line {
	status := &obj.Status
	var text string
	switch {
	case succeeded(obj) == nil && !obj.CreationTimestamp.IsZero() && now.Sub(obj.CreationTimestamp.Time) >= patience:
		text = fmt.Sprintf("No manager has looked at the object for %s. Does one run (kubectl --namespace agentdisconnect-system get pods), and does it watch namespace %s (--watch-namespaces)?", patience, obj.Namespace)
	case status.ExpirationTime != nil && status.RestoredTime == nil && status.CompletionTime == nil && now.Sub(status.ExpirationTime.Time) >= overdueAfter:
		text = fmt.Sprintf("The time is over, and the status does not say that the rules are gone. Does a manager run? Without one, kubectl agentdisconnect sweep --uid %s removes them.", obj.UID)
	default:
		return Line{}
	}
	return Line{Label: "Hint", Text: text, Log: "Hint: " + text, Tone: Marked, Wrapped: true}
}

// seconds is a duration as the view has it.
func seconds(d time.Duration) string { return d.Round(time.Second).String() }

// clock is a time of the day, and stamp one with its day, both in UTC.
func clock(t time.Time) string { return t.UTC().Format("15:04:05Z") }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
