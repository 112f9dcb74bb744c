// SPDX-License-Identifier: Apache-2.0

package sweeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/backoff"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
)

// place is where a sweep looks: a Region, with the role of a namespace; an empty namespace: with the
// manager's own credentials.
type place struct{ namespace, region string }

func (p place) compare(o place) int {
	return cmp.Or(strings.Compare(p.namespace, o.namespace), strings.Compare(p.region, o.region))
}

// String says where it is, for messages.
func (p place) String() string {
	if p.namespace == "" {
		return "Region " + p.region
	}
	return fmt.Sprintf("Region %s with the role of namespace %s", p.region, p.namespace)
}

// clients gives those that look at a place.
func (s *Sweeper) clients(p place) *aws.Clients {
	if p.namespace == "" {
		return s.sessions.In(p.region)
	}
	return s.sessions.As(s.options.RoleOf(p.namespace), p.region)
}

// searchers are the namespaces with whose roles AWS is searched everywhere. The manager's own
// credentials are among them, unless no namespace may use them.
func (s *Sweeper) searchers() []string {
	var all []string
	if !s.options.RequireNamespaceRole {
		all = append(all, "")
	}
	for _, mapped := range s.options.NamespaceRoles {
		all = append(all, mapped.Namespace)
	}
	return all
}

// notePlaces adds the Regions of options and objects to those that are searched. An object that is
// gone later leaves its Region behind. The error names what no role reaches.
func (s *Sweeper) notePlaces(ctx context.Context) error {
	for _, namespace := range s.searchers() {
		for _, region := range append(slices.Clone(s.options.SweepRegions), s.sessions.DefaultRegion()) {
			s.notePlace(place{namespace, region}, "")
		}
	}

	owners, err := ownersOf(s.objects.KnownAll(ctx))
	errs := []error{err}
	for _, obj := range owners.objects {
		target := obj.Status.Target // it is there before anything is written to AWS
		if target == nil {
			continue
		}

		cluster := ""
		if run.HasProbe(&obj.Status) {
			cluster = target.ClusterARN
		}

		switch role := s.options.RoleOf(obj.Namespace); {
		case role.AccountID() == target.AccountID:
			s.notePlace(place{obj.Namespace, target.Region}, cluster)
		case target.RoleARN == "" && !s.options.RequireNamespaceRole:
			s.notePlace(place{"", target.Region}, cluster)
		case !run.IsRestored(&obj.Status):
			errs = append(errs, fmt.Errorf("account %s, Region %s is not searched, where run %s works: give namespace %s role %s (--namespace-role)",
				target.AccountID, target.Region, run.Name(obj), obj.Namespace, cmp.Or(target.RoleARN, "of that account")))
		}
	}
	return errors.Join(errs...)
}

// notePlace has a place searched from now on, and an ECS cluster there, if one is named.
func (s *Sweeper) notePlace(p place, cluster string) {
	if p.region == "" {
		return
	}
	if s.places[p] == nil {
		s.places[p] = map[string]bool{}
	}
	if cluster != "" {
		s.places[p][cluster] = true
	}
}

// finding is what one look found, with the clients of that look.
type finding struct {
	sweep.Found

	clients *aws.Clients
}

// failure is of looks at one place, count of them in a row.
type failure struct {
	count int
	next  time.Time
}

// noteFailure notes how a look went. The next attempt that is made for its sake comes later each time:
// a role that is refused for days causes no more sweeps than there are anyway.
func (s *Sweeper) noteFailure(at place, err error) {
	if err == nil {
		delete(s.failures, at)
		return
	}
	count := s.failures[at].count
	s.failures[at] = failure{count + 1, s.clock.Now().Add(backoff.Grow(retryInterval, max(retryInterval, s.options.SweepInterval), count))}
}

// nextAttempt is when a place that could not be searched is to be tried again.
func (s *Sweeper) nextAttempt() (at time.Time) {
	for _, each := range s.failures {
		if at.IsZero() || each.next.Before(at) {
			at = each.next
		}
	}
	return at
}

// look is what came of a look at one place.
type look struct {
	// survey is what was seen; nil: nothing could be.
	survey  *sweep.Survey
	clients *aws.Clients
	// complete: all was seen that is counted. err is why something was not seen.
	complete bool
	err      error
}

// looks are what the looks of one sweep found.
type looks struct {
	found map[findingKey]finding
	// places are those that could be looked at, and complete says that all could.
	places   []sweep.Place
	complete bool
}

// findingKey tells what was found from everything else.
type findingKey struct {
	place                  sweep.Place
	kind                   sweep.Kind
	networkACLID, ecs, uid string
	started                time.Time
}

// add takes in what a look found. Where the roles of several namespaces reach an account, the owner's
// is the one to undo with.
func (l *looks) add(from look) {
	l.complete = l.complete && from.complete
	if from.survey == nil {
		return
	}
	in := from.survey
	l.places = append(l.places, in.Place)
	for _, f := range in.Found {
		key := findingKey{in.Place, f.Kind, f.NetworkACLID, f.ECSClusterARN, f.UID, f.Started.UTC()}
		owner, _, _ := strings.Cut(f.Owner, "/")
		if _, known := l.found[key]; !known || owner == from.clients.Role.Namespace {
			l.found[key] = finding{f, from.clients}
		}
	}
}

// sorted are the findings in an order that is the same for each sweep.
func (l *looks) sorted() []finding {
	var all []finding
	for _, f := range l.found {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.Region, b.Region), cmp.Compare(a.UID, b.UID),
			cmp.Compare(a.NetworkACLID, b.NetworkACLID), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ECSClusterARN, b.ECSClusterARN), a.Started.Compare(b.Started))
	})
	return all
}

// unseenIn says why the schedules of the dead man's switch were not looked at in a place.
func unseenIn(p place, in sweep.Survey, o options.Options) error {
	if _, group := o.SwitchOf(p.namespace); group != "" {
		return in.Unseen(group)
	}
	return nil
}
