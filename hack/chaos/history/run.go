// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
)

// Result is what came of a history.
type Result struct {
	// Violations are the promises that were not kept, each sort once; empty: all were.
	Violations []Violation
	// Ops is how many operations were done, Steps how many calls to AWS and writes to Kubernetes the manager made.
	Ops, Steps int
	// Waited is how much time went by while calls waited for their turn.
	Waited time.Duration
	// Log says what happened, a line each.
	Log []string
}

// Promises are the promises that were not kept.
func (r Result) Promises() []string {
	var names []string
	for _, v := range r.Violations {
		names = append(names, v.Promise)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Run has a history happen in a world of its own. The error is of the world, and says nothing of the manager.
func Run(ctx context.Context, plane *rig.Plane, h History) (Result, error) {
	p, err := newPlay(ctx, plane, h)
	if err != nil {
		return Result{}, err
	}
	defer p.close()
	for i, op := range h.Ops {
		p.op = i + 1
		p.do(op)
		if p.failed() {
			break
		}
	}
	p.op = len(h.Ops) + 1
	if !p.failed() {
		p.finish(h.Deleted)
	}
	return Result{Violations: p.violations, Ops: p.op - 1, Steps: p.steps, Waited: p.world.Waited(), Log: p.log}, p.err
}

// perform is what the operations do.
var perform = map[Kind]func(*play, Op){
	Create: (*play).create, Apply: (*play).apply, Lengthen: (*play).lengthen, Suspend: (*play).suspend, Resume: (*play).resume,
	Renew: (*play).renew, Delete: (*play).delete, Force: (*play).force, DropCondition: (*play).dropCondition, DamageLedger: (*play).damageLedger, Brake: (*play).brake,
	AddEntry: (*play).addEntry, ReplaceEntry: (*play).replaceEntry, DeleteEntry: (*play).deleteEntry, AddTag: (*play).addTag,
	RemoveTag: (*play).removeTag, StripTags: (*play).stripTags, RemoveRule: (*play).removeRule, ReplaceRule: (*play).replaceRule,
	OverrideRule: (*play).overrideRule, Consent: (*play).consent, Withdraw: (*play).withdraw, MoveSubnet: (*play).moveSubnet,
	AddACL: (*play).addACL, DeleteACL: (*play).deleteACL, AgentsDown: (*play).agentsDown, AgentsUp: (*play).agentsUp,
	Call: (*play).call, Trail: (*play).trail, AddInstance: (*play).addInstance, RemoveInstance: (*play).removeInstance, Rotate: (*play).rotate, Crash: (*play).crash, Off: (*play).off,
	Freeze: (*play).crash, AWSFault: (*play).awsFault, KubeFault: (*play).kubeFault, Skew: (*play).skew,
	Pass: func(p *play, op Op) { p.pass(op.For.d()) },
}

func (p *play) do(op Op) {
	act, known := perform[op.Do]
	if !known {
		p.broken("there is no operation %q", op.Do)
		return
	}
	p.note("%d %s", p.op, op)
	if op.At != "" {
		act = (*play).crash // it waits for its point
	}
	act(p.in(op), op)
	p.look()
}

// violated notes a promise that was not kept, once.
func (p *play) violated(promise, format string, args ...any) {
	v := Violation{Promise: promise, Text: fmt.Sprintf(format, args...), After: p.now().Sub(p.began), Op: p.op}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.ContainsFunc(p.violations, func(o Violation) bool { return o.Promise == promise }) {
		p.violations = append(p.violations, v)
	}
}

func (p *play) failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.violations) > 0 || p.err != nil
}

// broken notes that the world does not work, which is no fault of the manager's.
func (p *play) broken(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// note adds a line to the log.
func (p *play) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, fmt.Sprintf("%8s ", p.now().Sub(p.began))+fmt.Sprintf(format, args...))
}
