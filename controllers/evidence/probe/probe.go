// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probetasks"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Probe is the probe of one run in one pass. A run without one has one that does nothing.
type Probe struct {
	*pass.Pass

	seen *Memory
}

// New gives the probe in a pass. seen is what earlier passes saw of it.
func New(p *pass.Pass, seen *Memory) *Probe { return &Probe{Pass: p, seen: seen} }

// Memory is what passes of this process saw of a probe's tasks. The zero value is empty.
type Memory struct {
	// describedAt is when ECS last answered about the tasks of the status, and unsettled what stood in
	// the way of stopping them then: it is said until the next look.
	describedAt time.Time
	unsettled   error
	// lookedForAt is when it last listed the tasks of the object, searchingSince when it first did,
	// and searchedAt when the status last had all of a list.
	lookedForAt, searchingSince, searchedAt time.Time
	// refused is the attempt of which a repeat was refused: that does not say whether an earlier call
	// started a task.
	refused int32
}

// identity is that of the latest attempt of the run.
func (p *Probe) identity() probetasks.Identity {
	identity := probetasks.Identity{ClusterID: p.Options.ClusterID, UID: string(p.Object.UID)}
	if started := p.Status().StartTime; started != nil {
		identity.Started = started.UTC()
	}
	if probe := p.Status().Probe; probe != nil {
		identity.Attempt = probe.Attempts
	}
	return identity
}

// IsDue reports whether RunTask is to be called now, if the agents are disconnected.
func (p *Probe) IsDue() bool {
	due := run.NextAttempt(p.Status())
	return !due.IsZero() && !p.Clock.Now().Before(due) && !p.isRefused()
}

// isRefused reports whether a repeat of the attempt was refused, whose answer was lost before: only
// a search can settle it.
func (p *Probe) isRefused() bool {
	probe := p.Status().Probe
	return probe != nil && ptr.Deref(probe.Unanswered, false) && p.seen.refused == probe.Attempts
}

// Attempt calls RunTask. It is for a run that is on, and whose agents are all disconnected by its
// rules.
func (p *Probe) Attempt(ctx context.Context) error {
	repeats := ptr.Deref(p.Status().Probe.Unanswered, false)
	run.BeginAttempt(p.Status().Probe, p.Clock.Now())
	if err := p.Ledger.Persist(ctx); err != nil {
		return err
	}

	attempt := p.identity()
	answer, err := probetasks.Run(ctx, p.Fenced().ECS, probetasks.Request{
		Identity: attempt, ClusterARN: p.Status().Target.ClusterARN, SubnetID: p.Object.Spec.SubnetID,
		DefinitionARN: p.Status().Probe.TaskDefinitionARN, AWSVPC: p.Status().Probe.AWSVPC != nil,
	})
	switch aws.Classify(err) {
	case aws.Unanswered, aws.Throttled, aws.NoCredentials:
		return err // the attempt is repeated, with the same client token
	}
	if err != nil && repeats {
		p.seen.refused = attempt.Attempt
		return err
	}

	outcome := p.judge(answer, err)
	if err := p.record(ctx, func(probe *v1alpha1.ProbeStatus) {
		run.EndAttempt(probe, attempt.Attempt, outcome, p.Clock.Now())
	}); err != nil {
		return err
	}
	return p.stop(ctx, answer.Tasks)
}

// record stores what AWS answered, also where the object was deleted or edited meanwhile. A status
// without the probe was edited: the search at the end finds the tasks.
func (p *Probe) record(ctx context.Context, change func(*v1alpha1.ProbeStatus)) error {
	return p.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		if status.Probe != nil {
			change(status.Probe)
		}
	})
}

// judge says what an attempt came to. AGENT counts for tracked container instances alone: others may
// have been disconnected before.
func (p *Probe) judge(answer probetasks.Answer, err error) run.ProbeAnswer {
	if err != nil {
		return run.ProbeAnswer{Reason: aws.Truncate(aws.Code(err), 64), Message: aws.Truncate(aws.Message(err), 512)}
	}

	if len(answer.Tasks) > 0 {
		var placed []string
		for _, task := range answer.Tasks {
			placed = append(placed, task.ContainerInstanceARN)
		}
		return run.ProbeAnswer{
			Reason: v1alpha1.ProbeStarted, Tasks: lines(answer.Tasks),
			Message: aws.Truncate("RunTask placed a task on "+problem.Choose(placed, "container instance ", "container instances ")+problem.List(run.InstanceIDs(placed)), 512),
		}
	}
	return p.judgeFailures(answer.Failures)
}

// judgeFailures says what a call of RunTask came to that started nothing. Of several reasons that
// counts which is about a tracked container instance: RunTask names every instance of the cluster.
func (p *Probe) judgeFailures(failures []probetasks.Failure) run.ProbeAnswer {
	tracked := run.AgentARNs(p.Status().Agents)
	ofTracked := slices.DeleteFunc(slices.Clone(failures), func(f probetasks.Failure) bool { return !slices.Contains(tracked, f.ARN) })
	isAgent := func(f probetasks.Failure) bool { return f.Reason == v1alpha1.ProbeAgent }

	var disconnected []string
	for _, f := range ofTracked {
		if isAgent(f) {
			disconnected = append(disconnected, f.ARN)
		}
	}

	switch {
	case len(disconnected) > 0:
		slices.Sort(disconnected)
		return run.ProbeAnswer{Reason: v1alpha1.ProbeAgent, Message: aws.Truncate("for "+problem.Choose(disconnected, "container instance ", "container instances ")+problem.List(run.InstanceIDs(disconnected)), 512)}
	case len(ofTracked) > 0:
		return failed(ofTracked[0].Reason, ofTracked[0])
	case slices.ContainsFunc(failures, isAgent):
		return failed(v1alpha1.ProbeUntracked, failures[slices.IndexFunc(failures, isAgent)])
	case len(failures) > 0:
		return failed(failures[0].Reason, failures[0])
	}
	return run.ProbeAnswer{Reason: v1alpha1.ProbeNoReason, Message: "RunTask started no task, and gave no reason"}
}

// failed is an outcome with the reason of a failure.
func failed(reason string, f probetasks.Failure) run.ProbeAnswer {
	if reason == "" {
		reason = v1alpha1.ProbeNoReason
	}
	message := f.Detail
	if f.ARN != "" {
		message = strings.TrimSuffix("for container instance "+run.InstanceIDs([]string{f.ARN})[0]+": "+f.Detail, ": ")
	}
	return run.ProbeAnswer{Reason: aws.Truncate(reason, 64), Message: aws.Truncate(message, 512)}
}

// lines are tasks as the status has them.
func lines(tasks []probetasks.Task) []v1alpha1.ProbeTask {
	var all []v1alpha1.ProbeTask
	for _, task := range tasks {
		line := v1alpha1.ProbeTask{ARN: task.ARN, ContainerInstanceARN: task.ContainerInstanceARN}
		if task.StopRequested {
			line.Stopping = new(true)
		}
		all = append(all, line)
	}
	return all
}

// stopReason is what ECS shows as the reason for which a task stopped.
func (p *Probe) stopReason() string {
	return fmt.Sprintf("started by the probe of AgentDisconnect %s while an agent was connected", run.Name(p.Object))
}
