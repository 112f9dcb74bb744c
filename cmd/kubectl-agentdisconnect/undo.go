// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
)

// undo undoes findings, unless a person says no.
func (r *report) undo(ctx context.Context, found []sweep.Found) error {
	targets := slices.DeleteFunc(slices.Clone(found), func(f sweep.Found) bool {
		return f.Kind == sweep.KindAdopted || f.Kind == sweep.KindUnreadable
	})
	if clusters := clustersOf(targets); len(clusters) > 1 && !r.allClusters {
		return usage("these are of %d Kubernetes clusters: %s. Choose one with --cluster-id, or undo those of all with --all-clusters",
			len(clusters), strings.Join(clusters, ", "))
	}

	if len(targets) > 0 {
		r.intend(found)
		if !r.yes && !r.terminal {
			return usage("there is no terminal to ask on, so nothing was changed: check the list, then repeat the command with --yes")
		}
		question := fmt.Sprintf("\nUndo %s in account %s, %s?", plural(len(targets), "finding"), r.account.id, r.account.region)
		if !r.yes && !r.confirm(ctx, r.screen(), question) {
			r.say("Nothing was changed.")
			return r.finish(found, make([]result, len(found)), "not undone: the question was not answered with yes")
		}
	}
	return r.finish(found, r.undoAll(ctx, found), "")
}

// undoAll undoes one finding after the other, and those again where only time was lacking.
func (r *report) undoAll(ctx context.Context, found []sweep.Found) []result {
	undoer := sweep.NewUndoer(r.clock)
	var until time.Time
	results := make([]result, len(found))
	for i := range results {
		results[i] = result{Left: "interrupted before it was begun"}
	}

	for first := true; ; first = false {
		var next time.Time
		for i, f := range found {
			if ctx.Err() == nil && (first || results[i].isDue(r.clock.Now())) {
				results[i] = r.undoOne(ctx, undoer, f, results[i])
			}
			if again := results[i].again; !again.IsZero() && (next.IsZero() || again.Before(next)) {
				next = again
			}
		}
		if first { // the second reads are due networkacl.SettleFor after the first ones
			until = r.clock.Now().Add(r.wait)
		}
		if next.IsZero() || next.After(until) || !r.sleep(ctx, next) {
			return results
		}
	}
}

// isDue reports whether another try may get further by now.
func (r result) isDue(now time.Time) bool { return !r.again.IsZero() && !now.Before(r.again) }

