// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/deadmanswitch"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// Entries are the entries of one run on one network ACL, in one pass.
type Entries struct {
	*pass.Pass

	target        *target.Target
	deadManSwitch *deadmanswitch.Switch
	mode          Mode
	hooks         Hooks
	seen          *Observation
	// hasRead says that the network ACL was read in this pass, the last time at readAt; zero: that
	// read was shared, and made before the pass.
	hasRead bool
	readAt  time.Time
	// untagged says that the run's tags were removed from the network ACL in this pass.
	untagged bool
	// undecided, if set, says that the tags claim rules that the ledger lacks, which a later read
	// confirms or not. Until then the tags stay as they are.
	undecided error
}

// Mode is what depends on whose network ACL it is that carries the entries.
type Mode interface {
	// DescribeACL reads the network ACL; nil: it was not there.
	DescribeACL(ctx context.Context, reads aws.Polled) (*networkacl.ACL, error)
	// LastOriginal is the network ACL that it was copied from, as last read; nil: it is no copy, or
	// the original was not there.
	LastOriginal() *networkacl.ACL
	// CheckClaim makes sure that the network ACL in the status is one that the run may change.
	CheckClaim() error
	// IsBeforeFirstWrite reports whether the run began and, as its ledger has it, AWS was not asked
	// for anything yet.
	IsBeforeFirstWrite() bool
	// OwnershipTags are the tags that the network ACL is to have, given the lines.
	OwnershipTags(lines []v1alpha1.Rule) map[string]string
	// HasModeTags reports whether tags have what OwnershipTags adds to those that every network ACL
	// gets.
	HasModeTags(tags map[string]string) bool
	// ShrinkTags has the tags claim no line that was released.
	ShrinkTags(ctx context.Context) error
	// ExplainTagError gives the reason for an error that the write of a tag ended with.
	ExplainTagError(err error) error
	// FindDrift says what the network ACL as last read shows not to be as it should be.
	FindDrift(valid []v1alpha1.Rule) Drift
	// SyncFromOriginal makes the changes to the network ACL that the one it was copied from got.
	SyncFromOriginal(ctx context.Context) error
}

// Hooks are what the entries ask of the pass.
type Hooks struct {
	// Repaired tells people about rules that were restored after drift.
	Repaired func(note string)
	// SetConditions brings the conditions in line with what is known. The next write of the status
	// stores them.
	SetConditions func()
}

// New gives the entries of a run in a pass. seen is what earlier passes saw of them.
func New(on *target.Target, armed *deadmanswitch.Switch, mode Mode, seen *Observation, hooks Hooks) *Entries {
	return &Entries{Pass: on.Pass, target: on, deadManSwitch: armed, mode: mode, hooks: hooks, seen: seen}
}

// Progress is how far the steps to an end came.
type Progress int

const (
	// Waiting: a later pass goes on.
	Waiting Progress = iota
	// Done: nothing is left to do.
	Done
)

// DoneUnless is Done where the last step did not fail.
func DoneUnless(err error) (Progress, error) {
	if err != nil {
		return Waiting, err
	}
	return Done, nil
}

// IsPlaced reports whether the run is on and the status has where.
func (e *Entries) IsPlaced() bool {
	status := e.Status()
	return !e.IsEnding() && status.StartTime != nil && status.Target != nil && status.NetworkACL != nil
}

// IsEnding reports whether the run is over: then it only removes, and only what is its own.
func (e *Entries) IsEnding() bool { return e.Phase != run.Active && e.Phase != run.Suspended }
