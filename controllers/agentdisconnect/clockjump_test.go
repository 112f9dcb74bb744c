// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// endured is a run whose manager has its clock set, or is away, at some phase of it. Time that goes by and what the clock
// says of it are two things: a pass that is asked for in a minute comes a minute later, whatever the clock says then.
type endured struct {
	w    *world
	obj  *v1alpha1.AgentDisconnect
	mode v1alpha1.NetworkACLMode
	// elapsed is how much time has gone by since the world began.
	elapsed time.Duration
	process *process
}

const (
	enduredFor = 2 * time.Minute
	// setBack is more than a run, its recovery and what is unsure take together.
	setBack = 20 * time.Minute
	// unsure is a little more than a creation without an answer is looked for.
	unsure = networkacl.AmbiguousFor + time.Minute
)

// newEndured makes a world whose manager polls as seldom as it may, and whose agents notice at once.
func newEndured(ctx context.Context, mode v1alpha1.NetworkACLMode) *endured {
	w := newWorld(ctx)
	w.options.AgentPollInterval, w.options.ACLPollInterval, w.options.LookupInterval = time.Minute, time.Minute, time.Minute
	e := &endured{w: w, mode: mode}
	e.process = w.boot()
	w.beforePass = func() {
		if e.process.killed.Load() {
			e.process = w.boot()
		}
	}
	w.mirror()
	return e
}

// create asks for the run.
func (e *endured) create(ctx context.Context) {
	e.obj = e.w.create(ctx, within(enduredFor), func(obj *v1alpha1.AgentDisconnect) {
		if e.mode == v1alpha1.NetworkACLModeClone {
			shared(obj)
		}
		// The default is counted from the API server's own time.
		startingBefore(e.w.clock.Now().Add(run.StartWindow))(obj)
	})
}

// pass is one pass, and the time until the next is due; zero: none is.
func (e *endured) pass(ctx context.Context) time.Duration {
	result, err := e.w.pass(ctx, e.obj)
	if err != nil {
		return time.Second // as the work queue would
	}
	return result.RequeueAfter
}

// until makes passes until something holds, for a time at most, and reports whether it does.
func (e *endured) until(ctx context.Context, most time.Duration, holds func(*v1alpha1.AgentDisconnect) bool) bool {
	for end := e.elapsed + most; ; {
		next := e.pass(ctx)
		if holds(e.w.get(ctx, e.obj)) {
			return true
		}
		if next = max(next, time.Millisecond); e.elapsed+next > end {
			return false
		}
		e.elapsed += next
		e.w.clock.Step(next)
	}
}

// wait lets a time go by.
func (e *endured) wait(ctx context.Context, d time.Duration) {
	e.until(ctx, d, func(*v1alpha1.AgentDisconnect) bool { return false })
}

func in(state string) func(*v1alpha1.AgentDisconnect) bool {
	return func(seen *v1alpha1.AgentDisconnect) bool {
		return condition(seen, v1alpha1.ConditionSucceeded).Reason == state
	}
}

// isLifted reports whether no rule is in any subnet's way.
func (e *endured) isLifted(*v1alpha1.AgentDisconnect) bool {
	ok, _ := Equal(untagged(e.w.before)[e.home()]).Match(untagged(e.w.entries())[e.home()])
	return ok
}

// home is the network ACL that the run's subnet has.
func (e *endured) home() string {
	if e.mode == v1alpha1.NetworkACLModeClone {
		return sharedACL
	}
	return aclID
}

// over says that the run is over and its object let go.
func (e *endured) over(seen *v1alpha1.AgentDisconnect) bool {
	return seen.Status.CompletionTime != nil && len(seen.Finalizers) == 0
}

// phase is a part of a run: meet takes the run there and strikes in it, once. That is between two passes, or within one, at
// a call to AWS. What the run could not get to is an error.
type phase struct {
	name string
	meet func(ctx context.Context, e *endured, strike func()) error
}

// duringCall strikes at the first call of an action, before its effect.
func duringCall(ctx context.Context, e *endured, action string, strike func()) error {
	struck := false
	e.w.at(e.w.sim.Faults().Before, action, func() {
		strike()
		struck = true
	})
	if e.obj == nil {
		e.create(ctx)
	}
	if !e.until(ctx, 10*time.Minute, func(*v1alpha1.AgentDisconnect) bool { return struck }) {
		return fmt.Errorf("the run never calls %s: %s", action, describe(e.w.get(ctx, e.obj)))
	}
	return nil
}

// afterState strikes between two passes of a run that is in a state.
func afterState(ctx context.Context, e *endured, state string, strike func()) error {
	if e.obj == nil {
		e.create(ctx)
	}
	if !e.until(ctx, 10*time.Minute, in(state)) {
		return fmt.Errorf("the run is never %s: %s", state, describe(e.w.get(ctx, e.obj)))
	}
	strike()
	return nil
}

