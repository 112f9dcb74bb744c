// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"slices"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// forgetAfter is how long what was seen of a finding is kept that doesn't turn up again: longer
// than any interval between two sweeps.
const forgetAfter = 48 * time.Hour

// memory is what an Undoer saw, a finding each.
type memory struct {
	mu  sync.Mutex
	all map[findingKey]*absence
}

// findingKey tells findings apart. Another run of the same object is another one.
type findingKey struct {
	kind                            Kind
	accountID, region, aclID, owner string
	started                         time.Time
}

func spotOf(f Found) findingKey {
	return findingKey{f.Kind, f.AccountID, f.Region, f.NetworkACLID, f.UID, f.Started.UTC()}
}

// absence is what was seen of one finding.
type absence struct {
	// mu is held by the attempt that is under way.
	mu sync.Mutex
	// gone says when AWS acknowledged that a rule's entry was deleted, lacking since when reads
	// have lacked those of others.
	gone, lacking map[ownership.ClaimedRule]time.Time
	// claimed is what reads show of the claim: one that lags shows tags which were removed since.
	claimed networkacl.Confirmation
	// missing is since when reads lack the whole network ACL; zero: they don't.
	missing time.Time
	// lifted says that the last attempt was a lift.
	lifted bool

	touched time.Time // guarded by memory.mu
}

// of gives what was seen of a finding, and drops what is too old.
func (m *memory) of(f Found, now time.Time) *absence {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[findingKey]*absence{}
	}
	for at, e := range m.all {
		if now.Sub(e.touched) > forgetAfter {
			delete(m.all, at)
		}
	}
	e := m.all[spotOf(f)]
	if e == nil {
		e = &absence{gone: map[ownership.ClaimedRule]time.Time{}, lacking: map[ownership.ClaimedRule]time.Time{}}
		m.all[spotOf(f)] = e
	}
	e.touched = now
	return e
}

// retain begins the confirmation of all claims in Regions anew that are not of these findings.
func (m *memory) retain(due []Found, regions []string) {
	keys := map[findingKey]bool{}
	for _, f := range due {
		keys[spotOf(f)] = true
	}

	for _, e := range m.without(keys, regions) {
		e.mu.Lock()
		e.claimed.Clear()
		e.mu.Unlock()
	}
}

// without gives what was seen of all findings in Regions but these.
func (m *memory) without(keys map[findingKey]bool, regions []string) []*absence {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rest []*absence
	for key, e := range m.all {
		if !keys[key] && slices.Contains(regions, key.region) {
			rest = append(rest, e)
		}
	}
	return rest
}

func (m *memory) forget(f Found) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, spotOf(f))
}

// acknowledge notes that AWS deleted a rule's entry.
func (e *absence) acknowledge(rule ownership.ClaimedRule, now time.Time) {
	e.gone[rule] = now
}

// forget notes that a rule's entry stood, and that it is not known whether it still does.
func (e *absence) forget(rule ownership.ClaimedRule) {
	delete(e.lacking, rule)
	delete(e.gone, rule)
}

// begin notes what an attempt is. After a lift the tags stay, so that an entry which comes back is
// still the run's: to an attempt that removes the tags, nothing is gone yet.
func (e *absence) begin(lift bool) {
	if e.lifted && !lift {
		clear(e.gone)
		clear(e.lacking)
	}
	e.lifted = lift
}

// deleted reports whether AWS acknowledged the deletion of a rule's entry, and until when a read
// that shows the entry may only lag behind that. What shows later is a third party's.
func (e *absence) deleted(rule ownership.ClaimedRule) (lags time.Time, deleted bool) {
	at, deleted := e.gone[rule]
	return at.Add(networkacl.SettleFor), deleted
}

// lackingUntil notes that a read lacks a rule's entry, and says from when on that shows that there
// is none.
func (e *absence) lackingUntil(rule ownership.ClaimedRule, claim ownership.Claim, now time.Time) time.Time {
	if _, gone := e.gone[rule]; gone {
		return now
	}
	since, again := e.lacking[rule]
	if !again || now.Before(since) { // a clock that was set back proves nothing
		since = now
		e.lacking[rule] = now
	}
	return earlier(since.Add(networkacl.AmbiguousFor), claim.Expires.Add(Margin))
}

// goneFor reports whether a rule's entry is gone for certain.
func (e *absence) goneFor(rule ownership.ClaimedRule, claim ownership.Claim, now time.Time) bool {
	_, gone := e.gone[rule]
	_, lacking := e.lacking[rule]
	return gone || lacking && !now.Before(e.lackingUntil(rule, claim, now))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
