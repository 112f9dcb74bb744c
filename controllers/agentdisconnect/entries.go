// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// attempt gives the lines as they stand in the ledger before AWS is asked to create their entries.
func attempt(lines []v1alpha1.Rule, now time.Time) []v1alpha1.Rule {
	lines = slices.Clone(lines)
	for i := range lines {
		lines[i].State, lines[i].LastAttemptTime = v1alpha1.RuleCreating, run.Stamp(now)
	}
	return lines
}

// create writes lines into the ledger and then has AWS create their entries. Lines that are there already are attempted
// again.
func (r *Reconciler) create(ctx context.Context, s *scope, lines []v1alpha1.Rule) error {
	// A conflict may have shown, since the pass began, that the run is over.
	if len(lines) == 0 || s.phase != run.Active {
		return nil
	}
	earlier := slices.Clone(s.status().Rules)
	s.status().Rules = upsert(s.status().Rules, attempt(lines, r.clock.Now()))
	s.toArm(lines)
	if err := r.persist(ctx, s); err != nil {
		return err
	}
	return r.install(ctx, s, lines, earlier...)
}

// install has AWS create the entries of lines that the ledger names, side by side, and records what it answers. The tags on
// the network ACL and the dead man's switch name them first. earlier are the lines that were in the ledger before: of those, an attempt may have
// taken effect already.
func (r *Reconciler) install(ctx context.Context, s *scope, lines []v1alpha1.Rule, earlier ...v1alpha1.Rule) error {
	bounded, cancel, _ := r.within(ctx, s)
	defer cancel()
	if err := together(func() error { return r.ownAgain(bounded, s) }, func() error { return r.arm(bounded, s, lines) }); err != nil {
		// AWS was never asked for the new ones, but the tags may name them by now.
		return errors.Join(err, r.record(ctx, s, func(status *v1alpha1.AgentDisconnectStatus) {
			for _, line := range lines {
				if indexOf(earlier, line) < 0 {
					setState(status, line, v1alpha1.RuleReleased)
				}
			}
		}))
	}
	for _, line := range lines {
		delete(s.seen.deleted, entryOf(line))
	}
	outcomes := make([]networkacl.Outcome, len(lines))
	trouble := r.each(ctx, s, lines, func(ctx context.Context, i int) (err error) {
		outcomes[i], err = ec2acl.Create(ctx, s.fenced().EC2, lines[i])
		return err
	}, func(i int) { outcomes[i] = networkacl.Refused })

	var observed []networkacl.Entry
	if slices.Contains(outcomes, networkacl.Taken) {
		acl, err := ec2acl.Read(ctx, s.clients.EC2, s.status().NetworkACL.ID)
		if err != nil {
			trouble = errors.Join(trouble, err)
		} else if acl != nil {
			observed = acl.Entries
		}
	}
	err := r.record(ctx, s, func(status *v1alpha1.AgentDisconnectStatus) {
		for i, line := range lines {
			found, there := networkacl.At(observed, line.RuleNumber)
			ours := there && found.Equal(networkacl.EntryOf(line))
			again := indexOf(earlier, line) >= 0
			switch {
			case outcomes[i] == networkacl.Done, outcomes[i] == networkacl.Taken && ours && again:
				setState(status, line, v1alpha1.RuleInstalled)
			case outcomes[i] != networkacl.Unknown && !again:
				// AWS answered the only attempt there ever was: it made nothing. An equal entry is a third party's.
				setState(status, line, v1alpha1.RuleReleased)
			}
			// Anything else stays Creating: an attempt whose answer was lost may have made it.
		}
	})
	if err == nil {
		err = r.dropReleased(ctx, s)
	}
	return errors.Join(trouble, err)
}

// destroy has AWS delete the entries of lines that were seen to be the run's, side by side, and gives the lines whose entries
// are gone: they are still in the ledger.
func (r *Reconciler) destroy(ctx context.Context, s *scope, lines []v1alpha1.Rule) (gone []v1alpha1.Rule, err error) {
	// A line that was taken out of the ledger by hand meanwhile belongs to no run.
	lines = slices.DeleteFunc(slices.Clone(lines), func(l v1alpha1.Rule) bool { return indexOf(s.status().Rules, l) < 0 })
	if len(lines) == 0 {
		return nil, nil
	}
	now := run.Stamp(r.clock.Now())
	for _, line := range lines {
		i := indexOf(s.status().Rules, line)
		// A creation that was never answered stays marked as such: should the entry show up later, it is found by reads.
		if s.status().Rules[i].State != v1alpha1.RuleCreating {
			s.status().Rules[i].State = v1alpha1.RuleDeleting
		}
		s.status().Rules[i].LastAttemptTime = now
	}
	if err := r.persist(ctx, s); err != nil {
		return nil, err
	}

	outcomes := make([]networkacl.Outcome, len(lines))
	missing := s.aclMissingForLong(r.clock.Now())
	client := s.fencedOnRead().EC2
	trouble := r.each(ctx, s, lines, func(ctx context.Context, i int) (err error) {
		outcomes[i], err = whereMissing(missing)(ec2acl.Delete(ctx, client, lines[i]))
		return err
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

// each calls AWS for every line side by side. While a run is on, the clock is read again before each call, and neither a
// call that has not begun nor its wait for an answer outlives the run. A manager that is told to stop begins no more calls,
// and waits for those under way: an answer that nobody hears has to be found out later.
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

func same(a, b v1alpha1.Rule) bool {
	return a.NetworkACLID == b.NetworkACLID && a.RuleNumber == b.RuleNumber
}

func indexOf(rules []v1alpha1.Rule, line v1alpha1.Rule) int {
	return slices.IndexFunc(rules, func(r v1alpha1.Rule) bool { return same(r, line) })
}

func upsert(rules, lines []v1alpha1.Rule) []v1alpha1.Rule {
	rules = slices.Clone(rules)
	for _, line := range lines {
		if i := indexOf(rules, line); i >= 0 {
			rules[i] = line
		} else {
			rules = append(rules, line)
		}
	}
	slices.SortFunc(rules, func(a, b v1alpha1.Rule) int {
		return cmp.Or(cmp.Compare(a.NetworkACLID, b.NetworkACLID), cmp.Compare(a.RuleNumber, b.RuleNumber))
	})
	return rules
}

func remove(rules []v1alpha1.Rule, line v1alpha1.Rule) []v1alpha1.Rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r v1alpha1.Rule) bool { return same(r, line) })
}

func setAttempt(status *v1alpha1.AgentDisconnectStatus, line v1alpha1.Rule, at *metav1.Time) {
	if i := indexOf(status.Rules, line); i >= 0 {
		status.Rules[i].LastAttemptTime = at
	}
}

func setState(status *v1alpha1.AgentDisconnectStatus, line v1alpha1.Rule, state v1alpha1.RuleState) {
	if i := indexOf(status.Rules, line); i >= 0 {
		status.Rules[i].State = state
	}
}
