// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/nacl"
)

// memory is what the passes of this process saw for one object. It saves calls and tells two reads in a row from one; a
// restart loses it and costs the reads only.
type memory struct {
	// polls are the last two answers about agents, the newest last.
	polls []poll
	// hosts are what ECS named to each container instance; asked once for a run.
	hosts map[string][]discovery.Host
	// lookups says of each host how its lookups went.
	lookups map[string]lookups
	// looked is when the hosts were last looked up.
	looked time.Time
	// acl is the network ACL as last read, at aclRead. Nil: it was not there.
	acl     *nacl.ACL
	aclRead time.Time
	// odd is the kind of trouble that the last read showed (drift, or an association that is not as it should be), and
	// oddReads is how many reads in a row showed that kind, the last one that counts at oddRead. Two make it true.
	odd      string
	oddReads int
	oddRead  time.Time
	// permitted is when AWS last said that all writes would be allowed, on the network ACL permittedACL.
	permitted    time.Time
	permittedACL string
	// uncounted is how many container instances of the target were not connected on two polls when the run began.
	uncounted int
	// ended says that the run's end was acted on.
	ended bool
}

// poll is what ECS said of agents at one time: ARN of the container instance to connected.
type poll struct {
	at        time.Time
	connected map[string]bool
}

// lookups says how the lookups of one host went.
type lookups struct {
	// quiet is how many answers in a row held no new address.
	quiet int
	// failure says why the last one failed; empty: it did not.
	failure string
}

// memories holds the memory of each object.
type memories struct {
	mu    sync.Mutex
	byUID map[types.UID]*memory
}

func (m *memories) of(uid types.UID) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byUID == nil {
		m.byUID = map[types.UID]*memory{}
	}
	if m.byUID[uid] == nil {
		m.byUID[uid] = &memory{hosts: map[string][]discovery.Host{}, lookups: map[string]lookups{}}
	}
	return m.byUID[uid]
}

func (m *memories) forget(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byUID, uid)
}

// addPoll keeps the last two polls.
func (m *memory) addPoll(p poll) {
	m.polls = append(m.polls, p)
	if len(m.polls) > 2 {
		m.polls = m.polls[len(m.polls)-2:]
	}
}

// agreed says what the last two polls agree on for an agent, both not before since: connected or not, or that ECS no
// longer knows the container instance. ok is false where they differ or there are fewer than two.
func (m *memory) agreed(arn string, since time.Time) (connected, gone, ok bool) {
	if !m.twoPolls(since) {
		return false, false, false
	}
	before, knownBefore := m.polls[0].connected[arn]
	after, knownAfter := m.polls[1].connected[arn]
	if before != after || knownBefore != knownAfter {
		return false, false, false
	}
	return after, !knownAfter, true
}

// twoPolls says whether the last two polls were both not before since.
func (m *memory) twoPolls(since time.Time) bool {
	return len(m.polls) == 2 && !m.polls[0].at.Before(since)
}

// lastPoll is when the agents were last asked for; the zero time: never.
func (m *memory) lastPoll() time.Time {
	if len(m.polls) == 0 {
		return time.Time{}
	}
	return m.polls[len(m.polls)-1].at
}

// startRun forgets what was seen before the run began: it says nothing of the run. uncounted container instances in the
// subnet are no part of it.
func (m *memory) startRun(uncounted int) {
	m.polls, m.acl, m.aclRead, m.odd, m.oddReads = nil, nil, time.Time{}, "", 0
	m.uncounted = uncounted
}
