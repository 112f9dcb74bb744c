// SPDX-License-Identifier: Apache-2.0

package history

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// What happens to the manager and around it.

// armed is a crash or a freeze that waits for its point, or what a third party does in the middle of a pass.
type armed struct {
	op   Op
	left int
}

func (p *play) crash(op Op) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = append(p.armed, &armed{op, op.nth()})
}

// off stops the manager between two passes.
func (p *play) off(op Op) {
	p.world.Kill()
	p.world.Boot(op.For.d())
	p.obstruct(p.now().Add(op.For.d()))
}

// skew has a manager take over whose clock is wrong, and one whose clock is right a while later. What it does by its own time
// comes early or late by no more than that; all else is promised of it as of any other.
func (p *play) skew(op Op) {
	p.wrong = max(p.wrong, op.For.d().Abs())
	restart := func(by time.Duration) {
		p.world.Skew = by
		p.world.Kill()
		p.world.Boot(0)
	}
	restart(op.For.d())
	end := p.now().Add(op.Window.d())
	p.obstruct(end)
	p.after(end, func() { restart(0) })
}

// thaw lets a frozen manager go on, beside the one that took over from it.
func (p *play) thaw() {
	p.note("the paused manager resumes")
	p.world.Thaw()
	p.obstruct(p.now())
}

func (p *play) awsFault(op Op) {
	fault := faults.Fault{Action: op.Action, Times: op.Nth, When: p.world.IsManagers}
	switch op.How {
	case "error":
		fault.Error = "InternalError"
	case "errorAfter":
		fault.ErrorAfter = "InternalError"
	case "lost":
		fault.Lost = true
	case "throttle":
		fault.Throttle = &faults.Bucket{Burst: 1, PerSecond: 0.1}
	case "stale5s":
		fault.Stale = faults.Duration(5 * time.Second)
	case "stale60s":
		fault.Stale = faults.Duration(time.Minute)
	case "denied":
		fault.Denied = true
	default:
		p.broken("no fault of AWS is called %q", op.How)
		return
	}
	if strings.HasPrefix(op.How, "stale") && (p.now().Sub(p.replacedAt) < 2*time.Minute) {
		return // see replaceRule
	}
	end := p.now().Add(op.For.d())
	if strings.HasPrefix(op.How, "stale") {
		p.staleUntil = latest(p.staleUntil, end)
	}
	remove := p.sim.Faults().Add(fault)
	p.obstruct(end)
	p.after(end, remove)
}

func (p *play) kubeFault(op Op) {
	p.mu.Lock()
	f := &kubeFault{how: op.How, left: op.Nth, limited: op.Nth > 0}
	p.kubeFaults = append(p.kubeFaults, f)
	p.mu.Unlock()
	end := p.now().Add(op.For.d())
	p.obstruct(end)
	p.after(end, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.kubeFaults = slices.DeleteFunc(p.kubeFaults, func(o *kubeFault) bool { return o == f })
	})
}

// kubeFault is a fault of the API server that is in force.
type kubeFault struct {
	how     string
	left    int
	limited bool
}

// tap sees each step of the manager, and says what goes wrong there.
func (p *play) tap(step *rig.Step, after bool, err error) rig.Verdict {
	v, meddle := p.faultAt(step, after, err)
	if meddle != nil {
		meddle()
	}
	return v
}

// faultAt says what goes wrong at a step, and what a third party does right then.
func (p *play) faultAt(step *rig.Step, after bool, err error) (v rig.Verdict, meddle func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps++
	if after && !step.ReadOnly && !step.DryRun {
		p.log = append(p.log, fmt.Sprintf("%8s     manager %d: %s%s", p.now().Sub(p.began), step.Life, step, outcome(err)))
	}
	for i, a := range p.armed {
		if !counts(a.op.At, step, after) || a.op.Do == Freeze && p.slept[step.Life] {
			continue // who waits for a manager to wake waits until it has ended, too
		}
		if a.left--; a.left > 0 {
			continue
		}
		p.armed = slices.Delete(p.armed, i, i+1)
		p.log = append(p.log, fmt.Sprintf("%8s manager %d: %s %s %s", p.now().Sub(p.began), step.Life, a.op.Do, when(after), step))
		if a.op.Do != Crash && a.op.Do != Freeze {
			return rig.Verdict{}, func() { perform[a.op.Do](p.in(a.op), a.op); p.in(a.op).mirror() }
		}
		if a.op.Do == Freeze {
			p.slept[step.Life] = true
			p.obstruct(p.now().Add(rig.Lease))
			p.world.At(a.op.For.d(), p.thaw)
			return rig.Verdict{Freeze: true}, nil
		}
		p.obstruct(p.now().Add(a.op.For.d()))
		p.world.At(0, func() { p.world.Boot(a.op.For.d()) })
		return rig.Verdict{Die: true}, nil
	}
	if !step.Kube || err != nil {
		return rig.Verdict{}, nil
	}
	for _, f := range p.kubeFaults {
		if instead := f.hit(after, step.Object); instead != nil {
			return rig.Verdict{Err: instead}, nil
		}
	}
	return rig.Verdict{}, nil
}

func outcome(err error) string {
	if err != nil {
		return ": " + err.Error()
	}
	return ""
}

func when(after bool) string {
	if after {
		return "after"
	}
	return "before"
}

// counts reports whether a step is one of the points that a crash counts.
func counts(point string, step *rig.Step, after bool) bool {
	when, kind, _ := strings.Cut(point, " ")
	if (when == "after") != after {
		return false
	}
	switch kind {
	case "kube write":
		return step.Kube
	case "aws write":
		return !step.Kube && !step.ReadOnly && !step.DryRun
	default:
		return !step.Kube && (step.ReadOnly || step.DryRun)
	}
}

// hit gives the error of a write that the fault hits.
func (f *kubeFault) hit(after bool, name string) error {
	if (f.how == "lost") != after || f.limited && f.left == 0 {
		return nil
	}
	f.left--
	switch f.how {
	case "conflict":
		return apierrors.NewConflict(schema.GroupResource{Resource: "agentdisconnects"}, name, errors.New("a third party wrote it"))
	case "gone":
		return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	default:
		return &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
