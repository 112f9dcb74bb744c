// SPDX-License-Identifier: Apache-2.0

package sweeper

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
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
)

// retryInterval is how soon a sweep is repeated that something kept from all of its work, or that
// lacked time alone for it, where its interval is longer.
const retryInterval = time.Minute

// Options are what a platform team sets.
type Options struct {
	// Interval is how often AWS is searched.
	Interval time.Duration
	// Regions are searched beside the manager's own and those of objects.
	Regions []string
	// ClusterID tells this Kubernetes cluster from others in the tags on AWS resources.
	ClusterID string
	// ScheduleGroup is the group of the dead man's switch; empty: there is none.
	ScheduleGroup string
}

// Sweeper searches AWS at intervals for what runs left behind, and undoes what is this
// Kubernetes cluster's and no object looks after any more. It is part of a manager, and works while
// that is the leader.
type Sweeper struct {
	objects  *objects.Reader
	sessions *aws.Sessions
	clock    clock.Clock
	options  Options
	undoer   *sweep.Undoer

	// mu lets one sweep at a time work, and guards what is below.
	mu sync.Mutex
	// regions are those that any object was seen to be about, and in each the ECS clusters of the
	// objects with a probe.
	regions map[string]map[string]bool
	// again is when a finding that the last sweep left gets further. The zero time: none does with
	// time alone.
	again time.Time
}

// New makes a sweeper that is not yet part of a manager.
func New(all *objects.Reader, sessions *aws.Sessions, clk clock.Clock, options Options) *Sweeper {
	return &Sweeper{
		objects: all, sessions: sessions, clock: clk, options: options,
		undoer: sweep.NewUndoer(clk), regions: map[string]map[string]bool{},
	}
}

// NeedLeaderElection has the manager start the sweeper only where it is the leader.
func (s *Sweeper) NeedLeaderElection() bool { return true }

// Start sweeps at once and then every Options.Interval, or sooner where Wait says so, until the
// context ends.
func (s *Sweeper) Start(ctx context.Context) error {
	ctx = log.IntoContext(ctx, log.FromContext(ctx).WithName("sweeper"))
	for {
		err := s.Sweep(ctx)
		if err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Sweep was not complete, retrying")
		}
		timer := s.clock.NewTimer(s.Wait(err))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C():
		}
	}
}

// looks are what the looks of one sweep found.
type looks struct {
	found []sweep.Found
	// regions are those that could be looked into.
	regions []string
}

// Sweep looks once and undoes what is due: the cloud first and the cluster second, so that a run
// without an object then never will have one. What goes wrong in one Region or with one finding is
// no obstacle to the others; the errors are joined.
func (s *Sweeper) Sweep(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := []error{s.noteRegions(ctx)}
	var all looks
	complete := true
	for _, region := range slices.Sorted(maps.Keys(s.regions)) {
		clusters := append([]string{}, slices.Sorted(maps.Keys(s.regions[region]))...) // nil would be all
		in, err := sweep.Look(ctx, s.sessions.In(region), clusters)
		if err == nil {
			all.found, all.regions = append(all.found, in.Found...), append(all.regions, region)
		}
		if group := s.options.ScheduleGroup; err == nil && group != "" {
			err = in.Unseen(group)
		}
		if err == nil && in.TasksUnseen != nil { // what was found of rules is complete all the same
			errs = append(errs, fmt.Errorf("searching Region %s for tasks of probes: %w", region, in.TasksUnseen))
		}
		if err != nil {
			errs, complete = append(errs, fmt.Errorf("searching Region %s: %w", region, err)), false
		}
	}

	// Whether an object is gone decides what is removed: that is read past the cache, where there is anything to decide.
	var owners owners
	var err error
	if len(all.found) > 0 {
		owners, err = ownersOf(s.objects.All(ctx))
	}
	if err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, s.act(ctx, all, owners, complete))
	}

	err = errors.Join(errs...)
	observe(s.clock.Now(), err)
	return err
}

// Wait gives how long after the last sweep, which ended with err, the next one is due.
func (s *Sweeper) Wait(err error) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := s.options.Interval
	if err != nil {
		wait = min(wait, retryInterval)
	}
	if !s.again.IsZero() {
		wait = min(wait, max(s.again.Sub(s.clock.Now()), retryInterval))
	}
	return wait
}

// noteRegions adds the Regions of options and objects to those that are searched. An object that is
// gone later leaves its Region behind.
func (s *Sweeper) noteRegions(ctx context.Context) error {
	for _, region := range append(slices.Clone(s.options.Regions), s.sessions.DefaultRegion()) {
		s.noteRegion(region, "")
	}

	owners, err := ownersOf(s.objects.KnownAll(ctx))
	for _, obj := range owners.objects {
		if target := obj.Status.Target; target != nil { // it is there before anything is written to AWS
			cluster := ""
			if run.HasProbe(&obj.Status) {
				cluster = target.ClusterARN
			}
			s.noteRegion(target.Region, cluster)
		}
	}
	return err
}

