// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

const (
	suspendLine = "suspend: true"
	// quiet is how long nothing is to happen where nothing should: many times what the manager takes to begin with something.
	quiet = 2 * time.Second
)

// change applies the second object's manifest again, with another line at its end or without one, and shows what is
// different.
func (w *walk) change(ctx context.Context, sign, line string, more ...string) error {
	w.screen.Print(screen.Dim, "  the same manifest with one change:")
	w.screen.Block(screen.Marked, "  "+sign+"  "+line)
	return w.applyText(ctx, secondName, w.manifest(secondName, duration, more...))
}

// showRun shows where the run is, as its status has it.
func (w *walk) showRun() {
	status := &w.obj.Status
	rows := []screen.Row{{Cells: []string{"STATE", w.state()}}}
	if acl := status.NetworkACL; acl != nil {
		text := fmt.Sprintf("id: %s, mode: %s", acl.ID, acl.Mode)
		if acl.State != "" { // else the clone is gone
			text += ", state: " + string(acl.State)
		}
		rows = append(rows, screen.Row{Cells: []string{"status.networkACL", text}})
	}
	if expires := status.ExpirationTime; expires != nil {
		rows = append(rows, screen.Row{Cells: []string{"status.expirationTime", clock(expires.Time)}})
	}
	w.screen.Table(nil, rows)
}

// runPlanned makes a run of the plan.
func (w *walk) runPlanned(ctx context.Context) (string, error) {
	if err := w.change(ctx, "-", planLine); err != nil {
		return "", err
	}
	clone, err := w.awaitClone(ctx)
	if err != nil {
		return "", err
	}
	w.showRun()
	return fmt.Sprintf("the subnet is on clone %s, which denies %d addresses", idOf(clone), len(w.sessionOf())), nil
}

// suspend has the rules lifted.
func (w *walk) suspend(ctx context.Context) (string, error) {
	expires := w.obj.Status.ExpirationTime
	if err := w.change(ctx, "+", suspendLine, suspendLine); err != nil {
		return "", err
	}
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		if err := w.read(ctx); err != nil {
			return false, "", err
		}
		acl, err := w.networkACL(ctx)
		return err == nil && idOf(acl) == idOf(w.original) && w.is(v1alpha1.StateSuspended), w.state(), err
	})
	if err != nil {
		return "", err
	}
	w.showRun()
	if expires == nil || !expires.Equal(w.obj.Status.ExpirationTime) {
		return "", fmt.Errorf("the expiration time moved from %v to %v", expires, w.obj.Status.ExpirationTime)
	}
	return fmt.Sprintf("the subnet is on %s; the clone is kept, and the expiration time does not change", idOf(w.original)), nil
}

// resume has them put back.
func (w *walk) resume(ctx context.Context) (string, error) {
	kept := w.obj.Status.NetworkACL.ID
	if err := w.change(ctx, "-", suspendLine); err != nil {
		return "", err
	}
	clone, err := w.awaitClone(ctx)
	if err != nil {
		return "", err
	}
	w.showRun()
	if idOf(clone) != kept {
		return "", fmt.Errorf("the subnet is on %s, and not on the clone %s that was kept", idOf(clone), kept)
	}
	return fmt.Sprintf("the subnet is on clone %s again", idOf(clone)), nil
}

// deleteRun deletes the object while its run is on.
func (w *walk) deleteRun(ctx context.Context) (string, error) {
	w.screen.Print(screen.Dim, "  $ kubectl delete agd %s", w.obj.Name)
	if err := w.stack.Client.Delete(ctx, &w.obj); err != nil {
		return "", err
	}
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		err := w.read(ctx)
		if apierrors.IsNotFound(err) {
			return true, "", nil
		}
		return false, w.state(), err
	})
	if err != nil {
		return "", err
	}
	// The object is gone, so everything else must be as well: no waiting here.
	after, err := w.landscape(ctx)
	if err != nil {
		return "", err
	}
	for _, d := range w.before.differences(after) {
		err = errors.Join(err, errors.New(d))
	}
	if err == nil {
		err = w.spared(writes(w.managerCalls(0)))
	}
	return fmt.Sprintf("when the object was deleted, the clone was deleted too, and the subnet was on %s", idOf(w.original)), err
}

// applyAgain applies the first act's manifest once more, whose run is over, and has the manager start anew: it looks at
// every object then.
func (w *walk) applyAgain(ctx context.Context) (string, error) {
	from := len(w.stack.Sim.Calls())
	if err := w.applyManifest(ctx, name, w.firstManifest()); err != nil {
		return "", err
	}
	w.screen.Wait("the manager restarts", "")
	if err := w.stack.RestartManager(ctx); err != nil {
		return "", err
	}
	began := time.Now()
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		if len(beyondSweep(w.managerCalls(from))) > 0 {
			return true, "", nil
		}
		return time.Since(began) >= quiet, "no call to AWS but those of a sweep", w.read(ctx)
	})
	if err != nil {
		return "", err
	}
	made := w.managerCalls(from)
	w.screen.Table(nil, []screen.Row{
		{Cells: []string{"STATE", w.state()}},
		{Cells: []string{"the manager's calls", tally(made)}},
		{Cells: []string{"resourceVersion", fmt.Sprintf("%s; at the end of its run it was %s", w.obj.ResourceVersion, w.finished.ResourceVersion)}},
	})
	switch {
	case len(beyondSweep(made)) > 0:
		return "", fmt.Errorf("AWS was called: %s", beyondSweep(made)[0])
	case w.obj.ResourceVersion != w.finished.ResourceVersion:
		return "", errors.New("the object was written")
	}
	return "nothing happens, nor when the manager restarts, but for its sweep, which finds nothing; a new spec.runID would run it again", nil
}
