// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// History is what a process learned of one object's agents and hosts, pass after pass. It saves
// calls and tells two answers in a row from one. The zero value knows nothing; losing it costs the
// calls.
type History struct {
	Polls   Polls
	Hosts   NamedHosts
	Lookups Lookups
}

// NamedHosts are the hosts that ECS named to container instances. An agent may hold on to an
// earlier answer for 12 hours, so nothing is taken away.
type NamedHosts struct {
	byInstance map[string]namedHosts
	// sessions are those of the spec for which ECS was asked.
	sessions []v1alpha1.Session
	// answered is when ECS last answered for any.
	answered time.Time
}

// namedHosts are those of one container instance.
type namedHosts struct {
	hosts []Host
	// at is when ECS last answered, and tried when it was last asked.
	at, tried time.Time
}

// AskFor forgets the answers if they were for other sessions: they may lack what these need.
func (n *NamedHosts) AskFor(sessions []v1alpha1.Session) {
	if !slices.Equal(n.sessions, sessions) {
		n.Forget()
		n.sessions = slices.Clone(sessions)
	}
}

// Forget forgets the answers; when ECS last answered stays.
func (n *NamedHosts) Forget() { n.byInstance = nil }

// Note adds what PollEndpoints found for the container instances that ECS was asked for at a time.
func (n *NamedHosts) Note(asked []string, found map[string][]Host, now time.Time) {
	if n.byInstance == nil {
		n.byInstance = map[string]namedHosts{}
	}

	for _, arn := range asked {
		known := n.byInstance[arn]
		known.tried = now
		if hosts, answered := found[arn]; answered {
			known.at = now
			known.hosts = Union(map[string][]Host{arn: hosts}, known.hosts...)
		}
		n.byInstance[arn] = known
	}

	if len(found) > 0 {
		n.answered = now
	}
}

// Of are the hosts that ECS named to container instances, by ARN.
func (n *NamedHosts) Of(arns []string) map[string][]Host {
	found := make(map[string][]Host, len(arns))
	for _, arn := range arns {
		found[arn] = n.byInstance[arn].hosts
	}
	return found
}

// AnsweredAt is when ECS last named hosts to any container instance; zero: never.
func (n *NamedHosts) AnsweredAt() time.Time { return n.answered }

// AnsweredFor is when ECS last named hosts to a container instance; zero: never.
func (n *NamedHosts) AnsweredFor(arn string) time.Time { return n.byInstance[arn].at }

// TriedFor is when ECS was last asked for a container instance, answered or not; zero: never.
func (n *NamedHosts) TriedFor(arn string) time.Time { return n.byInstance[arn].tried }

// Lookups are how the lookups of hosts went. The zero value knows of none.
type Lookups struct {
	byHost map[string]lookups
	// at is when the hosts were last looked up.
	at time.Time
}

// lookups are those of one host.
type lookups struct {
	// quiet is for how long they have been answered, for every address family that is wanted, with
	// nothing new.
	quiet time.Duration
	// covered is when every family was last answered, and answered when any was.
	covered, answered time.Time
	// failure says what the last ones left unknown, and why; empty: nothing.
	failure string
}

// Note keeps what Lookup gave for hosts at a time. grown are the hosts of which it gave an address
// that was not known. Only time between two answers of every family is quiet, and only where they
// are no further apart than the given gap.
func (l *Lookups) Note(answers map[string]Answer, grown map[string]bool, now time.Time, gap time.Duration) {
	if l.byHost == nil {
		l.byHost = map[string]lookups{}
	}
	for host, answer := range answers {
		l.byHost[host] = l.byHost[host].after(answer, grown[host], now, gap)
	}
	l.at = now
}

func (h lookups) after(answer Answer, grown bool, now time.Time, gap time.Duration) lookups {
	if h.failure = answer.Failure(); answer.Answered() {
		h.answered = now
	}

	if between := now.Sub(h.covered); h.failure == "" && !h.covered.IsZero() && between <= gap {
		h.quiet += between
	}

	if h.failure == "" {
		h.covered = now
	}

	if grown {
		h.quiet = 0
	}
	return h
}

// At is when the hosts were last looked up; zero: never.
func (l *Lookups) At() time.Time { return l.at }

// Failure says what the last lookups of a host left unknown, and why; empty: nothing.
func (l *Lookups) Failure(host string) string { return l.byHost[host].failure }

// AnsweredAt is when the host of which that is longest ago was looked up with an answer; zero: one
// was not since the process began. VPC endpoints have no host to look up.
func (l *Lookups) AnsweredAt(endpoints []v1alpha1.Endpoint, now time.Time) time.Time {
	oldest := now
	for _, endpoint := range endpoints {
		if !run.IsPrivate(endpoint) {
			oldest = run.Earliest(oldest, l.byHost[endpoint.Hostname].answered)
		}
	}
	return oldest
}

// Unsettled are the hosts that may still have addresses which no lookup gave: lookups of them,
// which are made once an interval, were not answered for long enough, or not lately.
func (l *Lookups) Unsettled(endpoints []v1alpha1.Endpoint, now time.Time, interval time.Duration) []string {
	return l.hostsWhere(endpoints, func(h lookups) bool {
		return h.quiet < SettledAfter || !run.LookedAt(h.covered, interval).Fresh(now)
	})
}

// Failing are the hosts whose last lookups left something unknown, each with the reason.
func (l *Lookups) Failing(endpoints []v1alpha1.Endpoint) []string {
	hosts := l.hostsWhere(endpoints, func(h lookups) bool { return h.failure != "" })
	for i, host := range hosts {
		hosts[i] = host + " (" + l.byHost[host].failure + ")"
	}
	return hosts
}

// hostsWhere gives the hosts of endpoints of whose lookups something holds, sorted.
func (l *Lookups) hostsWhere(endpoints []v1alpha1.Endpoint, holds func(lookups) bool) []string {
	var hosts []string
	for _, endpoint := range endpoints {
		if !run.IsPrivate(endpoint) && holds(l.byHost[endpoint.Hostname]) {
			hosts = append(hosts, endpoint.Hostname)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
