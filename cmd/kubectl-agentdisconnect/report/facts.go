// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fact is a name and what there is to say of it.
type fact struct{ Name, Value string }

// title names the object.
func (d *Document) title() string {
	if d.Namespace == "" {
		return d.Name
	}
	return d.Namespace + "/" + d.Name
}

// begins is when the run began, or else when the first thing of it was seen.
func (d *Document) begins() time.Time {
	switch {
	case d.Times.Started != nil:
		return d.Times.Started.Time
	case len(d.Timeline) > 0:
		return d.Timeline[0].Time.Time
	}
	return d.Time.Time
}

// ends is when the run was over; of one that is not, when the report was made.
func (d *Document) ends() time.Time {
	if d.Verdict.Over && d.Times.Completed != nil {
		return d.Times.Completed.Time
	}
	return d.Time.Time
}

// length is how long the run lasted so far.
func (d *Document) length() time.Duration { return max(d.ends().Sub(d.begins()), 0) }

// facts are what was hit, without what is not known.
func (d *Document) facts() []fact {
	all := []fact{
		{"account", d.Target.AccountID}, {"Region", d.Target.Region}, {"cluster", d.Target.Cluster},
		{"subnet", d.Target.SubnetID}, {"VPC", d.Target.VPCID}, {"network ACL", d.describeACL()},
		{"run", d.RunID}, {"agents", d.describeAgents()}, {"RunTask", d.describeProbe()},
		{"callers", d.Callers.describe()},
	}
	var known []fact
	for _, f := range all {
		if f.Value != "" {
			known = append(known, f)
		}
	}
	return known
}

func (d *Document) describeACL() string {
	switch acl := d.NetworkACL; {
	case acl == nil:
		return ""
	case acl.OriginalID != "":
		return fmt.Sprintf("%s, a clone of %s", or(acl.ID, "(not created)"), acl.OriginalID)
	case acl.Mode == "InPlace":
		return acl.ID + ", in place"
	default:
		return acl.ID
	}
}

func (d *Document) describeAgents() string {
	agents := d.Agents
	if agents == nil {
		return ""
	}
	text := fmt.Sprintf("%d of %d were seen disconnected by the run", agents.Disconnected, agents.Total)
	if agents.Uncounted > 0 {
		text += fmt.Sprintf("; %d more in the subnet are not tracked", agents.Uncounted)
	}
	if agents.Omitted > 0 {
		text += fmt.Sprintf("; %d of those that are connected again are not listed", agents.Omitted)
	}
	return text
}

// describeProbe counts the calls of the probe by what they came to; empty: there were none.
func (d *Document) describeProbe() string {
	var counts []string
	for _, outcome := range d.Probe {
		counts = append(counts, fmt.Sprintf("%d × %s", outcome.Count, outcome.Reason))
	}
	return strings.Join(counts, ", ")
}

// stages are the times of the run, in the order of its life.
func (d *Document) stages() []fact {
	var known []fact
	for _, stage := range []struct {
		name string
		at   *metav1.Time
	}{
		{"requested", d.Times.Requested}, {"started", d.Times.Started}, {"rules in force", d.Times.Enforced},
		{"all agents disconnected", d.Times.Disconnected}, {"aborted", d.Times.Aborted}, {"time over", d.Times.Expires},
		{"everything restored", d.Times.Restored}, {"all agents connected again", d.Times.Reconnected},
		{"CloudTrail read for callers", d.Times.Verifying}, {"run over", d.Times.Completed},
	} {
		if stage.at == nil || d.Verdict.Over && stage.at.After(d.ends()) {
			continue // it never came
		}
		value := clock(*stage.at)
		if d.Times.Started != nil && !stage.at.Equal(d.Times.Started) {
			value += " (" + d.sinceStart(*stage.at) + ")"
		}
		known = append(known, fact{stage.name, value})
	}
	return known
}

// sinceStart is how long after the start something was, such as +3m5s.
func (d *Document) sinceStart(at metav1.Time) string {
	if d.Times.Started == nil {
		return ""
	}
	since := at.Sub(d.Times.Started.Time)
	if since < 0 {
		return "-" + short(-since)
	}
	return "+" + short(since)
}

// short is a duration without what is zero at its end, such as 10m.
func short(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func secondsOf(n int64) time.Duration { return time.Duration(n) * time.Second }

func clock(t metav1.Time) string { return t.UTC().Format(time.RFC3339) }

// clockOf is the same of a time that may not be known.
func clockOf(t *metav1.Time) string {
	if t == nil {
		return "an unknown time"
	}
	return clock(*t)
}

// what is an entry of the timeline in words, without its message.
func (e Entry) what() string {
	text := words[e.Type]
	if text == "" {
		text = e.Type
	}

	switch {
	case e.Disconnected != nil && e.Total != nil:
		text = fmt.Sprintf("%d of %d agents disconnected", *e.Disconnected, *e.Total)
	case e.Total != nil:
		text = fmt.Sprintf("agents not known, of %d", *e.Total)
	case e.Reason != "":
		text += " " + e.Reason
	}

	if e.Count > 1 {
		text += fmt.Sprintf(" (and %d before it, left out)", e.Count-1)
	}
	return text
}

// words are what people read for the types of entries.
var words = map[string]string{
	"State": "state", "RunTaskFailed": "RunTask failed:", "Callers": "callers", "RulesRepaired": "rules repaired", "OriginalCarriedOver": "change of the original carried over",
	"Suspended": "suspended", "Resumed": "resumed", "Aborted": "aborted:", "Verdict": "over:",
}

// symbol is a word for a result.
func (r Result) symbol() string {
	switch r {
	case Passed:
		return "yes"
	case Failed:
		return "no"
	}
	return "-"
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
