// SPDX-License-Identifier: Apache-2.0

package callers

import (
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

// Facts are what of a run the judgement rests on.
type Facts struct {
	// ClusterARN is that of the run's cluster.
	ClusterARN string
	// Instances are the tracked container instances.
	Instances []Instance
	// Denies is when all denies are known to have stood: from when they were first read back. AGENT
	// before that may have another cause. To is zero while they stand.
	Denies Period
	// Back is when all agents were connected again after that, or could be, or were no longer awaited;
	// zero: they are not yet.
	Back time.Time
	// BackWithin is how long after the denies agents are given to come back: until then AGENT is
	// the run's doing, where Back is zero.
	BackWithin time.Duration
	// RecoverWithin is how long after its first AGENT a caller may take to start a task.
	RecoverWithin time.Duration
	// ProbeStartedBy is the startedBy of the product's probes, whose task groups begin with it and a
	// colon; empty: there are none.
	ProbeStartedBy string
	// Known is when the trail is known completely: all seconds that are over by its end. It ends as
	// long ago as CloudTrail may be late.
	Known Period
}

// Instance is a tracked container instance.
type Instance struct {
	ARN string
	// Disconnected is when ECS was first seen to report its agent as disconnected; zero: never.
	Disconnected time.Time
}

// Period is from a time until another, both included.
type Period struct{ From, To time.Time }

func (p Period) contains(t time.Time) bool {
	return !t.Before(p.From) && (p.To.IsZero() || !t.After(p.To))
}

// meeting is the period in which a failure with AGENT is the run's doing. CloudTrail has whole
// seconds, so it begins and ends with whole ones.
func (f Facts) meeting() Period {
	until := f.Back
	if until.IsZero() && !f.Denies.To.IsZero() {
		until = f.Denies.To.Add(f.BackWithin)
	}
	return Period{From: f.Denies.From.Truncate(time.Second), To: until}
}

// knows reports whether the trail is known completely from when the denies stood until a time. What
// happened before that may hold the caller's first AGENT, or its recovery.
func (f Facts) knows(until time.Time) bool { return f.knowsBetween(f.meeting().From, until) }

// knowsBetween reports whether the trail is known completely from one time until another, and to
// the end of that second.
func (f Facts) knowsBetween(from, until time.Time) bool {
	return !f.Known.From.After(from) && !f.Known.To.Before(until.Truncate(time.Second).Add(time.Second))
}

// isOnCluster reports whether a call was made on the run's cluster.
func (f Facts) isOnCluster(call record.Call) bool {
	_, name, _ := strings.Cut(f.ClusterARN, ":cluster/")
	switch given := call.Cluster; {
	case call.Withheld:
		return false
	case given == "":
		return name == "default"
	case strings.HasPrefix(given, "arn:"):
		return given == f.ClusterARN
	default:
		return given == name
	}
}

func (f Facts) isProbe(call record.Call) bool {
	return f.ProbeStartedBy != "" && call.StartedBy == f.ProbeStartedBy && strings.HasPrefix(call.Group, f.ProbeStartedBy+":")
}

// instancesByID are the tracked container instances by their id: ARNs have a long and an old form.
func (f Facts) instancesByID() map[string]Instance {
	byID := make(map[string]Instance, len(f.Instances))
	for _, instance := range f.Instances {
		byID[instanceID(instance.ARN)] = instance
	}
	return byID
}

// instanceID is the id of a container instance in its ARN; empty: it is another thing's ARN.
func instanceID(arn string) string {
	_, path, ok := strings.Cut(arn, ":container-instance/")
	if !ok {
		return ""
	}
	return path[strings.LastIndexByte(path, '/')+1:]
}
