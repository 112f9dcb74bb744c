// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
)

// sweepRetry is how soon a sweep is repeated that something kept from all of its work, where its interval is longer.
const sweepRetry = time.Minute

// Sweeper looks through AWS now and then for what runs left behind, and undoes what is this Kubernetes cluster's and nobody
// looks after any more. It is part of a manager, and works while that is the leader.
type Sweeper struct {
	r      *Reconciler
	undoer *sweep.Undoer

	// mu lets one sweep at a time work, and guards what is below.
	mu sync.Mutex
	// regions are those that any object was seen to be about.
	regions map[string]bool
}

// NewSweeper makes a sweeper that is not yet part of a manager. It shares the reconciler's clients, clock and options.
func (r *Reconciler) NewSweeper() *Sweeper {
	return &Sweeper{r: r, undoer: sweep.NewUndoer(r.clock), regions: map[string]bool{}}
}

// NeedLeaderElection has the manager start the sweeper only where it is the leader.
func (s *Sweeper) NeedLeaderElection() bool { return true }

// Start sweeps at once and then every Options.SweepInterval, until the context ends.
func (s *Sweeper) Start(ctx context.Context) error {
	ctx = log.IntoContext(ctx, log.FromContext(ctx).WithName("sweeper"))
	for {
		wait := s.r.options.SweepInterval
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Sweep was not complete, and is repeated")
			wait = min(wait, sweepRetry)
		}
		timer := s.r.clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C():
		}
	}
}

// Sweep looks once and undoes what is due: the cloud first and the cluster second, so that whoever has no object then never
// will have one. What goes wrong in one Region or with one finding is no obstacle to the others; the errors are joined.
func (s *Sweeper) Sweep(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := []error{s.noteRegions(ctx)}
	var found []sweep.Found
	complete := true
	for _, region := range slices.Sorted(maps.Keys(s.regions)) {
		in, err := sweep.Look(ctx, s.r.sessions.In(region))
		if group := s.r.options.DeadManScheduleGroup; err == nil && group != "" {
			err = in.Unseen(group)
		}
		if err != nil {
			errs, complete = append(errs, fmt.Errorf("searching Region %s: %w", region, err)), false
		}
		found = append(found, in.Found...)
	}
	owners, err := s.owners(ctx)
	if err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, s.judge(ctx, found, owners, complete))
	}
	err = errors.Join(errs...)
	observeSweep(s.r.clock.Now(), err)
	return err
}

// noteRegions adds the Regions of options and objects to those that are searched. An object that is gone later leaves its
// Region behind.
func (s *Sweeper) noteRegions(ctx context.Context) error {
	for _, region := range append(slices.Clone(s.r.options.SweepRegions), s.r.sessions.DefaultRegion()) {
		if region != "" {
			s.regions[region] = true
		}
	}
	owners, err := s.owners(ctx)
	for _, obj := range owners.objects {
		if target := obj.Status.Target; target != nil && target.Region != "" {
			s.regions[target.Region] = true // it is in the status before anything is written to AWS
		}
	}
	return err
}

// owners are the objects of all namespaces.
type owners struct {
	objects map[types.UID]*v1alpha1.AgentDisconnect
	// unknown says that there can be none, and may have been: the kind isn't installed.
	unknown bool
}

func (s *Sweeper) owners(ctx context.Context) (owners, error) {
	var all v1alpha1.AgentDisconnectList
	switch err := s.r.reader.List(ctx, &all); {
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return owners{unknown: true}, nil
	case err != nil:
		return owners{}, fmt.Errorf("listing the objects of all namespaces: %w", err)
	}
	found := owners{objects: map[types.UID]*v1alpha1.AgentDisconnect{}}
	for i := range all.Items {
		found.objects[all.Items[i].UID] = &all.Items[i]
	}
	return found, nil
}

// duty is what is to be done about a finding.
type duty int

const (
	// dutyNone: its object looks after it.
	dutyNone duty = iota
	// dutyCount: it isn't this cluster's, or can't be undone.
	dutyCount
	// dutyLift: its object is there and should be done with it by now. What acts on traffic goes; the object does the rest.
	dutyLift
	// dutyUndo: nobody looks after it.
	dutyUndo
)

// dutyOf decides about a finding, given the objects that were there after it was found.
func (s *Sweeper) dutyOf(f sweep.Found, all owners, now time.Time) duty {
	obj := all.objects[types.UID(f.UID)]
	switch {
	case f.Kind == sweep.KindAdopted, f.Kind == sweep.KindUnreadable, f.ClusterID != s.r.options.ClusterID:
		return dutyCount
	case all.unknown:
		// It may be about to be installed again, from a backup that has the objects.
		return when(f.PastEnd(now), dutyUndo)
	case obj == nil, run.IsOver(&obj.Status):
		return dutyUndo
	case obj.Status.StartTime == nil && !run.TouchedAWS(&obj.Status):
		return when(f.PastEnd(now), dutyUndo) // of an earlier run: the one to come has tags of its own start
	case f.Kind == sweep.KindSchedules:
		return dutyNone
	}
	end := run.Expiration(&obj.Status)
	return when(f.PastEnd(now) && !now.Before(end.Add(sweep.Margin)), dutyLift)
}

func when(is bool, d duty) duty {
	if is {
		return d
	}
	return dutyNone
}

// judge counts what was found, and undoes what is due. The counts of a search that wasn't complete would say that something is
// gone which nobody looked at: those of the one before stay.
func (s *Sweeper) judge(ctx context.Context, found []sweep.Found, all owners, complete bool) error {
	var errs []error
	counts := newSweepCounts()
	for _, f := range found {
		what := s.dutyOf(f, all, s.r.clock.Now())
		if what == dutyNone {
			continue
		}
		if what == dutyCount {
			counts.add(f, s.r.options.ClusterID)
			continue
		}
		done, err := s.undo(ctx, f, what)
		if !done {
			counts.add(f, s.r.options.ClusterID)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("undoing %s of run %s on network ACL %s in Region %s: %w", f.Kind, f.UID, f.NetworkACLID, f.Region, err))
		}
	}
	if complete {
		counts.publish()
	}
	return errors.Join(errs...)
}

// undo does what is due about a finding, logs what that was, and reports whether nothing is left to do.
func (s *Sweeper) undo(ctx context.Context, f sweep.Found, what duty) (done bool, err error) {
	act := s.undoer.Undo
	if what == dutyLift {
		act = s.undoer.Lift
	}
	result, err := act(ctx, s.r.sessions.In(f.Region), f)
	if len(result.Did) > 0 || result.Left != "" {
		log.FromContext(ctx).Info("Swept what a run left behind", "kind", f.Kind, "accountID", f.AccountID, "region", f.Region,
			"networkACLID", f.NetworkACLID, "uid", f.UID, "owner", f.Owner, "did", result.Did, "left", result.Left)
	}
	if result.Done && len(result.Did) > 0 {
		sweepUndone.WithLabelValues(string(f.Kind)).Inc()
	}
	return result.Done, err
}
