// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/preflight"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// memory is what the passes of this process saw for one object. It saves calls and tells two reads
// in a row from one; a restart loses it and costs the reads only.
type memory struct {
	// history is what was learned of agents and hosts.
	history discovery.History
	// watchedAt is when ECS last answered about agents while the run was on.
	watchedAt time.Time
	// recovering is since when this process has waited for the agents without a break, and
	// recoveredAt when it last looked.
	recovering, recoveredAt time.Time
	// unanswered is why ECS did not name the hosts of every tracked agent when it was last
	// asked; nil: it did.
	unanswered error
	// acl is the network ACL as last read, at aclRead. Nil: it was not there.
	acl     *networkacl.ACL
	aclRead time.Time
	// targetLooked is when the rest of the target was last looked at.
	targetLooked time.Time
	// enforcedSince is since when every read of the network ACL shows that it denies everything, by
	// rules of this run; zero: the last one does not.
	enforcedSince time.Time
	// original is the network ACL that a clone was copied from, as read together with acl. Nil: it
	// was not there.
	original *networkacl.ACL
	// originalReads are what the reads of that network ACL came to, those before the run began
	// included.
	originalReads originalReads
	// tags are the tags on the network ACL that carries the rules, as last written or as two reads
	// in a row had them.
	// Nil: not known; empty: they were removed.
	tags map[string]string
	// unledgered is since when reads show tags that claim rules which the ledger lacks; zero: the
	// last one does not.
	unledgered time.Time
	// network is what is not as it should be on the network ACL, target what is not in the rest of
	// the target, hit what is not with the subnets that the denies act on, changed how the original
	// of a clone was changed, and stripped that the ownership tags are not all there.
	network, target, hit, changed, stripped networkacl.Confirmation
	// amiss is the suspicion about the subnets hit, in words; nil: none. evidence are the subnets or
	// clusters that all reads since it arose showed. consented are the subnets that were seen to
	// consent.
	amiss     *problem.Problem
	evidence  []string
	consented map[string]bool
	// lookFailed says that the last look at the run's own subnet failed, or the one at the others
	// that are hit.
	lookFailed struct{ own, beside bool }
	// repair is what is being repaired on the network ACL.
	repair repairUnderway
	// passedLook is the first look of the last pass, if it spoke for the run.
	passedLook preflight.Answer[firstLook]
	// cache has the answers of AWS about the target.
	cache preflight.Cache
	// switchLooked is when the schedules of the dead man's switch were last looked at, and
	// switchUnseen since when that fails.
	switchLooked, switchUnseen time.Time
	// switchFailure is what kept the switch from being looked at or armed when that was last due;
	// nil: nothing.
	switchFailure error
	// protected are the addresses of hosts that the run must not deny, and subnetRanges the blocks
	// of its own subnet.
	protected    []discovery.Protected
	subnetRanges []netip.Prefix
	// missing says since which look at the VPC's endpoints an address of one is missing, by
	// endpoint and address.
	missing map[string]time.Time
	// notes are what is worth saying of the target, a sentence each.
	notes []string
	// contradicted says since when reads contradict a line of the ledger that is to be undone, by
	// rule number.
	contradicted map[int32]time.Time
	// deleted says when AWS acknowledged the deletion of an entry.
	deleted map[entryKey]time.Time
	// aclMissing is since when reads lack the run's network ACL; zero: they don't.
	aclMissing time.Time
	// yields, if set, is why a run waits until yieldsUntil, so that an older one that began at the
	// same moment comes first.
	yields      *problem.Problem
	yieldsUntil time.Time
	// ended says that the run's end was acted on.
	ended bool
	// conflicts is how many passes in a row ended since others wrote what they rest on.
	conflicts int
	// begun says that the run had begun and was not over when the last pass ended.
	begun bool
	// refused and waited count the passes in a row that a person, or AWS, kept from beginning the
	// run.
	refused, waited setback
	// draft is what passes saw that could not finish the plan, of the generation draftOf.
	draft   *memory
	draftOf int64
}

// entryKey names the place of an entry: network ACL and number.
type entryKey struct {
	aclID  string
	number int32
}

func entryOf(line v1alpha1.Rule) entryKey { return entryKey{line.NetworkACLID, line.RuleNumber} }

// memories holds the memory of each object, by name: an object that is gone has no more than that.
type memories struct {
	mu     sync.Mutex
	byName map[types.NamespacedName]remembered
}

type remembered struct {
	uid types.UID
	*memory
}

func newMemory() *memory {
	return &memory{contradicted: map[int32]time.Time{}, deleted: map[entryKey]time.Time{}}
}

// of gives the memory of an object, a new one for one that took over the name of another.
func (m *memories) of(obj client.Object) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byName == nil {
		m.byName = map[types.NamespacedName]remembered{}
	}
	name := client.ObjectKeyFromObject(obj)
	if m.byName[name].uid != obj.GetUID() || m.byName[name].memory == nil {
		m.byName[name] = remembered{obj.GetUID(), newMemory()}
	}
	return m.byName[name].memory
}

// forget drops the memory of an object, and says which one that was.
func (m *memories) forget(name types.NamespacedName) (uid types.UID, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	forgotten, known := m.byName[name]
	delete(m.byName, name)
	return forgotten.uid, known
}

// hasBegun reports whether the run of an object had begun and was not over when its last pass
// ended.
func (m *memories) hasBegun(name types.NamespacedName) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := m.byName[name].memory
	return seen != nil && seen.begun
}

// attend notes that the manager waits for the agents. A break longer than the given time begins the
// wait anew: the manager was away.
func (m *memory) attend(now time.Time, longest time.Duration) {
	if m.recovering.IsZero() || now.Sub(m.recoveredAt) > longest {
		m.recovering = now
	}
	m.recoveredAt = now
}

// startRun forgets what was seen before the run began: it says nothing of the run.
func (m *memory) startRun() {
	m.history.Polls.Forget()
	m.acl, m.original, m.tags, m.aclRead = nil, nil, nil, time.Time{}
	m.enforcedSince = time.Time{}
	for _, confirmation := range []*networkacl.Confirmation{&m.network, &m.target, &m.hit, &m.changed, &m.stripped} {
		confirmation.Clear()
	}
	m.amiss, m.evidence, m.consented = nil, nil, nil
	m.lookFailed.own, m.lookFailed.beside = false, false
	m.repair = repairUnderway{}
}

// enforcedForTwoPolls reports whether the last two polls were both made while rules of the run were
// in force: not before they were seen so, and not after the last read, which still shows it.
func (m *memory) enforcedForTwoPolls() bool {
	return !m.enforcedSince.IsZero() && m.history.Polls.AreTwoSince(m.enforcedSince) && !m.aclRead.Before(m.history.Polls.LatestAt())
}