// phases are those of a run from its creation to its end.
var phases = []phase{
	{"before its start", func(ctx context.Context, e *endured, strike func()) error {
		e.create(ctx)
		e.pass(ctx) // of the two looks at the agents, the second is due in a minute
		if seen := e.w.get(ctx, e.obj); seen.Status.StartTime != nil {
			return fmt.Errorf("the run has begun: %s", describe(seen))
		}
		strike()
		return nil
	}},
	{"while its rules are put in place", func(ctx context.Context, e *endured, strike func()) error {
		return duringCall(ctx, e, "ec2:CreateNetworkAclEntry", strike)
	}},
	{"while it blocks", func(ctx context.Context, e *endured, strike func()) error {
		return afterState(ctx, e, v1alpha1.StateBlocking, strike)
	}},
	{"while its rules are taken back", func(ctx context.Context, e *endured, strike func()) error {
		e.create(ctx)
		if !e.until(ctx, 10*time.Minute, in(v1alpha1.StateBlocking)) {
			return fmt.Errorf("the run never blocks: %s", describe(e.w.get(ctx, e.obj)))
		}
		if e.mode == v1alpha1.NetworkACLModeClone {
			return duringCall(ctx, e, "ec2:ReplaceNetworkAclAssociation", strike) // the first since
		}
		return duringCall(ctx, e, "ec2:DeleteNetworkAclEntry", strike)
	}},
	{"while its agents recover", func(ctx context.Context, e *endured, strike func()) error {
		return afterState(ctx, e, v1alpha1.StateRecovering, strike)
	}},
}

// eachPhase has a scenario for each phase of a run in place, and of one on a clone.
func eachPhase(ctx context.Context, run func(*endured, phase) (shortfall string)) (scenarios []scenario) {
	for _, mode := range []v1alpha1.NetworkACLMode{v1alpha1.NetworkACLModeInPlace, v1alpha1.NetworkACLModeClone} {
		for _, p := range phases {
			e := newEndured(ctx, mode)
			scenarios = append(scenarios, scenario{fmt.Sprintf("%s, %s", mode, p.name), func() string { return run(e, p) }})
		}
	}
	return scenarios
}

// leftover says what is wrong with a run that should be over, whatever it went through; empty: nothing.
func (e *endured) leftover(ctx context.Context) string {
	var wrong []string
	seen := e.w.get(ctx, e.obj)
	if !e.over(seen) {
		wrong = append(wrong, "the run is not over: "+describe(seen))
	}
	if ok, _ := Equal(e.w.before).Match(e.w.entries()); !ok {
		wrong = append(wrong, fmt.Sprintf("the network ACLs are not as they were: %v", e.w.entries()))
	}
	if seen.Status.StartTime != nil && !seen.Status.ExpirationTime.Time.Equal(seen.Status.StartTime.Add(enduredFor)) {
		wrong = append(wrong, fmt.Sprintf("the expiration is %s, with a start at %s", seen.Status.ExpirationTime, seen.Status.StartTime))
	}
	if err := kube.Status().Update(ctx, seen, client.DryRunAll); err != nil {
		wrong = append(wrong, "the status is not valid: "+err.Error())
	}
	if e.mode == v1alpha1.NetworkACLModeClone {
		wrong = append(wrong, e.w.trespasses(e.w.before)...)
	}
	return strings.Join(wrong, "; ")
}

var _ = Describe("A clock that is set", func() {
	for _, restarting := range []bool{false, true} {
		how := "while the manager runs"
		if restarting {
			how = "while the manager is replaced"
		}

		It("forward by an hour, "+how+", ends the run at once", func(ctx context.Context) {
			all(eachPhase(ctx, func(e *endured, p phase) string {
				if err := p.meet(ctx, e, e.jump(time.Hour, restarting)); err != nil {
					return err.Error()
				}
				// An hour is more than the run, its recovery and the wait for its start together.
				if !e.until(ctx, soon, e.isLifted) {
					return fmt.Sprintf("rules are left %s later: %v", soon, e.w.entries()[e.home()])
				}
				e.until(ctx, run.RecoveryTimeout+unsure, e.over)
				return e.leftover(ctx)
			}))
		})

		// The expiration is a time of the clock, not a number of minutes: a run may last as much longer as the clock was set
		// back, and no more.
		It("back by 20 minutes, "+how+", makes the run last that much longer at most", takesMinutes, func(ctx context.Context) {
			all(eachPhase(ctx, func(e *endured, p phase) string {
				if err := p.meet(ctx, e, e.jump(-setBack, restarting)); err != nil {
					return err.Error()
				}
				// A run that has not begun yet looks at the agents again, which is due that much later than it was: in here,
				// times have no monotonic part.
				e.until(ctx, setBack+5*time.Minute, func(seen *v1alpha1.AgentDisconnect) bool { return seen.Status.StartTime != nil })
				if !e.until(ctx, setBack+enduredFor+soon, func(seen *v1alpha1.AgentDisconnect) bool {
					return seen.Status.StartTime != nil && !e.w.clock.Now().Before(seen.Status.ExpirationTime.Time) || e.over(seen)
				}) {
					return "the run's time is never over: " + describe(e.w.get(ctx, e.obj))
				}
				if !e.until(ctx, soon, e.isLifted) {
					return fmt.Sprintf("rules are left %s after the expiration: %v", soon, e.w.entries()[e.home()])
				}
				// What was awaited of agents, and of creations without an answer, is counted from times that are ahead.
				e.until(ctx, setBack+run.RecoveryTimeout+unsure, e.over)
				return e.leftover(ctx)
			}))
		})
	}
})

// jump sets the clock, and ends the manager's process with it where a new one is to find the other time.
func (e *endured) jump(by time.Duration, restarting bool) (strike func()) {
	return func() {
		e.w.clock.Step(by)
		if restarting {
			e.process.killed.Store(true)
		}
	}
}
