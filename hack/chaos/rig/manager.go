// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/sweeper"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// errKilled is the answer to every call of a manager after its end.
var errKilled = errors.New("the manager's process has ended")

// manager is one life of the manager: a process that can end or freeze at any step.
type manager struct {
	world      *World
	life       int
	reconciler *agentdisconnect.Reconciler
	sweeper    *sweeper.Sweeper

	mu     sync.Mutex
	killed bool
	thaw   chan struct{} // open while the process is frozen
	// asked is how many steps are under way: begun, and not answered or held back.
	asked int
	quiet *sync.Cond
	// waited says that a call of this pass waited for a Region that does not answer.
	waited bool
	// passing says that a pass or a sweep is under way.
	passing bool
	// frozen is closed when the process first froze.
	frozen chan struct{}
}

// newManager boots a manager that sees no objects but its world's. It repeats no read within a pass, so that what goes wrong
// reaches the controller.
func newManager(w *World, life int) *manager {
	m := &manager{world: w, life: life, frozen: make(chan struct{})}
	m.quiet = sync.NewCond(&m.mu)
	config := w.config.Copy()
	config.Credentials = credentials{w, config.Credentials}
	sessions := aws.NewSessions(config, "agentdisconnect", "chaos", withoutRetries, m.guard)
	clock := managersClock{w.Clock, m, w.Skew}
	sessions.Clock, sessions.Limits = clock, w.limits
	sessions.Limits.Clock = &limitsClock{manager: m}
	kubernetes := m.client(w.plane.Client)
	m.reconciler = agentdisconnect.New(kubernetes, kubernetes, &events.FakeRecorder{}, sessions, clock, w.Options)
	m.sweeper = sweeper.New(objects.NewReader(kubernetes), sessions, clock, w.Options)
	return m
}

func (m *manager) pass(ctx context.Context, key client.ObjectKey) (reconcile.Result, error) {
	return m.reconciler.Reconcile(ctx, reconcile.Request{NamespacedName: key})
}

// begin begins a pass.
func (m *manager) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waited = false
}

// enter lets a step or a read begin, unless the process has ended; a frozen one is held back until it thaws.
func (m *manager) enter() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.await()
	if m.killed {
		return errKilled
	}
	m.asked++
	return nil
}

// leave lets an answer reach the process, which may have ended or frozen meanwhile.
func (m *manager) leave() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked--
	m.quiet.Broadcast()
	m.await()
	if m.killed {
		return errKilled
	}
	return nil
}

// await holds the caller back while the process is frozen. The lock must be held.
func (m *manager) await() {
	for m.thaw != nil {
		thaw := m.thaw
		m.mu.Unlock()
		<-thaw
		m.mu.Lock()
	}
}

func (m *manager) alive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.killed
}

func (m *manager) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.killed = true
	m.quiet.Broadcast()
}

// setPassing notes whether a pass or a sweep is under way.
func (m *manager) setPassing(is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passing = is
	m.quiet.Broadcast()
}

// awaitPass holds up what the process does beside its passes until one is under way, so that all that
// happens in a world comes one after the other. It reports whether the process has not ended.
func (m *manager) awaitPass() (alive bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for !m.passing && !m.killed {
		m.quiet.Wait()
	}
	return !m.killed
}

// freeze stops the process. What it has asked for goes on.
func (m *manager) freeze() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.thaw == nil && !m.killed {
		m.thaw = make(chan struct{})
		select {
		case <-m.frozen:
		default:
			close(m.frozen)
		}
	}
}

// settle waits until nothing that a frozen process has sent is under way. A call that has begun, and that needs something
// of the process before it is sent, goes on when it thaws: it may wait for its turn, or for a read of the object.
func (m *manager) settle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	over := false
	timer := time.AfterFunc(answeredWithin, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		over = true
		m.quiet.Broadcast()
	})
	defer timer.Stop()
	for m.asked > 0 && !over {
		m.quiet.Wait()
	}
}

