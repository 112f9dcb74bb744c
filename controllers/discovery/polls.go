// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"maps"
	"slices"
	"time"
)

// Poll is what ECS said of agents at one time.
type Poll struct {
	at time.Time
	// connected has the container instances that ECS knows, by ARN, draining those with the status
	// DRAINING.
	connected, draining map[string]bool
	// providers are the names of the capacity providers that the instances are of.
	providers map[string]bool
}

// NewPoll makes a poll of what PollAgents gave at a time. Without agents it is an answer too: ECS
// knows none.
func NewPoll(at time.Time, agents map[string]Agent) Poll {
	poll := Poll{at: at, connected: make(map[string]bool, len(agents)), draining: map[string]bool{}, providers: map[string]bool{}}
	for arn, agent := range agents {
		poll.connected[arn] = agent.Connected
		if agent.Draining {
			poll.draining[arn] = true
		}
		if agent.CapacityProvider != "" {
			poll.providers[agent.CapacityProvider] = true
		}
	}
	return poll
}

// IsConnected reports whether ECS said of a container instance that its agent is connected.
func (p Poll) IsConnected(arn string) bool { return p.connected[arn] }

// IsDraining reports whether ECS said of a container instance that it drains.
func (p Poll) IsDraining(arn string) bool { return p.draining[arn] }

// HasConnected reports whether any agent was connected.
func (p Poll) HasConnected() bool {
	return slices.Contains(slices.Collect(maps.Values(p.connected)), true)
}

// Instances are the ARNs of the container instances that ECS knew, sorted.
func (p Poll) Instances() []string { return slices.Sorted(maps.Keys(p.connected)) }

// Providers are the names of their capacity providers, sorted.
func (p Poll) Providers() []string { return slices.Sorted(maps.Keys(p.providers)) }

// Polls are the last two answers of ECS about agents. The zero value is empty.
type Polls struct {
	// last are the answers, the newest last.
	last []Poll
	// answered is when ECS last answered, also where the answer is forgotten since.
	answered time.Time
}

// Add adds an answer, the newest.
func (p *Polls) Add(poll Poll) {
	p.last, p.answered = append(slices.Clone(p.last), poll), poll.at
	if len(p.last) > 2 {
		p.last = p.last[len(p.last)-2:]
	}
}

// Forget forgets the answers, which say nothing of what comes after: when ECS last answered stays.
func (p *Polls) Forget() { p.last = nil }

// ForgetSince forgets the answers that came after an earlier state of the polls.
func (p *Polls) ForgetSince(earlier Polls) { p.last = earlier.last }

// AnsweredAt is when ECS last answered about agents; zero: never.
func (p *Polls) AnsweredAt() time.Time { return p.answered }

// Latest is the newest answer that is not forgotten; ok is false where there is none.
func (p *Polls) Latest() (poll Poll, ok bool) {
	if len(p.last) == 0 {
		return Poll{}, false
	}
	return p.last[len(p.last)-1], true
}

// HasConnected reports whether an agent was connected on the latest poll.
func (p *Polls) HasConnected() bool {
	latest, _ := p.Latest()
	return latest.HasConnected()
}

// LatestAt is when the newest answer that is not forgotten was given; zero: there is none.
func (p *Polls) LatestAt() time.Time {
	poll, _ := p.Latest()
	return poll.at
}

// AreTwoSince reports whether there are two answers, both not before a time.
func (p *Polls) AreTwoSince(since time.Time) bool {
	return len(p.last) == 2 && !p.last[0].at.Before(since)
}

// Agreed gives what two answers, both not before since, agree on for an agent: that it is connected
// or not, or that ECS no longer knows the container instance. ok is false where they differ, or are
// fewer.
func (p *Polls) Agreed(arn string, since time.Time) (connected, gone, ok bool) {
	if !p.AreTwoSince(since) {
		return false, false, false
	}

	before, knownBefore := p.last[0].connected[arn]
	after, knownAfter := p.last[1].connected[arn]
	if before != after || knownBefore != knownAfter {
		return false, false, false
	}
	return after, !knownAfter, true
}
