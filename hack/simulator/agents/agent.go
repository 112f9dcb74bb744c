// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"sync"
	"sync/atomic"
)

// Agent is the ECS agent of one container instance.
type Agent struct {
	o      Options
	timing *timing
	log    journal

	mu      sync.Mutex
	current *run
}

// run is an agent's life from Start to Stop: what the process keeps in memory.
type run struct {
	o         *Options
	timing    *timing
	log       *journal
	endpoints *endpoints
	connected map[Kind]*atomic.Bool

	// ctx ends with Stop, or with the context that Start was given.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New gives an agent that is not running.
func New(o Options) *Agent {
	if o.Tasks == nil {
		o.Tasks = &Tasks{}
	}
	return &Agent{o: o, timing: newTiming(o.Scale, o.Seed)}
}

// Start runs the agent until ctx ends or Stop is called. It does nothing while the agent is running.
func (a *Agent) Start(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current != nil && a.current.ctx.Err() == nil {
		return
	}
	a.stop()
	ctx, cancel := context.WithCancel(ctx)
	r := &run{
		o:         &a.o,
		timing:    a.timing,
		log:       &a.log,
		endpoints: &endpoints{discover: a.o.Discover, ttl: a.timing.scaled(endpointsTTL), containerInstance: a.o.ContainerInstanceARN, log: &a.log},
		connected: map[Kind]*atomic.Bool{},
		ctx:       ctx,
		cancel:    cancel,
	}
	for _, k := range kinds {
		r.connected[k] = &atomic.Bool{}
	}
	r.log.info("Amazon ECS agent Version: " + agentVersion + ", Commit: " + agentHash)
	for _, k := range kinds {
		r.wg.Go(func() { r.keepSession(ctx, k) })
	}
	r.wg.Go(func() { r.reportTasks(ctx) })
	a.current = r
}

// Stop ends the agent as the end of its process does, and waits for it.
func (a *Agent) Stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stop()
}

func (a *Agent) stop() {
	if a.current == nil {
		return
	}
	a.current.cancel()
	a.current.wg.Wait()
	a.current = nil
}

// Restart stops the agent and starts it again, which loses its cached endpoints and its back-off.
func (a *Agent) Restart(ctx context.Context) {
	a.Stop()
	a.Start(ctx)
}

// Connected reports whether the agent itself takes its session of a kind for connected.
func (a *Agent) Connected(k Kind) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current != nil && a.current.connected[k].Load()
}

// Log gives the agent's latest log lines, oldest first.
func (a *Agent) Log() []Line { return a.log.all() }
