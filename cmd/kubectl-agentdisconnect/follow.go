// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

const (
	// redraw is how often the view is brought up to date: it counts down in seconds.
	redraw = time.Second
	// logIndent is the width of the time in front of a line of the log.
	logIndent = 11
)

// ending is why a run is followed no longer.
type ending int

const (
	// endedReached: what was waited for is there.
	endedReached ending = iota
	// endedGone: the object was deleted.
	endedGone
	// endedTimeout: the time to wait is over.
	endedTimeout
	// endedLeft: the user stopped following.
	endedLeft
)

// follower follows one object until something ends that.
type follower struct {
	*program
	cluster *cluster
	screen  *view.Screen
	// obj is the object as last seen.
	obj *v1alpha1.AgentDisconnect
	// until reports whether the object shows what is waited for.
	until func(*v1alpha1.AgentDisconnect) bool
	// timeout is how long to wait at most; 0: as long as it takes.
	timeout time.Duration
	// mayAsk says that Ctrl-C asks once whether to end the run.
	mayAsk bool
	// tellsAll says that the log has the verdict too, since no error will.
	tellsAll bool
	// deleted says that the user ended the run.
	deleted bool

	logged []view.Line
	// asking cancels the question that is on the screen; nil: none is.
	asking  context.CancelFunc
	answers chan bool
	// trouble is what was last said of an API server that gives no answer.
	trouble string
}

func (p *program) newFollower(c *cluster, obj *v1alpha1.AgentDisconnect, timeout time.Duration) *follower {
	return &follower{
		program: p, cluster: c, screen: p.screen(), obj: obj, timeout: timeout, answers: make(chan bool, 1),
		until: func(*v1alpha1.AgentDisconnect) bool { return false },
	}
}

func (p *program) screen() *view.Screen { return view.NewScreen(p.out, p.size, p.color) }

// follow shows the object until what is waited for is there, or something else ends it. An
// interruption by Ctrl-C is its own to handle; a context that ends stops it.
func (f *follower) follow(ctx context.Context) ending {
	signals, release := f.interrupts()
	defer release()
	// Ctrl-C cancels the command's context too.
	watchCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	events := f.watchObject(watchCtx, f.cluster, f.obj)
	defer f.screen.Erase()
	defer f.stopAsking()

	var deadline <-chan time.Time
	if f.timeout > 0 {
		timer := f.clock.NewTimer(f.timeout)
		defer timer.Stop()
		deadline = timer.C()
	}

	f.show()
	for {
		tick := f.clock.NewTimer(redraw)
		select {
		case e := <-events:
			if end, done := f.hear(e); done {
				tick.Stop()
				return end
			}
		case <-deadline:
			tick.Stop()
			return endedTimeout
		case signal := <-signals:
			if signal != os.Interrupt || f.interrupt(watchCtx) {
				tick.Stop()
				return endedLeft
			}
		case yes := <-f.answers:
			f.answer(watchCtx, yes)
		case <-tick.C():
		}
		tick.Stop()
		f.show()
	}
}

// hear takes in what the API server says.
func (f *follower) hear(e event) (ending, bool) {
	switch {
	case e.gone:
		return endedGone, true
	case e.err != nil:
		f.complain(e.err)
		return 0, false
	}

	f.trouble, f.obj = "", e.obj
	if !f.until(f.obj) {
		return 0, false
	}
	f.stopAsking()
	f.log()
	return endedReached, true
}

// complain says once that the API server gives no answer: the run goes on meanwhile.
func (f *follower) complain(err error) {
	if f.trouble == "" && f.asking == nil {
		f.say("No news of the run; trying again: " + err.Error())
	}
	f.trouble = err.Error()
}

// interrupt handles Ctrl-C: it asks once whether to end the run, where a person can answer.
// It reports whether to stop following.
func (f *follower) interrupt(ctx context.Context) bool {
	if !f.mayAsk || !f.terminal || f.asking != nil {
		return true
	}

	f.mayAsk = false
	f.screen.Print(0, fmt.Sprintf("To end the run, the command deletes %s, and the manager removes its rules. Ctrl-C again leaves it running.", f.name()))
	ctx, f.asking = context.WithCancel(ctx)
	out := f.out
	if !f.screen.IsLive() {
		out = f.errOut // a pipe may not show it, or have ended
	}
	go func() { f.answers <- f.confirm(ctx, out, "End the run?") }()
	return false
}

// stopAsking takes a question back.
func (f *follower) stopAsking() {
	if f.asking != nil {
		f.asking()
		<-f.answers // it has ended its line by then
		f.asking = nil
	}
}

// answer does what the user wants.
func (f *follower) answer(ctx context.Context, yes bool) {
	f.asking()
	f.asking = nil
	if !yes {
		return
	}
	if err := f.delete(ctx); err != nil {
		f.say("The run goes on: " + err.Error())
	}
}

// delete deletes the object that is followed, and no other of its name, and has it followed until
// it is gone.
func (f *follower) delete(ctx context.Context) error {
	err := f.cluster.in(f.obj.Namespace).Delete(ctx, f.obj.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &f.obj.UID}})
	if err != nil {
		return f.cluster.explain("delete", f.obj.Namespace, f.obj.Name, err)
	}
	f.deleted, f.until = true, func(*v1alpha1.AgentDisconnect) bool { return false }
	f.say("Deleted " + f.name() + "; waiting until the manager has removed what the run made")
	return nil
}

// show brings log and block up to date, unless a question is on the screen.
func (f *follower) show() {
	if f.asking == nil {
		f.log()
		f.screen.Draw(f.title(), view.Lines(f.obj, f.clock.Now()), f.footer())
	}
}

// log prints what changed. A verdict that ends the command with an error is for that error to say.
func (f *follower) log() {
	lines := view.Lines(f.obj, f.clock.Now())
	told := lines
	if v := view.Judge(f.obj); !f.tellsAll && f.until(f.obj) && v.Outcome != view.Succeeded {
		told = slices.DeleteFunc(slices.Clone(lines), func(l view.Line) bool { return l.Label == view.LabelState || l.Label == view.LabelProblem })
	}
	for _, change := range view.Changes(f.logged, told) {
		f.say(change)
	}
	f.logged = lines
}

// say prints a line of the log.
func (f *follower) say(text string) {
	f.screen.Print(logIndent, f.clock.Now().UTC().Format("15:04:05Z")+"  "+text)
}

func (f *follower) title() string {
	spec := f.obj.Spec
	parts := []string{f.obj.Namespace + "/" + f.obj.Name, spec.SubnetID + " of " + spec.Cluster[strings.LastIndex(spec.Cluster, "/")+1:]}
	if spec.Mode == v1alpha1.ModePlan {
		parts = append(parts, "plan")
	}
	return strings.Join(parts, "   ")
}

func (f *follower) footer() string {
	switch {
	case f.deleted:
		return "Ctrl-C stops following; the manager goes on removing the run."
	case f.mayAsk && f.terminal:
		return "Ctrl-C asks whether to end the run."
	default:
		return "Ctrl-C stops following; the run goes on."
	}
}
