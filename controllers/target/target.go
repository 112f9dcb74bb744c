// SPDX-License-Identifier: Apache-2.0

package target

import (
	"net/netip"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// Target is the target of a run in one pass.
type Target struct {
	*pass.Pass

	seen *Memory
	// since is when answers have to be asked for to count for this pass's look; zero: in this pass.
	since time.Time
	// unseen is why this pass could not look for other clusters, and in which subnets.
	unseen struct {
		about string
		err   error
	}
}

// New gives the target in a pass. seen is what earlier passes saw of it.
func New(p *pass.Pass, seen *Memory) *Target { return &Target{Pass: p, seen: seen} }

// Memory is what passes saw of a target, beside what they learned. The zero value is empty.
type Memory struct {
	// watchedAt is when ECS last answered about agents while the run was on.
	watchedAt time.Time
	// unanswered is why ECS did not name the hosts of every tracked agent when it was last
	// asked; nil: it did.
	unanswered error
	// lookedAt is when subnet and cluster were last looked at.
	lookedAt time.Time
	// changed is what is not as it should be with subnet and cluster, and hit what is not with the
	// subnets that the denies act on.
	changed, hit networkacl.Confirmation
	// suspected is what a read shows about the subnets hit, in words; nil: none. evidence are the
	// subnets or clusters that all reads since it arose showed. consented are the subnets that were
	// seen to consent.
	suspected *problem.Problem
	evidence  []string
	consented map[string]bool
	// lookFailed says that the last look at the run's own subnet failed, or the one at the others
	// that are hit.
	lookFailed struct{ own, beside bool }
	// protected are the addresses of hosts that the run must not deny, and subnetRanges the blocks
	// of its own subnet.
	protected    []discovery.Protected
	subnetRanges []netip.Prefix
	// missing says since which look at the VPC's endpoints an address of one is missing, by
	// endpoint and address.
	missing map[string]time.Time
}

// BeginRun forgets what was seen before the run began, since that says nothing of the run.
// consented are the subnets that were seen to consent then.
func (t *Target) BeginRun(consented func(func(string) bool)) {
	t.seen.changed.Clear()
	t.clearHit()
	t.noteConsent(consented)
	t.seen.lookFailed.own, t.seen.lookFailed.beside = false, false
	t.seen.lookedAt = t.Now
}

// BeginLook notes that subnet and cluster are looked at in this pass. Where nothing was wrong when
// they last were, answers to other runs do that were asked for half an interval after that or later.
func (t *Target) BeginLook(settled bool) {
	if settled {
		t.since = t.seen.lookedAt.Add(t.Options.ACLPollInterval / 2)
	}
	t.seen.lookedAt = t.Now
}

// LookAnew has the rest of the pass ask for itself.
func (t *Target) LookAnew() { t.since = time.Time{} }

// slow are clients for what is asked about once a minute, and was last answered at a time. In a look
// where nothing was wrong before, answers to other runs do that are half that interval newer.
func (t *Target) slow(answered time.Time) aws.Polled {
	if t.since.IsZero() || answered.IsZero() {
		return t.Clients.Polled(time.Time{})
	}
	return t.Clients.Polled(answered.Add(answers.AnswerTTL / 2))
}

// IsChanged reports whether the last look showed subnet or cluster to be other than the run began
// with, and another one is to decide.
func (t *Target) IsChanged() bool { return t.seen.changed.IsPending() }

// KeepRanges keeps the blocks of the run's own subnet.
func (t *Target) KeepRanges(ranges []netip.Prefix) { t.seen.subnetRanges = ranges }