// sleep waits until a time, and says so. It is false where it was interrupted.
func (r *report) sleep(ctx context.Context, until time.Time) bool {
	rest := max(until.Sub(r.clock.Now()), time.Second)
	r.say("\nTrying again in %s. Ctrl-C ends it; it may be run again later.", duration.HumanDuration(rest))
	timer := r.clock.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

// undoOne undoes one finding and says what was done. before is what came of it so far.
func (r *report) undoOne(ctx context.Context, undoer *sweep.Undoer, f sweep.Found, before result) result {
	switch f.Kind {
	case sweep.KindAdopted:
		return result{Done: true} // it is to stay
	case sweep.KindUnreadable:
		return result{Left: f.Problem}
	}

	r.say("\n%s:", title(f))
	out, err := undoer.Undo(ctx, r.account.clients, f)
	for _, did := range out.Did {
		r.say("  %s", sentence(did))
	}

	now := result{Done: out.Done && err == nil, Did: append(before.Did, out.Did...), Left: out.Left, unconfirmed: out.Unconfirmed}
	switch {
	case ctx.Err() != nil && (err != nil || len(f.Schedules) > 0):
		now.Done, now.Left = false, "interrupted"
	case err != nil:
		now.Left = advise(err)
		if isTransient(err) {
			now.again = r.clock.Now().Add(retryAfter)
		}
	case !now.Done && out.Again.After(r.clock.Now()): // else it takes another list, which was not confirmed
		now.again = out.Again
	}

	switch {
	case !now.Done:
		r.say("  Left: %s", sentence(now.Left))
	case now.Left != "":
		r.say("  %s", sentence(now.Left))
	default:
		r.say("  Nothing of it is left.")
	}
	return now
}

// retryAfter is how long after an error that passes by itself the next try is. The SDK has repeated
// the call by then.
const retryAfter = 10 * time.Second

// isTransient reports whether time alone may get a call further that went wrong.
func isTransient(err error) bool {
	switch aws.Classify(err) {
	case aws.Throttled, aws.Unanswered:
		return true
	default:
		return false
	}
}

// finish sums up, last, so that it is what is on the screen.
func (r *report) finish(found []sweep.Found, results []result, why string) error {
	var left []string
	for i, f := range found {
		if results[i].Done {
			continue
		}
		if why != "" && results[i].Left == "" {
			results[i].Left = why
		}
		if results[i].unconfirmed {
			results[i].Left += fmt.Sprintf("; a new call of the command begins with the first read: give it --wait %s or more", enoughWait)
		}
		left = append(left, "  "+title(f)+": "+sentence(results[i].Left))
	}

	if r.output == outputJSON {
		if err := r.printJSON(found, results); err != nil {
			return err
		}
	}

	switch {
	case len(left) > 0 && why == "":
		r.say("\nLeft: %d of %d. Once the cause is fixed, run this again; that is safe at any time:\n%s", len(left), len(found), strings.Join(left, "\n"))
	case len(left) == 0 && len(found) > 0:
		r.say("\nDone: everything was undone.")
	}

	if len(left) > 0 {
		return errLeft
	}
	return nil
}

// intend prints what is going to be done, and what to consider before.
func (r *report) intend(found []sweep.Found) {
	r.say("\nWhat --apply does:")
	for _, f := range found {
		r.say("  %s: %s", title(f), intention(f))
	}

	r.sayConfirmation(found)
	now, warned := r.clock.Now(), map[string]bool{}
	for _, f := range found {
		if f.Expires.After(now) && !warned[f.UID] {
			warned[f.UID] = true
			namespace, name, _ := strings.Cut(f.Owner, "/")
			command := fmt.Sprintf("kubectl --namespace %s delete agentdisconnect %s", cmp.Or(namespace, "NAMESPACE"), cmp.Or(name, "NAME"))
			r.say("\nWarning: the run of %s is on for another %s. If its manager works, it restores what you undo here: delete the\n"+
				"object instead (%s). Go on only if that cluster, or its manager, is lost.",
				cmp.Or(f.Owner, f.UID), duration.HumanDuration(f.Expires.Sub(now)), command)
		}
	}
}

// enoughWait is for --wait: the two reads, and what calls take between them.
const enoughWait = "3m"

// sayConfirmation says that entries are deleted only after a second read, and how long that takes.
func (r *report) sayConfirmation(found []sweep.Found) {
	if !slices.ContainsFunc(found, func(f sweep.Found) bool { return f.Twice }) {
		return
	}
	what := "entries of network ACLs that stay, tags, and clones whose original is gone"
	if after := duration.HumanDuration(networkacl.SettleFor); r.wait >= networkacl.SettleFor {
		r.say("\nIt reads the tags twice, %s apart, before it deletes %s: one read of AWS may lag.", after, what)
	} else {
		r.say("\nIt leaves %s: for those it must read the tags twice, %s apart, and --wait is %s. Give --wait %s or more.",
			what, after, r.wait, enoughWait)
	}
}

// clustersOf are the Kubernetes clusters that findings are of, sorted, as far as they say.
func clustersOf(found []sweep.Found) []string {
	var clusters []string
	for _, f := range found {
		if f.ClusterID != "" {
			clusters = append(clusters, f.ClusterID)
		}
	}
	slices.Sort(clusters)
	return slices.Compact(clusters)
}
