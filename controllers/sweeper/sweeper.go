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
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
)

// retryInterval is how soon a sweep is repeated that something kept from all of its work, or that
// lacked time alone for it, where its interval is longer. A place that can't be searched is tried less
// and less often.
const retryInterval = time.Minute

// Sweeper searches AWS at intervals for what runs left behind, and undoes what is this
// Kubernetes cluster's and no object looks after any more. It is part of a manager, and works while
// that is the leader.
type Sweeper struct {
	objects  *objects.Reader
	sessions *aws.Sessions
	clock    clock.Clock
	options  options.Options
	undoer   *sweep.Undoer

	// mu lets one sweep at a time work, and guards what is below.
	mu sync.Mutex
	// places are where the options and any object seen so far have it look, and in each the ECS
	// clusters of the objects with a probe. Those of objects that are gone stay: they are Regions and
	// clusters in which runs began.
	places map[place]map[string]bool
	// again is when a finding that the last sweep left gets further. The zero time: none does with
	// time alone.
	again time.Time
	// failures are of the places that the last sweep could not see all of, and retryAt is when the next
	// one is due because of what went wrong. The zero time: nothing did.
	failures map[place]failure
	retryAt  time.Time
}

// New makes a sweeper that is not yet part of a manager.
func New(all *objects.Reader, sessions *aws.Sessions, clk clock.Clock, opts options.Options) *Sweeper {
	return &Sweeper{
		objects: all, sessions: sessions, clock: clk, options: opts,
		undoer: sweep.NewUndoer(clk), places: map[place]map[string]bool{}, failures: map[place]failure{},
	}
}

// NeedLeaderElection has the manager start the sweeper only where it is the leader.
func (s *Sweeper) NeedLeaderElection() bool { return true }

// Start sweeps at once and then every options.SweepInterval, or sooner where Wait says so, until the
// context ends.
func (s *Sweeper) Start(ctx context.Context) error {
	ctx = log.IntoContext(ctx, log.FromContext(ctx).WithName("sweeper"))
	for {
		err := s.Sweep(ctx)
		if err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Sweep was not complete, retrying")
		}
		timer := s.clock.NewTimer(s.Wait())
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C():
		}
	}
}

// Sweep looks once, with each role, and undoes what is due: the cloud first and the cluster second,
// so that a run without an object then never will have one. What goes wrong in one place or with one
// finding is no obstacle to the others; the errors are joined.
func (s *Sweeper) Sweep(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	unreached := s.notePlaces(ctx)
	all, unseen := s.lookEverywhere(ctx)
	err := errors.Join(unreached, s.decide(ctx, all))

	s.retryAt = time.Time{}
	if err != nil {
		s.retryAt = s.clock.Now().Add(retryInterval)
	} else if unseen != nil {
		s.retryAt = s.nextAttempt()
	}
	err = errors.Join(unseen, err)
	observe(s.clock.Now(), err)
	return err
}

// lookEverywhere looks at all places side by side, so that none waits for one that does not answer.
// The error says what was not seen.
func (s *Sweeper) lookEverywhere(ctx context.Context) (looks, error) {
	at := slices.SortedFunc(maps.Keys(s.places), place.compare)
	looked := make([]look, len(at))
	var group sync.WaitGroup
	for i := range at {
		group.Go(func() { looked[i] = s.look(ctx, at[i]) })
	}
	group.Wait()

	all := looks{found: map[findingKey]finding{}, complete: true}
	errs := make([]error, len(at))
	for i, each := range looked {
		all.add(each)
		errs[i] = each.err
		s.noteFailure(at[i], each.err)
	}
	return all, errors.Join(errs...)
}

// look searches one place.
func (s *Sweeper) look(ctx context.Context, at place) look {
	clusters := append([]string{}, slices.Sorted(maps.Keys(s.places[at]))...) // nil would be all
	result := look{clients: s.clients(at)}
	survey, err := sweep.Look(ctx, result.clients, clusters)
	if err == nil {
		result.survey = &survey
		err = unseenIn(at, survey, s.options)
	}

	switch {
	case err != nil:
		result.err = fmt.Errorf("searching %s: %w", at, err)
	case survey.TasksUnseen != nil: // what was found of rules is complete all the same
		result.complete, result.err = true, fmt.Errorf("searching %s for tasks of probes: %w", at, survey.TasksUnseen)
	default:
		result.complete = true
	}
	return result
}

// decide undoes what is due of what was found. Whether an object is gone decides what is removed:
// that is read past the cache, where there is anything to decide.
func (s *Sweeper) decide(ctx context.Context, found looks) (err error) {
	var owners owners
	if len(found.found) > 0 {
		owners, err = ownersOf(s.objects.All(ctx))
	}
	if err != nil {
		return err
	}
	return s.act(ctx, found, owners)
}

// Wait gives how long after the last sweep the next one is due.
func (s *Sweeper) Wait() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := s.options.SweepInterval
	for _, at := range []time.Time{s.again, s.retryAt} {
		if !at.IsZero() {
			wait = min(wait, max(at.Sub(s.clock.Now()), retryInterval))
		}
	}
	return wait
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
func (s *Sweeper) act(ctx context.Context, in looks, all owners) error {
	var errs []error
	tally := newCounts()
	var due []finding
	var found []sweep.Found
	var actions []action
	now := s.clock.Now()
	for _, f := range in.sorted() {
		switch what := s.actionFor(f.Found, all, now); what {
		case actionNone:
		case actionCount:
			tally.add(f.Found, s.options.ClusterID)
		case actionLift, actionUndo:
			f.Object = all.describe(f.Found)
			due, found, actions = append(due, f), append(found, f.Found), append(actions, what)
		}
	}

	s.undoer.Retain(found, in.places...)
	s.again = time.Time{}
	for i, f := range due {
		done, err := s.undo(ctx, f, actions[i])
		if !done {
			tally.add(f.Found, s.options.ClusterID)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("undoing %s of run %s %s in account %s, Region %s: %w", f.Kind, f.UID, where(f.Found), f.AccountID, f.Region, err))
		}
	}

	if in.complete {
		tally.publish()
	}
	return errors.Join(errs...)
}

// where says on what a finding is.
func where(f sweep.Found) string {
	if f.Kind == sweep.KindTasks {
		return "in ECS cluster " + f.ECSClusterARN
	}
	return "on network ACL " + f.NetworkACLID
}

// undo does what is due about a finding, logs what that was, and reports whether nothing is left to
// do.
func (s *Sweeper) undo(ctx context.Context, f finding, what action) (done bool, err error) {
	act := s.undoer.Undo
	if what == actionLift {
		act = s.undoer.Lift
	}

	result, err := act(ctx, f.clients, f.Found)
	if len(result.Did) > 0 || result.Left != "" {
		log.FromContext(ctx).Info("Removed what a run left behind", "kind", f.Kind, "accountID", f.AccountID, "role", f.clients.Role.ARN, "region", f.Region,
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