// answeredWithin is how long the Region takes to answer what was sent, in real time, on a busy machine.
const answeredWithin = 3 * time.Second

// wake lets a frozen process go on.
func (m *manager) wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.thaw != nil {
		close(m.thaw)
		m.thaw = nil
	}
}

// suffer has done to the process what the tap says, and gives the error in place of effect or answer.
func (m *manager) suffer(v Verdict) error {
	if v.Took > 0 {
		m.world.advance(m.world.Clock.Now().Add(v.Took))
	}
	if v.Die {
		m.kill()
	}
	if v.Freeze {
		m.freeze()
	}
	m.mu.Lock()
	held := m.thaw != nil
	if held {
		m.asked--
		m.quiet.Broadcast()
		m.await()
		m.asked++
	}
	killed := m.killed
	m.mu.Unlock()
	if killed {
		return errKilled
	}
	return v.Err
}

// guard puts the tap between the manager and AWS.
func (m *manager) guard(stack *middleware.Stack) error {
	remember := middleware.InitializeMiddlewareFunc("ChaosParameters",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(middleware.WithStackValue(ctx, parametersKey{}, in.Parameters), in)
		})
	tap := middleware.FinalizeMiddlewareFunc("ChaosTap",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
			if awsmiddleware.GetRegion(ctx) != m.world.config.Region {
				return out, metadata, m.unanswered(ctx)
			}
			if err := m.enter(); err != nil {
				return out, metadata, err
			}
			step := m.callOf(ctx)
			record := m.world.begin(step)
			err = m.suffer(m.askTap(step, false, nil, in.Request))
			if err == nil {
				out, metadata, err = next.HandleFinalize(ctx, in)
				if instead := m.suffer(m.askTap(step, true, err, nil)); instead != nil {
					err = instead
				}
			}
			if ended := m.leave(); ended != nil {
				err = ended
			}
			m.world.end(record, err)
			return out, metadata, err
		})
	return errors.Join(stack.Initialize.Add(remember, middleware.Before), stack.Finalize.Add(tap, middleware.Before))
}

type parametersKey struct{}

// callOf is the step that a call to AWS is.
func (m *manager) callOf(ctx context.Context) *Step {
	params := middleware.GetStackValue(ctx, parametersKey{})
	operation := awsmiddleware.GetOperationName(ctx)
	service := strings.ReplaceAll(strings.ToLower(awsmiddleware.GetServiceID(ctx)), " ", "")
	step := &Step{Action: service + ":" + operation, Life: m.life, Time: m.world.Clock.Now(), DryRun: dryRun(params)}
	for _, prefix := range []string{"Describe", "List", "Get", "Discover", "Lookup"} {
		step.ReadOnly = step.ReadOnly || strings.HasPrefix(operation, prefix)
	}
	name := strings.TrimSpace(step.Action + " " + about(params, m.world.known))
	if step.DryRun {
		name += " dry run"
	}
	step.Name = m.world.count(name)
	return step
}

// askTap asks the tap, and has the Region do to the call what it says.
func (m *manager) askTap(step *Step, after bool, err error, request any) Verdict {
	v := m.world.tapped(step, after, err)
	if v.Fault == nil || request == nil {
		return v
	}
	// The Region finds the one call by a mark in the name that the client calls itself.
	mark := "chaos/" + strconv.Itoa(m.world.nextMark())
	if r, ok := request.(*smithyhttp.Request); ok {
		r.Header.Set("User-Agent", r.Header.Get("User-Agent")+" "+mark)
	}
	fault := *v.Fault
	fault.Action, fault.Times, fault.DryRuns = step.Action, 1, true
	fault.When = func(c call.Call) bool { return strings.HasSuffix(c.UserAgent, " "+mark) }
	m.world.faults.Add(fault)
	return v
}

// withoutRetries takes the SDK's own repeating of calls away.
func withoutRetries(stack *middleware.Stack) error {
	_, err := stack.Finalize.Remove("Retry")
	return err
}
