// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"slices"
	"sync"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// create writes lines into the ledger and then has AWS create their entries. Lines that are there
// already are attempted again.
func (r *Reconciler) create(ctx context.Context, s *scope, lines []v1alpha1.Rule) error {
	// A conflict may have shown, since the pass began, that the run is over.
	if len(lines) == 0 || s.phase != run.Active {
		return nil
	}
	s.toArm(lines)
	earlier, err := s.ledger.Intend(ctx, lines)
	if err != nil {
		return err
	}
	return r.install(ctx, s, lines, earlier...)
}

// install has AWS create the entries of lines that the ledger names, side by side, and records what
// it answers. The tags on the network ACL and the dead man's switch name them first. earlier are
// the lines that were in the ledger before: of those, an attempt may have taken effect already.
func (r *Reconciler) install(ctx context.Context, s *scope, lines []v1alpha1.Rule, earlier ...v1alpha1.Rule) error {
	bounded, cancel, _ := r.within(ctx, s)
	defer cancel()
	answers := make([]ledger.Answer, len(lines))
	for i, line := range lines {
		repeated := ledger.IndexOf(earlier, line) >= 0
		answers[i] = ledger.Answer{Line: line, Outcome: networkacl.Refused, Repeated: repeated}
	}

	if err := together(func() error { return r.ensureOwnershipTagsAsRead(bounded, s) }, func() error { return r.arm(bounded, s, lines) }); err != nil {
		// AWS was never asked for the new ones, but the tags may name them by now.
		return errors.Join(err, s.ledger.Settle(ctx, answers, nil))
	}

	for _, line := range lines {
		delete(s.seen.deleted, entryOf(line))
	}
	trouble := r.each(ctx, s, lines, func(ctx context.Context, i int) (err error) {
		answers[i].Outcome, err = ec2acl.Create(ctx, s.fenced().EC2, lines[i])
		return err
	}, func(i int) { answers[i].Outcome = networkacl.Refused })

	var observed []networkacl.Entry
	if slices.ContainsFunc(answers, func(a ledger.Answer) bool { return a.Outcome == networkacl.Taken }) {
		acl, err := ec2acl.Read(ctx, s.clients.EC2, s.status().NetworkACL.ID)
		if err != nil {
			trouble = errors.Join(trouble, err)
		} else if acl != nil {
			observed = acl.Entries
		}
	}

	err := s.ledger.Settle(ctx, answers, observed)
	if err == nil {
		err = r.dropReleased(ctx, s)
	}
	return errors.Join(trouble, err)
}

// destroy has AWS delete the entries of lines that were seen to be the run's, side by side, and
// gives the lines whose entries are gone: they are still in the ledger.
func (r *Reconciler) destroy(ctx context.Context, s *scope, lines []v1alpha1.Rule) (gone []v1alpha1.Rule, err error) {
	lines, err = s.ledger.IntendDeletion(ctx, lines)
	if err != nil || len(lines) == 0 {
		return nil, err
	}

	outcomes := make([]networkacl.Outcome, len(lines))
	missing := s.aclMissingForLong(r.clock.Now())
	client := s.fencedOnRead().EC2
	trouble := r.each(ctx, s, lines, func(ctx context.Context, i int) (err error) {
		outcomes[i], err = whereMissing(missing)(ec2acl.Delete(ctx, client, lines[i]))
		return s.explainNotShown(err)
	}, func(i int) { outcomes[i] = networkacl.Refused })

	for i, line := range lines {
		if outcomes[i] == networkacl.Done {
			s.seen.deleted[entryOf(line)] = s.now
		}
		if outcomes[i].IsGone(s.shows(line)) {
			gone = append(gone, line)
		}
	}
	return gone, trouble
}

// each calls AWS for every line side by side. While a run is on, the clock is read again before
// each call, and neither a call that has not begun nor its wait for an answer outlives the run. A
// manager that is told to stop begins no more calls, and waits for those under way: an answer that
// is not received has to be determined later.
func (r *Reconciler) each(ctx context.Context, s *scope, lines []v1alpha1.Rule, call func(context.Context, int) error, skip func(int)) error {
	errs := make([]error, len(lines))
	var group sync.WaitGroup
	for i := range lines {
		group.Go(func() {
			bounded, cancel, over := r.within(context.WithoutCancel(ctx), s)
			defer cancel()
			if over || ctx.Err() != nil {
				skip(i)
				return
			}
			errs[i] = call(bounded, i)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// within bounds a context by the end of a run that is on; over says that it is past already.
func (r *Reconciler) within(ctx context.Context, s *scope) (bounded context.Context, cancel context.CancelFunc, over bool) {
	if s.phase != run.Active {
		return ctx, func() {}, false
	}
	left := run.Expiration(s.status()).Sub(r.clock.Now())
	bounded, cancel = context.WithTimeout(ctx, max(left, 0))
	return bounded, cancel, left <= 0
}
