// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probetasks"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

const (
	// LookInterval is how often ECS is asked about tasks that are to stop: a connected agent stops
	// one within seconds.
	LookInterval = 5 * time.Second
	// lostFor is how long after an attempt whose answer was lost a task of it may still turn up: the
	// call itself may take aws.CallTimeout, and lists of ECS lag by seconds.
	lostFor = 2 * time.Minute
)

// StopTasks has tasks that attempts started stopped while the run is on, and drops those that are.
// It searches for those of an attempt whose answer was lost, if that is not repeated.
func (p *Probe) StopTasks(ctx context.Context) error {
	if !run.HasTasksLeft(p.Status()) {
		return nil
	}
	if err := p.VerifyAccount(ctx); err != nil {
		return err
	}

	var unfound error
	if ptr.Deref(p.Status().Probe.Unanswered, false) {
		unfound = p.search(ctx)
	}
	return errors.Join(unfound, p.settle(ctx))
}

// Finish takes the tasks of a run that is over to their end, and says by an error what is left. It
// searches for tasks that the status lacks: those of attempts whose answers were lost, and of a
// status that was edited.
func (p *Probe) Finish(ctx context.Context) error {
	if !run.HasProbe(p.Status()) {
		return nil
	}

	if p.Status().Probe == nil {
		p.Status().Probe = &v1alpha1.ProbeStatus{TaskDefinitionARN: p.Status().StartedWith.Probe.TaskDefinition} // it was edited away
	}

	if err := p.VerifyAccount(ctx); err != nil {
		return err
	}

	var unfound error
	if p.NeedsSearch() {
		unfound = p.search(ctx)
	}
	return errors.Join(unfound, p.settle(ctx))
}

// NeedsSearch reports whether the tasks of the run have to be searched for before it is over.
func (p *Probe) NeedsSearch() bool {
	return run.HasProbe(p.Status()) && !p.seen.shows(p.Status().Probe, p.seen.searchedAt)
}

// shows reports whether a search made at a time shows all tasks of the attempts.
func (m *Memory) shows(probe *v1alpha1.ProbeStatus, at time.Time) bool {
	if at.IsZero() {
		return false
	}
	if probe == nil || probe.LastAttemptTime == nil {
		return true
	}

	last := probe.LastAttemptTime.Time
	if last.After(at) { // the clock was set back, or the status was edited
		last = run.Earliest(last, m.searchingSince)
	}
	if ptr.Deref(probe.Unanswered, false) {
		last = last.Add(lostFor)
	}
	return !at.Before(last)
}

// search lists the tasks of the object's runs and owns those that the status lacks. It settles an
// attempt whose answer was lost: at once where it finds its task, of which there is one at most, and
// otherwise once it is late enough.
func (p *Probe) search(ctx context.Context) error {
	now := p.Clock.Now()
	if isRecent(p.seen.lookedForAt, now) {
		return nil
	}

	found, err := probetasks.Find(ctx, p.Clients.ECS, p.Status().Target.ClusterARN)
	if err != nil && !aws.HasCode(err, aws.CodeClusterNotFound) { // with its cluster all of its tasks are gone
		return err
	}

	p.seen.lookedForAt = now
	if p.seen.searchingSince.IsZero() || now.Before(p.seen.searchingSince) {
		p.seen.searchingSince = now
	}

	own := slices.DeleteFunc(found, func(t probetasks.Task) bool { return !t.IsOf(p.identity()) })
	complete := false
	err = p.record(ctx, func(probe *v1alpha1.ProbeStatus) {
		complete = run.OwnTasks(probe, lines(own))
		switch started := p.hasTaskOfAttempt(own); {
		case !complete || !ptr.Deref(probe.Unanswered, false):
		case started:
			run.EndAttempt(probe, probe.Attempts, run.ProbeAnswer{Reason: v1alpha1.ProbeStarted}, now)
		case p.seen.shows(probe, now):
			run.EndAttempt(probe, probe.Attempts, run.ProbeAnswer{Reason: v1alpha1.ProbeNoAnswer}, now)
		}
	})
	if err == nil && complete {
		p.seen.searchedAt = now
	}
	return err
}

// hasTaskOfAttempt reports whether the latest attempt started one of the tasks.
func (p *Probe) hasTaskOfAttempt(tasks []probetasks.Task) bool {
	return slices.ContainsFunc(tasks, func(t probetasks.Task) bool { return t.Group == p.identity().Group() })
}