// noteRegion has a Region searched from now on, and an ECS cluster there, if one is named.
func (s *Sweeper) noteRegion(region, cluster string) {
	if region == "" {
		return
	}
	if s.regions[region] == nil {
		s.regions[region] = map[string]bool{}
	}
	if cluster != "" {
		s.regions[region][cluster] = true
	}
}

// owners are the objects of all namespaces.
type owners struct {
	objects map[types.UID]*objects.Object
	// unknown says that there can be none, and may have been: the kind isn't installed.
	unknown bool
}

func ownersOf(all []objects.Object, err error) (owners, error) {
	switch {
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return owners{unknown: true}, nil
	case err != nil:
		return owners{}, fmt.Errorf("listing the objects of all namespaces: %w", err)
	}

	found := owners{objects: map[types.UID]*objects.Object{}}
	for i := range all {
		found.objects[all[i].UID] = &all[i]
	}
	return found, nil
}

// describe says what the list shows of a finding's object, as far as that tells whether the object
// ended its run itself. It decides nothing, since a person may have edited the status.
func (o owners) describe(f sweep.Found) string {
	obj := o.objects[types.UID(f.UID)]
	switch {
	case o.unknown:
		return "unknown"
	case obj == nil:
		return "gone"
	case run.IsRestored(&obj.Status):
		return "restored"
	}
	return "not restored"
}

// action is what is to be done about a finding.
type action int

const (
	// actionNone: its object looks after it.
	actionNone action = iota
	// actionCount: it isn't this cluster's, or can't be undone.
	actionCount
	// actionLift: its object is there and should be done with it by now. What acts on traffic goes;
	// the object does the rest.
	actionLift
	// actionUndo: no object looks after it.
	actionUndo
)

// actionFor decides about a finding, given the objects that were there after it was found.
func (s *Sweeper) actionFor(f sweep.Found, all owners, now time.Time) action {
	obj := all.objects[types.UID(f.UID)]
	switch {
	case f.Kind == sweep.KindAdopted, f.Kind == sweep.KindUnreadable, f.ClusterID != s.options.ClusterID:
		return actionCount
	case all.unknown:
		// It may be about to be installed again, from a backup that has the objects.
		return when(f.PastEnd(now), actionUndo)
	case obj == nil, run.IsOver(&obj.Status):
		return actionUndo
	case f.Kind == sweep.KindTasks && obj.Status.StartTime != nil && !obj.Status.StartTime.Time.Equal(f.Started):
		return actionUndo // of an earlier run of the object
	case obj.Status.StartTime == nil && !run.TouchedAWS(&obj.Status):
		return when(f.PastEnd(now), actionUndo) // of an earlier run: the one to come has tags of its own start
	case f.Kind == sweep.KindSchedules, f.Kind == sweep.KindTasks:
		return actionNone
	}

	end := run.Expiration(&obj.Status)
	return when(f.PastEnd(now) && !now.Before(end.Add(sweep.Margin)), actionLift)
}

func when(is bool, a action) action {
	if is {
		return a
	}
	return actionNone
}

// act counts what was found, and undoes what is due. The counts of a search that wasn't complete
// would say that something is gone which was not looked at: those of the one before stay.
func (s *Sweeper) act(ctx context.Context, in looks, all owners, complete bool) error {
	var errs []error
	tally := newCounts()
	var due []sweep.Found
	var actions []action
	now := s.clock.Now()
	for _, f := range in.found {
		switch what := s.actionFor(f, all, now); what {
		case actionNone:
		case actionCount:
			tally.add(f, s.options.ClusterID)
		case actionLift, actionUndo:
			f.Object = all.describe(f)
			due, actions = append(due, f), append(actions, what)
		}
	}

	s.undoer.Retain(due, in.regions...)
	s.again = time.Time{}
	for i, f := range due {
		done, err := s.undo(ctx, f, actions[i])
		if !done {
			tally.add(f, s.options.ClusterID)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("undoing %s of run %s %s in Region %s: %w", f.Kind, f.UID, place(f), f.Region, err))
		}
	}

	if complete {
		tally.publish()
	}
	return errors.Join(errs...)
}

// place says where a finding is.
func place(f sweep.Found) string {
	if f.Kind == sweep.KindTasks {
		return "in ECS cluster " + f.ECSClusterARN
	}
	return "on network ACL " + f.NetworkACLID
}

// undo does what is due about a finding, logs what that was, and reports whether nothing is left to
// do.
func (s *Sweeper) undo(ctx context.Context, f sweep.Found, what action) (done bool, err error) {
	act := s.undoer.Undo
	if what == actionLift {
		act = s.undoer.Lift
	}

	result, err := act(ctx, s.sessions.In(f.Region), f)
	if len(result.Did) > 0 || result.Left != "" {
		log.FromContext(ctx).Info("Removed what a run left behind", "kind", f.Kind, "accountID", f.AccountID, "region", f.Region,
			"networkACLID", f.NetworkACLID, "uid", f.UID, "owner", f.Owner, "did", result.Did, "left", result.Left)
	}

	if again := result.Again; !again.IsZero() && (s.again.IsZero() || again.Before(s.again)) {
		s.again = again
	}

	if result.Done && len(result.Did) > 0 {
		undoneTotal.WithLabelValues(string(f.Kind)).Inc()
	}
	return result.Done, err
}
