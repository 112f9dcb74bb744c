// SPDX-License-Identifier: Apache-2.0

package callers_test

import (
	"fmt"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/callers"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

const (
	arn     = "arn:aws:ecs:ap-northeast-1:123456789012:"
	cluster = arn + "cluster/demo"
	tracked = arn + "container-instance/demo/a"
	other   = arn + "container-instance/demo/z"
)

var (
	start = time.Date(2026, 11, 30, 1, 0, 0, 0, time.UTC)
	batch = record.Principal{ARN: "arn:aws:iam::123456789012:role/batch"}
	flow  = record.Principal{ARN: "arn:aws:iam::123456789012:role/flow", Service: "states.amazonaws.com"}
)

func at(minutes float64) time.Time {
	return start.Add(time.Duration(minutes * float64(time.Minute)))
}

// facts are of a run whose denies stood for 15 minutes, whose agent was disconnected after 3 and
// back after 20, and of which everything is known.
func facts() callers.Facts {
	return callers.Facts{
		ClusterARN: cluster, Instances: []callers.Instance{{ARN: tracked, Disconnected: at(3)}},
		Denies: callers.Period{From: at(0), To: at(15)}, Back: at(20), BackWithin: 10 * time.Minute,
		RecoverWithin: 10 * time.Minute, ProbeStartedBy: "agd", Known: callers.Period{From: at(-5), To: at(60)},
	}
}

// calls makes calls with ids of their own.
type calls struct{ all []record.Call }

// add adds a call of the principal batch for the family report.
func (c *calls) add(minutes float64, edits ...func(*record.Call)) {
	call := record.Call{EventID: fmt.Sprintf("event-%03d", len(c.all)), Time: at(minutes), Principal: batch, Cluster: "demo", Family: "report", Count: 1}
	for _, edit := range edits {
		edit(&call)
	}
	for i := range call.Tasks {
		if call.Tasks[i].ARN == "" {
			call.Tasks[i].ARN = fmt.Sprintf("%stask/demo/%s-%d", arn, call.EventID, i)
		}
	}
	c.all = append(c.all, call)
}

func by(p record.Principal) func(*record.Call) { return func(c *record.Call) { c.Principal = p } }

// byProbe is a call of the product's own, of any run.
func byProbe(c *record.Call) { c.StartedBy, c.Group = "agd", "agd:cluster:uid:1767322800:1" }

func on(cluster string) func(*record.Call)      { return func(c *record.Call) { c.Cluster = cluster } }
func of(family string) func(*record.Call)       { return func(c *record.Call) { c.Family = family } }
func startedBy(text string) func(*record.Call)  { return func(c *record.Call) { c.StartedBy = text } }
func inGroup(text string) func(*record.Call)    { return func(c *record.Call) { c.Group = text } }
func asking(n int) func(*record.Call)           { return func(c *record.Call) { c.Count = n } }
func failedWith(code string) func(*record.Call) { return func(c *record.Call) { c.ErrorCode = code } }
func withheld(c *record.Call)                   { c.Cluster, c.Family, c.Withheld = "", "", true }

func failing(reason, instance string) func(*record.Call) {
	return func(c *record.Call) {
		c.Failures = append(c.Failures, record.Failure{ARN: instance, Reason: reason})
	}
}

var agent = failing("AGENT", tracked)

// starts adds n tasks on a container instance.
func starts(n int, instance string) func(*record.Call) {
	return func(c *record.Call) {
		for range n {
			c.Tasks = append(c.Tasks, record.Task{ContainerInstance: instance})
		}
	}
}