// settle asks ECS about the tasks of the status, drops those that are stopped or forgotten, and has
// the others stopped that ECS was not told to stop yet.
func (p *Probe) settle(ctx context.Context) error {
	now := p.Clock.Now()
	arns := taskARNs(p.Status().Probe)
	switch {
	case len(arns) == 0:
		return nil
	case isRecent(p.seen.describedAt, now):
		return p.seen.unsettled
	}

	described, err := probetasks.Describe(ctx, p.Clients.ECS, p.Status().Target.ClusterARN, arns)
	if aws.HasCode(err, aws.CodeClusterNotFound) {
		described, err = probetasks.Described{Missing: arns}, nil
	}
	if err != nil {
		return err
	}
	p.seen.describedAt = now

	var unowned []string
	gone := p.forgotten(described.Missing, now)
	var standing []probetasks.Task
	for _, task := range described.Tasks {
		switch {
		case !task.IsOf(p.identity()):
			unowned = append(unowned, task.ARN)
		case task.Stopped:
			gone = append(gone, task.ARN)
		default:
			standing = append(standing, task)
		}
	}

	err = p.record(ctx, func(probe *v1alpha1.ProbeStatus) {
		probe.Tasks = slices.DeleteFunc(slices.Clone(probe.Tasks), func(t v1alpha1.ProbeTask) bool { return slices.Contains(gone, t.ARN) })
	})
	if err != nil {
		return err
	}
	p.seen.unsettled = errors.Join(p.stop(ctx, standing), explainUnowned(unowned))
	return p.seen.unsettled
}

// stop tells ECS to stop tasks of the probe that it was not told to stop yet, and stores what it
// acknowledged.
func (p *Probe) stop(ctx context.Context, tasks []probetasks.Task) error {
	var told []string
	var errs []error
	for _, task := range tasks {
		if !task.StopRequested {
			if err := probetasks.Stop(ctx, p.Fenced().ECS, p.Status().Target.ClusterARN, task.ARN, p.stopReason()); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		told = append(told, task.ARN)
	}

	if len(told) == 0 {
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, p.record(ctx, func(probe *v1alpha1.ProbeStatus) {
		for i := range probe.Tasks {
			if slices.Contains(told, probe.Tasks[i].ARN) {
				probe.Tasks[i].Stopping = new(true)
			}
		}
	}))...)
}

// explainUnowned names tasks in the status that no attempt started: a person put them there.
func explainUnowned(arns []string) error {
	if len(arns) == 0 {
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.probe.tasks names %s, which the probe of this object did not start: remove the lines (kubectl edit --subresource=status)",
		problem.Choose(arns, "task ", "tasks ")+problem.List(run.InstanceIDs(arns)))
}

// forgotten are the tasks of those that ECS does not know that it has known: after lostFor no list
// lags any more.
func (p *Probe) forgotten(missing []string, now time.Time) []string {
	if last := p.Status().Probe.LastAttemptTime; last != nil && now.Before(last.Add(lostFor)) && !now.Before(last.Time) {
		return nil
	}
	return missing
}

// isRecent reports whether a look was made so lately that the next one can wait.
func isRecent(at, now time.Time) bool {
	age := now.Sub(at)
	return !at.IsZero() && age >= 0 && age < LookInterval
}

func taskARNs(probe *v1alpha1.ProbeStatus) []string {
	var arns []string
	for _, task := range probe.Tasks {
		arns = append(arns, task.ARN)
	}
	return arns
}

// Left says why the probe is not over yet, as an error with the fix; nil: it is.
func (p *Probe) Left() error {
	probe := p.Status().Probe
	switch {
	case probe != nil && run.HasTasksToStop(p.Status()) && len(probe.Tasks) > 0:
		return problem.Wait(v1alpha1.ReasonTasksLeft, "%s: ECS has not acknowledged yet that all of them are to stop", describeTasks(probe.Tasks))
	case probe != nil && len(probe.Tasks) > 0 && p.isLate():
		return problem.Refuse(v1alpha1.ReasonTasksLeft, "%s. Its agent has to be connected to stop it: start the agent, or terminate the instance", describeTasks(probe.Tasks))
	case probe != nil && len(probe.Tasks) > 0:
		return problem.Wait(v1alpha1.ReasonTasksLeft, "%s", describeTasks(probe.Tasks))
	case p.NeedsSearch(), run.HasTasksLeft(p.Status()):
		return problem.Wait(v1alpha1.ReasonTasksLeft, "whether the probe's last call of RunTask started a task is not certain yet")
	}
	return nil
}

// isLate reports whether the agents have had the time that they get to come back.
func (p *Probe) isLate() bool {
	deadline := run.RecoveryDeadline(p.Status())
	return !deadline.IsZero() && !p.Now.Before(deadline)
}

// describeTasks names tasks that are not stopped, with where they are.
func describeTasks(tasks []v1alpha1.ProbeTask) string {
	var names, where []string
	for _, task := range tasks {
		names = append(names, task.ARN)
		if task.ContainerInstanceARN != "" {
			where = append(where, task.ContainerInstanceARN)
		}
	}
	slices.Sort(where)
	where = slices.Compact(where)
	text := problem.Subjects(run.InstanceIDs(names), "task", "was", "were") + " started by the probe, and not known to be stopped"
	if len(where) > 0 {
		text += ", on container instance " + problem.List(run.InstanceIDs(where))
	}
	return text
}
