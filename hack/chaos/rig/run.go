// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/audit"
)

// run is what the world knows of an object's run: the object as it was last written, by any client, and when the run was over
// and its rules were.
type run struct {
	name string
	uid  types.UID
	obj  *v1alpha1.AgentDisconnect
	// started is the start of the run that the rest is about.
	started time.Time
	// deleted is when the object was; zero: it wasn't.
	deleted time.Time
	// ended is when the run was over, by the world's clock, and endedReal by the real one; zero: not yet.
	ended, endedReal time.Time
	// stood is when a rule of the run was last seen to stand after it should have gone.
	stood time.Time
}

// noteObject takes over an object as it is on the API server now.
func (w *World) noteObject(obj *v1alpha1.AgentDisconnect) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.runs, func(r *run) bool { return r.uid == obj.UID })
	if i < 0 {
		w.runs = append(w.runs, &run{name: obj.Name, uid: obj.UID})
		i = len(w.runs) - 1
	}
	r := w.runs[i]
	r.obj = obj.DeepCopy()
	if start := obj.Status.StartTime; start != nil && !start.Time.Equal(r.started) {
		*r = run{name: r.name, uid: r.uid, obj: r.obj, deleted: r.deleted, started: start.Time}
	}
	r.noteEnd(w.Clock.Now(), w.Clock.Now())
}

// noteEnd notes that the run is over while the clock goes from one time to another.
func (r *run) noteEnd(from, to time.Time) {
	if end := r.end(); !r.started.IsZero() && r.ended.IsZero() && !end.After(to) {
		r.ended, r.endedReal = later(end, from), time.Now()
	}
}

func (w *World) noteWritten(obj client.Object) {
	if written, ok := obj.(*v1alpha1.AgentDisconnect); ok {
		w.noteObject(written)
		w.holdAgainstTruth(written)
	}
}

func (w *World) noteDeletion(obj *v1alpha1.AgentDisconnect) {
	w.noteObject(obj)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.runs {
		if r.uid == obj.UID && r.deleted.IsZero() {
			r.deleted = w.Clock.Now()
			r.noteEnd(r.deleted, r.deleted)
		}
	}
}

// begun are the objects whose runs have begun and have a finalizer, with all that their end takes.
func (w *World) begun() []*v1alpha1.AgentDisconnect {
	w.mu.Lock()
	defer w.mu.Unlock()
	var begun []*v1alpha1.AgentDisconnect
	for _, r := range w.runs {
		if audit.HasBegun(r.obj) {
			begun = append(begun, r.obj)
		}
	}
	return begun
}

// Settled reports whether every object that there ever was is over or gone, as far as managers wrote.
func (w *World) Settled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(w.runs, func(r *run) bool {
		gone := !r.deleted.IsZero() && len(r.obj.Finalizers) == 0
		return !gone && !Over(r.obj)
	})
}

// Seen is an object as it was last written, by any client; nil: there never was one of that name.
func (w *World) Seen(name string) *v1alpha1.AgentDisconnect {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range slices.Backward(w.runs) {
		if r.name == name {
			return r.obj.DeepCopy()
		}
	}
	return nil
}

// end is when the run is over as its user asked for it, whatever the manager made of that.
func (r *run) end() time.Time {
	end := r.started.Add(r.obj.Spec.Duration.Duration)
	if abort := r.obj.Status.Abort; abort != nil && abort.Time.Time.Before(end) {
		end = abort.Time.Time
	}
	if !r.deleted.IsZero() && r.deleted.Before(end) {
		end = r.deleted
	}
	return end
}

// advance sets the world's clock forward, and notes which rules stand that should not. Schedules that come due on the way run,
// each at its own time. It returns by how much.
func (w *World) advance(to time.Time) (took time.Duration) {
	inForce := map[*World][]string{} // the runs whose rules act on a subnet: those of a clone that serves no subnet do no harm
	for _, account := range w.accounts() {
		account.checkTraffic()
		for _, found := range account.region.View(now).NetworkACLs() {
			if len(found.Associations) == 0 {
				continue
			}
			for _, made := range account.Audit.Left(found) {
				inForce[account] = append(inForce[account], made.UID)
			}
		}
	}
	if took = w.setClock(to, inForce); took > 0 {
		for _, account := range w.accounts() {
			account.Sim.RunSchedules()
		}
	}
	return took
}

func (w *World) setClock(to time.Time, inForce map[*World][]string) (took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	from := w.Clock.Now()
	if !to.After(from) {
		return 0
	}
	w.noteEnds(from, to, inForce[w])
	if w.Hub != nil {
		w.Hub.mu.Lock()
		w.Hub.noteEnds(from, to, inForce[w.Hub])
		w.Hub.mu.Unlock()
	}
	w.Clock.SetTime(to)
	return to.Sub(from)
}

// noteEnds notes which runs are over while the clock goes from one time to another, and whose rules stand although they are.
// The lock must be held.
func (w *World) noteEnds(from, to time.Time, inForce []string) {
	for _, r := range w.runs {
		r.noteEnd(from, to)
		if !r.ended.IsZero() && r.ended.Before(to) && slices.Contains(inForce, string(r.uid)) {
			r.stood = to
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// noteEffect notes when nothing of the product was left.
func (w *World) noteEffect() {
	left := w.Traces()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.goneAt = time.Time{}
	if len(left) == 0 {
		w.goneAt = time.Now()
	}
}

// count names a step: what it is, and its ordinal number among those.
func (w *World) count(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[name]++
	return name + " #" + strconv.Itoa(w.counts[name])
}

func (w *World) nextMark() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.marks++
	return w.marks
}

// begin and end keep the log of steps.
func (w *World) begin(step *Step) *Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &Record{Step: *step, Begun: time.Now()}
	w.records = append(w.records, r)
	return r
}

func (w *World) end(r *Record, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Ended = time.Now()
	if err != nil {
		r.Err = err.Error()
	}
}

// Records are all steps so far, in the order in which they began.
func (w *World) Records() []Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	records := make([]Record, len(w.records))
	for i, r := range w.records {
		records[i] = *r
	}
	return records
}

// tapped asks the tap.
func (w *World) tapped(step *Step, after bool, err error) Verdict {
	w.tapping.Lock()
	defer w.tapping.Unlock()
	var verdict Verdict
	if w.tap != nil {
		verdict = w.tap(step, after, err)
	}
	if !after {
		w.jostle(step)
	}
	return verdict
}

// Complain notes something that is wrong beside the promises.
func (w *World) Complain(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.strange = append(w.strange, fmt.Sprintf(format, args...))
}
