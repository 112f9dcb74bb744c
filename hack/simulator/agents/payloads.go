// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync"
)

// payloads are what one ACS session has sent of an instance's tasks. Each task is sent once with
// each desired status: within a session TCP sees to what is lost. The next session begins anew,
// with what no agent has acknowledged.
type payloads struct {
	o     *ControlPlaneOptions
	woken chan struct{}

	mu   sync.Mutex
	sent map[told]struct{}
	// unacknowledged are the tasks of messages, by the message's id.
	unacknowledged map[string][]Task
}

func newPayloads(o *ControlPlaneOptions) *payloads {
	return &payloads{o: o, woken: make(chan struct{}, 1), sent: map[told]struct{}{}, unacknowledged: map[string][]Task{}}
}

// wake has the session look for tasks.
func (p *payloads) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// next is a message's id and its tasks, none when there is nothing that was not sent.
func (p *payloads) next(containerInstanceARN string) (id string, tasks []Task) {
	if p.o.Payloads == nil {
		return "", nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.o.Payloads(containerInstanceARN) {
		if _, ok := p.sent[t.told()]; !ok {
			p.sent[t.told()] = struct{}{}
			tasks = append(tasks, t)
		}
	}
	if len(tasks) > 0 {
		id = rand.Text()
		p.unacknowledged[id] = tasks
	}
	return id, tasks
}

// acknowledge takes an agent's acknowledgement. One of a message that was not sent, or a second
// one, means nothing.
func (p *payloads) acknowledge(message json.RawMessage) {
	var ack payloadAck
	if json.Unmarshal(message, &ack) != nil {
		return
	}
	p.mu.Lock()
	tasks := p.unacknowledged[ack.MessageID]
	delete(p.unacknowledged, ack.MessageID)
	p.mu.Unlock()
	if len(tasks) > 0 {
		p.o.Acknowledged(tasks)
	}
}

// sendPayloads tells the agent of its tasks, at once and whenever the session is woken.
func (s *serverSession) sendPayloads(ctx context.Context) {
	for {
		if id, tasks := s.payloads.next(s.containerInstanceARN); len(tasks) > 0 {
			s.send(ctx, encode(typePayload, payload{
				MessageID: id, ClusterARN: s.cluster, ContainerInstanceARN: s.containerInstanceARN, Tasks: tasks,
			}))
		}
		select {
		case <-s.payloads.woken:
		case <-ctx.Done():
			return
		}
	}
}

// SendPayloads has the ACS sessions of a container instance send what ControlPlaneOptions.Payloads
// has for it. A session that comes up does so by itself.
func (c *ControlPlane) SendPayloads(containerInstanceARN string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.sessions[client{ACS, containerInstanceARN}] {
		s.payloads.wake()
	}
}
