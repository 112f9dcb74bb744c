// SPDX-License-Identifier: Apache-2.0

package flux

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fluxcd/pkg/ssa"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// drift looks for differences between the cluster and git as Flux does, all the time.
type drift struct {
	mu     sync.Mutex
	git    *unstructured.Unstructured // nil: it was not applied yet
	looked map[string]int             // how often, by state
	found  []string
}

// expect says what the cluster is to have from now on.
func (d *drift) expect(git *unstructured.Unstructured) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.git = git
}

// seen says how often it looked, by state, and what it found.
func (d *drift) seen() (looked map[string]int, found []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.looked), slices.Clone(d.found)
}

// watch looks until the test is over.
func (d *drift) watch(t *testing.T, w *world) {
	ctx, stop := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	looking.Go(func() {
		for ctx.Err() == nil {
			if err := d.look(ctx, w); err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) {
				t.Error(err)
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	t.Cleanup(func() {
		stop()
		looking.Wait()
	})
}

func (d *drift) look(ctx context.Context, w *world) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.git == nil {
		return nil
	}
	change, _, _, err := w.flux.Diff(ctx, d.git.DeepCopy(), ssa.DefaultDiffOptions())
	if err != nil {
		return err
	}
	live := d.git.DeepCopy()
	if err := w.Client.Get(ctx, client.ObjectKeyFromObject(live), live); err != nil {
		return err
	}
	state, _, err := unstructured.NestedString(live.Object, "status", "state")
	d.looked[state]++
	if change.Action != ssa.UnchangedAction {
		d.found = append(d.found, fmt.Sprintf("%s in state %s", change, state))
	}
	return err
}
