// SPDX-License-Identifier: Apache-2.0

package clone

import (
	"context"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/deadmanswitch"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement/entries"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// Clone is the denies of one run on a clone of its subnet's network ACL, in one pass.
type Clone struct {
	*entries.Entries

	target        *target.Target
	deadManSwitch *deadmanswitch.Switch
	seen          *Observation
}

// New gives the denies of a run on a clone in a pass. onACL and seen are what earlier passes saw of
// its entries, and of what is a clone's alone.
func New(on *target.Target, armed *deadmanswitch.Switch, onACL *entries.Observation, seen *Observation, hooks entries.Hooks) *Clone {
	c := &Clone{target: on, deadManSwitch: armed, seen: seen}
	c.Entries = entries.New(on, armed, c, onACL, hooks)
	return c
}

// Observation is what the passes of this process saw of a clone, beside what holds for every
// network ACL. The zero value is empty.
type Observation struct {
	// original is the network ACL that the clone was copied from, as read together with the clone.
	// Nil: it was not there.
	original *networkacl.ACL
	// changed is how the original was changed.
	changed networkacl.Confirmation
	// unnamed is since when reads show no clone of this run, though AWS may have made one of which
	// it never told the id.
	unnamed networkacl.Since
}

// BeginRun forgets what was seen before the run began: it says nothing of the run. original is the
// network ACL that the subnet has.
func (c *Clone) BeginRun(original *networkacl.ACL) {
	c.Entries.ForgetBeforeStart()
	c.seen.original = original
	c.seen.changed.Clear()
}

// DescribeACL reads the clone, and with it the network ACL that it was copied from.
func (c *Clone) DescribeACL(ctx context.Context, reads aws.Polled) (*networkacl.ACL, error) {
	recorded := c.Status().NetworkACL
	ids := slices.DeleteFunc([]string{recorded.ID, recorded.OriginalID}, func(id string) bool { return id == "" })
	found, err := ec2acl.ReadAll(ctx, reads.EC2, ids...)
	if err != nil {
		return nil, err
	}

	original := found[recorded.OriginalID]
	if original == nil {
		c.Clients.ForgetAccount() // not found, or not in the account that the run works in
	}

	c.Original.Observe(original, c.AsOf(reads))
	c.seen.original = original
	return found[recorded.ID], nil
}

// LastOriginal is the network ACL that the clone was copied from, as last read.
func (c *Clone) LastOriginal() *networkacl.ACL { return c.seen.original }

// IsBeforeFirstWrite reports whether the run began and, as its ledger has it, AWS was not asked for
// the clone yet.
func (c *Clone) IsBeforeFirstWrite() bool {
	if !c.IsPlaced() {
		return false
	}
	acl := c.Status().NetworkACL
	return acl.State == v1alpha1.CloneCreating && acl.ID == "" && acl.LastAttemptTime == nil &&
		acl.Attempt <= 1 && len(c.Status().Rules) == 0
}

// baseline is what the clone was copied from, as the status has it.
func (c *Clone) baseline() ([]clones.Copy, error) {
	return parseCopies(c.Status().NetworkACL.Baseline)
}

func parseCopies(lines []string) ([]clones.Copy, error) {
	copies, err := clones.ParseCopies(lines)
	if err != nil {
		return nil, problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.networkACL was edited: %v. The manager does not change the clone until the field is restored (kubectl edit --subresource=status)", err)
	}
	return copies, nil
}

// sinceLastAttempt is how long ago AWS was last asked to change the clone.
func (c *Clone) sinceLastAttempt() time.Duration {
	if at := c.Status().NetworkACL.LastAttemptTime; at != nil {
		return c.Now.Sub(at.Time)
	}
	return networkacl.AmbiguousFor // only a person writes such a status: take it as long ago
}

// isServing reports whether the rules act on the subnet: they do once it was seen on the clone.
func (c *Clone) isServing() bool { return c.Status().NetworkACL.State == v1alpha1.CloneServing }

// noteServing notes that the subnet was seen on the clone.
func (c *Clone) noteServing() {
	if c.IsOnSubnet() {
		c.Status().NetworkACL.State = v1alpha1.CloneServing
	}
}
