// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"errors"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
)

// How lines leave the ledger. The tags on the network ACL never claim what the run gave up: a
// clean-up would take a third party's equal entry for the run's. So a line is released
// first, then the tags shrink, and then the line goes.

// releaseLines ends lines whose entries are gone, or are not the run's.
func (e *Entries) releaseLines(ctx context.Context, lines []v1alpha1.Rule) error {
	e.Ledger.Release(lines)
	return e.dropReleasedLines(ctx)
}

// dropReleasedLines has the tags claim no released line any more, and drops those lines. Where the
// tags can't be written, the lines stay, and an entry that a third party makes at one of their
// numbers is left alone.
func (e *Entries) dropReleasedLines(ctx context.Context) error {
	_, released, _ := ledger.Lines(e.Object)
	if len(released) == 0 {
		return nil
	}
	if e.undecided != nil {
		return e.Ledger.KeepReleased(ctx, released) // the tags are the only trace of what else they claim
	}
	if failure := e.mode.ShrinkTags(ctx); failure != nil {
		return errors.Join(failure, e.Ledger.KeepReleased(ctx, released))
	}
	return e.Ledger.Drop(ctx, released)
}

// HasUnreleasedLine reports whether the ledger has a line that was not released.
func (e *Entries) HasUnreleasedLine() bool {
	return slices.ContainsFunc(e.Status().Rules, func(l v1alpha1.Rule) bool { return l.State != v1alpha1.RuleReleased })
}
