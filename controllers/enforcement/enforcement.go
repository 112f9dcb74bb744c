// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/deadmanswitch"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement/clone"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement/entries"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// Enforcement is the denies of one run on one network ACL, in one pass. Every step finds out where
// the one before came to, and can be repeated from any point.
type Enforcement interface {
	// BeginRun forgets what was seen before the run began. acl is the network ACL of the subnet.
	BeginRun(acl *networkacl.ACL)
	// IsBeforeFirstWrite reports whether the run began and, as its ledger has it, AWS was not asked
	// for anything yet. Any process that asks writes the ledger first, so that its write and one
	// that takes the start back exclude each other.
	IsBeforeFirstWrite() bool
	// Install brings the denies of a run that has begun into force, as far as one pass gets.
	Install(ctx context.Context) error
	// Maintain goes on with that, and restores what was changed. valid are the ledger's lines.
	Maintain(ctx context.Context, valid []v1alpha1.Rule) error
	// Lift takes the denies of a suspended run away from the subnet, and keeps it so.
	Lift(ctx context.Context) error
	// Remove takes all that the run did to network ACLs to its end, and is Done when reads show
	// that nothing of it is left there.
	Remove(ctx context.Context) (Progress, error)
	// EnsureOwnershipTagsIfPlaced has the tags say what the status says, where the run may have
	// written any.
	EnsureOwnershipTagsIfPlaced(ctx context.Context) error

	Observer
}

// Observer reads the network ACL while the run is on.
type Observer interface {
	// FetchACL reads the network ACL, beside other calls. PollACL does so where nothing was wrong
	// with it, and may share the read with other runs.
	FetchACL(ctx context.Context) error
	PollACL(ctx context.Context) error
	// ACLOfPass is the network ACL as this pass read it; nil: it did not, or it was not there.
	ACLOfPass() *networkacl.ACL
	// Readings are what the reads came to so far.
	Readings() Readings
	// ConfirmEnforced notes since when the rules have been in force, and reads once more where
	// agents were seen disconnected since the last read.
	ConfirmEnforced(ctx context.Context) error
	// CreditDisconnections notes which agents were seen disconnected under rules of this run.
	CreditDisconnections()
	// RelearnQuota asks for the quota again before a run that is on fails by it.
	RelearnQuota(ctx context.Context, valid []v1alpha1.Rule) error
}

// Readings are what the reads of the network ACL came to, by any pass.
type Readings = entries.Readings

// Observation is what the passes of this process saw of a run's network ACL. It tells two reads in
// a row from one; a restart loses it and costs the reads. The zero value is empty.
type Observation struct {
	// Entries is what they saw in either mode, Clone what they saw of a clone alone.
	Entries entries.Observation
	Clone   clone.Observation
}

// Hooks are what the denies ask of the pass.
type Hooks = entries.Hooks

// Progress is how far a removal came.
type Progress = entries.Progress

// Done: nothing of the run is left.
const Done = entries.Done

// New gives the denies of a run in a pass, in the mode that the status has. seen is what earlier
// passes saw of them.
func New(on *target.Target, armed *deadmanswitch.Switch, seen *Observation, hooks Hooks) Enforcement {
	if on.IsCloned() {
		return clone.New(on, armed, &seen.Entries, &seen.Clone, hooks)
	}
	return newInPlace(on, armed, &seen.Entries, hooks)
}
