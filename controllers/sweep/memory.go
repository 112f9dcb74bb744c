// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"slices"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
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
	kind                                     Kind
	accountID, region, aclID, cluster, owner string
	started                                  time.Time
}

func keyOf(f Found) findingKey {
	return findingKey{f.Kind, f.AccountID, f.Region, f.NetworkACLID, f.ECSClusterARN, f.UID, f.Started.UTC()}
}

// absence is what was seen of one finding.
type absence struct {
	// mu is held by the attempt that is under way.
	mu sync.Mutex
	// removed is what reads and answers show of the claimed entries.
	removed removal.Evidence
	// claimed is what reads show of the claim: one that lags shows tags which were removed since.
	claimed networkacl.Confirmation
	// missing is since when reads lack the whole network ACL.
	missing networkacl.Since
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

	e := m.all[keyOf(f)]
	if e == nil {
		e = &absence{}
		m.all[keyOf(f)] = e
	}

	e.touched = now
	return e
}

// retain begins the confirmation of all claims in places anew that are not of these findings.
func (m *memory) retain(due []Found, places []Place) {
	keys := map[findingKey]bool{}
	for _, f := range due {
		keys[keyOf(f)] = true
	}

	for _, e := range m.without(keys, places) {
		e.mu.Lock()
		e.claimed.Clear()
		e.mu.Unlock()
	}
}

// without gives what was seen of all findings in places but these.
func (m *memory) without(keys map[findingKey]bool, places []Place) []*absence {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rest []*absence
	for key, e := range m.all {
		if !keys[key] && slices.Contains(places, Place{key.accountID, key.region}) {
			rest = append(rest, e)
		}
	}
	return rest
}

func (m *memory) forget(f Found) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, keyOf(f))
}

// begin notes what an attempt is. After a lift the tags stay, so that an entry which comes back is
// still the run's: to an attempt that removes the tags, nothing is gone yet.
func (e *absence) begin(lift bool) {
	if e.lifted && !lift {
		e.removed = removal.Evidence{}
	}
	e.lifted = lift
}
