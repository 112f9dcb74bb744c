// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/pages"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// pass is one pass over one schedule.
type pass struct {
	*Reconciler

	// obj is the schedule with the status as it becomes, stored as it was last read or written.
	obj, stored *v1alpha1.AgentDisconnectSchedule
	now         time.Time
	// notes are events to record once the status is stored.
	notes []note
}

// note is an event to be.
type note struct {
	kind, reason, text string
	// lost are the times that it is about, for the metric; nil: it is about none.
	lost *missed
	// late is how late the run is that was created, for the metric; nil: none was.
	late *time.Duration
}

func (r *Reconciler) newPass(obj *v1alpha1.AgentDisconnectSchedule) *pass {
	return &pass{Reconciler: r, obj: obj, stored: obj.DeepCopy(), now: r.clock.Now()}
}

// work decides what is due, does it, and gives the time of the next pass; zero: a change alone
// asks for one.
func (p *pass) work(ctx context.Context) (next time.Time, err error) {
	times, invalid := parseCadence(&p.obj.Spec)
	if p.isDecisive(times, invalid) {
		// What is decided stays decided, so it rests on nothing that the cache may have missed.
		if err := p.reread(ctx); err != nil {
			return next, err
		}
		times, invalid = parseCadence(&p.obj.Spec)
	}
	if err := p.settleStart(ctx, nil); err != nil {
		return next, err
	}
	if p.obj.Status.Starting != "" {
		return p.obj.Status.DecidedTime.Add(giveUpAfter), nil // nothing is decided before the start is settled
	}
	runs, err := p.listRuns(ctx)
	if err != nil {
		return next, err
	}

	d := decision{decided: p.now} // of times that are not known
	if invalid == nil {
		d = decide(p.obj, times, p.anyOn(runs), p.now)
	}
	p.noteDecision(d)
	if !d.start.IsZero() {
		if runs, err = p.startRun(ctx, d.start, runs); err != nil {
			return next, err
		}
	}
	p.report(runs, times, d, invalid)
	if err := p.write(ctx); err != nil {
		return next, err
	}
	p.deleteRuns(ctx, runs, d)
	return d.next, nil
}

// isDecisive reports whether the pass decides about a time, or finds out about a start.
func (p *pass) isDecisive(times cadence, invalid error) bool {
	return p.obj.Status.Starting != "" || invalid == nil && times.between(decidedSoFar(p.obj, p.now), p.now).count > 0
}

// reread reads the schedule past the cache.
func (p *pass) reread(ctx context.Context) error {
	latest := &v1alpha1.AgentDisconnectSchedule{}
	if err := p.reader.Get(ctx, client.ObjectKeyFromObject(p.obj), latest); err != nil {
		return fmt.Errorf("reading schedule %s/%s: %w", p.obj.Namespace, p.obj.Name, err)
	}
	if !latest.DeletionTimestamp.IsZero() || latest.UID != p.obj.UID {
		return fmt.Errorf("schedule %s/%s was deleted", p.obj.Namespace, p.obj.Name)
	}
	p.obj, p.stored = latest, latest.DeepCopy()
	return nil
}

// noteDecision keeps in the status what was decided.
func (p *pass) noteDecision(d decision) {
	status := &p.obj.Status
	status.ObservedSchedule, status.DecidedTime = described(&p.obj.Spec), run.Stamp(d.decided)
	for _, each := range d.missed {
		p.countMissed(each, "")
	}
}

// countMissed counts times at which no run begins. why says more than the reason; empty: nothing.
func (p *pass) countMissed(m missed, why string) {
	status := &p.obj.Status
	if status.Missed == nil {
		status.Missed = &v1alpha1.MissedRuns{}
	}
	count := min(int64(status.Missed.Count)+int64(m.count), maxCount)
	*status.Missed = v1alpha1.MissedRuns{
		Count: int32(count), LastTime: *run.Stamp(m.newest), LastReason: m.reason, ObservedGeneration: p.obj.Generation, Message: aws.Truncate(why, maxMessage),
	}

	text := fmt.Sprintf("No run begins for %s: %s", inUTC(m.newest), describeMissed(m.reason))
	if m.count > 1 {
		text = fmt.Sprintf("No run begins for %d times until %s: %s", m.count, inUTC(m.newest), describeMissed(m.reason))
	}
	if why != "" {
		text += ": " + why
	}
	p.notes = append(p.notes, note{kind: corev1.EventTypeWarning, reason: "Missed" + string(m.reason), text: text, lost: &m})
}

// write stores the status, unless the schedule was changed since it was read, and records and counts
// what it is about.
func (p *pass) write(ctx context.Context) error {
	if !equality.Semantic.DeepEqual(p.obj.Status, p.stored.Status) {
		patch := client.MergeFromWithOptions(p.stored, client.MergeFromWithOptimisticLock{})
		if err := p.client.Status().Patch(ctx, p.obj, patch); err != nil {
			return fmt.Errorf("storing the status of schedule %s/%s: %w", p.obj.Namespace, p.obj.Name, err)
		}
		p.stored = p.obj.DeepCopy()
	}
	for _, each := range p.notes {
		p.record(each)
	}
	p.notes = nil
	return nil
}

func (p *pass) record(n note) {
	if n.lost != nil {
		missedTimes.WithLabelValues(string(n.lost.reason)).Add(float64(n.lost.count))
	}
	if n.late != nil {
		lateness.Observe(n.late.Seconds())
	}
	p.recorder.Eventf(p.obj, nil, n.kind, n.reason, "Schedule", "%s", pages.Truncate(n.text, maxMessage))
}

// deleteRuns deletes the runs that are to be replaced, and those that are over beyond what is kept.
// What can't be deleted holds nothing up: the next pass tries again.
func (p *pass) deleteRuns(ctx context.Context, runs []v1alpha1.AgentDisconnect, d decision) {
	var replaced error
	if !d.replace.IsZero() {
		replaced = p.endRuns(ctx, runs, d.replace)
	}
	if err := errors.Join(replaced, p.trimHistory(ctx, runs)); err != nil {
		log.FromContext(ctx).Error(err, "Could not delete runs, trying again at the next pass")
	}
}
