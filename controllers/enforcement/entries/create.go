// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"errors"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// CreateEntries writes lines into the ledger and then has AWS create their entries. Lines that are
// there already are attempted again.
func (e *Entries) CreateEntries(ctx context.Context, lines []v1alpha1.Rule) error {
	// A conflict may have shown, since the pass began, that the run is over.
	if len(lines) == 0 || e.Phase != run.Active {
		return nil
	}
	e.deadManSwitch.ToArm(lines)
	earlier, err := e.Ledger.Intend(ctx, lines)
	if err != nil {
		return err
	}
	return e.createIntended(ctx, lines, earlier...)
}

// createIntended has AWS create the entries of lines that the ledger names, side by side, and
// records what it answers. The tags on the network ACL and the dead man's switch name them first.
// earlier are the lines that were in the ledger before: of those, an attempt may have taken effect
// already.
func (e *Entries) createIntended(ctx context.Context, lines []v1alpha1.Rule, earlier ...v1alpha1.Rule) error {
	bounded, cancel, _ := e.Within(ctx)
	defer cancel()
	answers := make([]ledger.Answer, len(lines))
	for i, line := range lines {
		repeated := ledger.IndexOf(earlier, line) >= 0
		answers[i] = ledger.Answer{Line: line, Outcome: networkacl.Refused, Repeated: repeated}
	}

	if err := parallel.Do(func() error { return e.ensureOwnershipTagsAsRead(bounded) }, func() error { return e.deadManSwitch.Arm(bounded, lines) }); err != nil {
		// AWS was never asked for the new ones, but the tags may name them by now.
		return errors.Join(err, e.Ledger.Settle(ctx, answers, nil))
	}

	calls := make([]func() error, 0, len(lines))
	for i, line := range lines {
		e.seen.removed.Forget(removal.OfLine(line))
		calls = append(calls, func() (err error) {
			answers[i].Outcome, err = e.CallWithin(ctx, func(ctx context.Context) (networkacl.Outcome, error) {
				return ec2acl.Create(ctx, e.Fenced().EC2, line)
			})
			return err
		})
	}

	failure := parallel.Do(calls...)

	var observed []networkacl.Entry
	if slices.ContainsFunc(answers, func(a ledger.Answer) bool { return a.Outcome == networkacl.Taken }) {
		acl, err := ec2acl.Read(ctx, e.Clients.EC2, e.Status().NetworkACL.ID)
		if err != nil {
			failure = errors.Join(failure, err)
		} else if acl != nil {
			observed = acl.Entries
		}
	}

	err := e.Ledger.Settle(ctx, answers, observed)
	if err == nil {
		err = e.dropReleasedLines(ctx)
	}
	return errors.Join(failure, err)
}

// CallWithin makes a call that changes something. While a run is on, the clock is read again before
// it, and neither a call that has not begun nor its wait for an answer outlives the run. A manager
// that is told to stop begins no more calls, and waits for those under way: an answer that is not
// received has to be determined later. A call that is not begun is Refused, without an error.
func (e *Entries) CallWithin(ctx context.Context, call removal.Call) (networkacl.Outcome, error) {
	bounded, cancel, over := e.Within(context.WithoutCancel(ctx))
	defer cancel()
	if over || ctx.Err() != nil {
		return networkacl.Refused, nil
	}
	return call(bounded)
}
