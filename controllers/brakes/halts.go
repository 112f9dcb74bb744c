// SPDX-License-Identifier: Apache-2.0

package brakes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// lookForKindInterval is how often the API server is asked whether it has the kind, where it had
// not: an administrator who installs the CRD does not wait for long, and passes do not ask each.
const lookForKindInterval = 10 * time.Second

// Halts are the AgentDisconnectHalts of the Kubernetes cluster. They are safe for concurrent use.
type Halts struct {
	reader client.Reader
	clock  clock.PassiveClock

	mu sync.Mutex
	// cache has all halts once they are watched; nil: each look reads past it.
	cache client.Reader
	// unread is why the API server did not list them when it was last asked beside the watch.
	unread error
	// changes has an event while a change of halts is to be acted on.
	changes chan event.TypedGenericEvent[haltChanged]
	// kindMissing is when the API server last had no such kind.
	kindMissing time.Time
}

// NewHalts makes halts that are not watched. reader reads past the cache.
func NewHalts(reader client.Reader, clk clock.PassiveClock) *Halts {
	return &Halts{reader: reader, clock: clk, changes: make(chan event.TypedGenericEvent[haltChanged], 1)}
}

// Follow has looks go to a cache from now on, which has all halts.
func (h *Halts) Follow(cache client.Reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cache = cache
}

// Look gives the halts there are, as the cache has them. An error says that there may be others.
func (h *Halts) Look(ctx context.Context) ([]v1alpha1.AgentDisconnectHalt, error) {
	h.mu.Lock()
	cache, missing, unread := h.cache, h.kindMissing, h.unread
	h.mu.Unlock()
	switch age := h.clock.Since(missing); {
	case cache != nil:
		known, err := list(ctx, cache)
		return known, errors.Join(err, unread)
	case !missing.IsZero() && age >= 0 && age < lookForKindInterval:
		return nil, nil
	}
	return h.LookPastCache(ctx)
}

// LookPastCache gives the halts there are, as the API server has them. Where it has no such kind, as
// before an upgrade of the CRDs, nobody can have made one.
func (h *Halts) LookPastCache(ctx context.Context) ([]v1alpha1.AgentDisconnectHalt, error) {
	found, err := list(ctx, h.reader)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kindMissing = time.Time{}
	if isMissing(err) {
		h.kindMissing = h.clock.Now()
		return nil, nil
	}
	return found, err
}

// isMissing reports whether the API server has no such kind.
func isMissing(err error) bool { return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) }

func list(ctx context.Context, reader client.Reader) ([]v1alpha1.AgentDisconnectHalt, error) {
	var all v1alpha1.AgentDisconnectHaltList
	if err := reader.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("listing the AgentDisconnectHalts: %w", err)
	}
	return all.Items, nil
}

// CheckHalts says why a start is held back by halts, or by an error that kept them from being read;
// nil: none holds it back.
func CheckHalts(halts []v1alpha1.AgentDisconnectHalt, err error) *problem.Problem {
	switch {
	case err != nil && !apierrors.IsForbidden(err):
		return problem.Wait(v1alpha1.ReasonHaltsNotReadable, "no run starts while the manager can't read the AgentDisconnectHalts: it tries again. %s", aws.Truncate(err.Error(), 512))
	case err != nil:
		return problem.Refuse(v1alpha1.ReasonHaltsNotReadable, "no run starts while the manager can't read the AgentDisconnectHalts: apply the CRDs and the ClusterRole of this version of the manager. %s", aws.Truncate(err.Error(), 512))
	case len(halts) == 0:
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonHalted, "%s. No run starts before all halts are deleted (kubectl agentdisconnect resume)", describeHalts(halts))
}

// StopForHalts says why halts end a run that is on; nil: there is none.
func StopForHalts(halts []v1alpha1.AgentDisconnectHalt) *Stop {
	if len(halts) == 0 {
		return nil
	}
	return &Stop{v1alpha1.AbortHalted, describeHalts(halts)}
}

// describeHalts names the oldest halt, with who asked for it and why, and counts the others. It
// stays the same while the halts do.
func describeHalts(halts []v1alpha1.AgentDisconnectHalt) string {
	oldest := slices.MinFunc(halts, func(a, b v1alpha1.AgentDisconnectHalt) int {
		if order := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); order != 0 {
			return order
		}
		return strings.Compare(a.Name, b.Name)
	})

	text := "all runs are halted by AgentDisconnectHalt " + oldest.Name
	if others := len(halts) - 1; others > 0 {
		text += " and " + problem.Plural(others, "other", "others")
	}
	return text + run.ByWhom(&oldest)
}
