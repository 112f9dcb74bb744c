// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"
)

// measureDeletions has some runs begin together, and deletes them one after another. The first is for warming up.
func (m *ends) measureDeletions(ctx context.Context, w *watched, places []place) error {
	runs, err := createAll(ctx, w.objects, "delete", places, time.Hour)
	if err != nil {
		return err
	}
	for i := range runs {
		run := &runs[i]
		before := len(w.recorded.ended())
		asked, err := w.objects.delete(ctx, run.name)
		if err != nil {
			return err
		}
		end, err := w.objects.until(ctx, run.name, gone)
		if err != nil {
			return err
		}
		all := w.recorded.ended()[before:]
		one, err := endingOf(run.place, run.clone(), changes(all))
		if err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		m.deleted.add(asked, one)
		m.deleted.gone = append(m.deleted.gone, end.at.Sub(asked))
		m.traces = []string{trace(fmt.Sprintf("%s, from deletion to the object being gone", run.mode), asked,
			about(all, run.place, run.clone()), w.objects.of(run.name))}
	}
	return nil
}

// measureExpiry waits until all runs have expired, and meanwhile looks at the manager's memory.
func (m *ends) measureExpiry(ctx context.Context, w *watched, runs []running, memory *bytes) error {
	before := len(w.recorded.ended())
	perSecond := map[int64]int{}
	first := time.Now().Add(shortest)
	for i := range runs {
		expires := runs[i].expires()
		perSecond[expires.Unix()]++
		m.sharing = max(m.sharing, perSecond[expires.Unix()])
		if expires.Before(first) {
			first = expires
		}
	}
	if err := watchMemory(ctx, w.stack.ManagerPID(), first, memory); err != nil {
		return err
	}
	for i := range runs {
		if _, err := w.objects.until(ctx, runs[i].name, restored); err != nil {
			return err
		}
	}
	all := w.recorded.ended()[before:]
	changed := changes(all)
	latest := 0
	for i := range runs {
		one, err := endingOf(runs[i].place, runs[i].clone(), changed)
		if err != nil {
			return err
		}
		m.expired.add(runs[i].expires(), one)
		if m.expired.asked[i] > m.expired.asked[latest] {
			latest = i
		}
	}
	run := &runs[latest]
	m.traces = append(m.traces, trace(fmt.Sprintf("%s, from a second before expirationTime, for the object whose end was handled last", run.mode),
		run.expires().Add(-time.Second), about(all, run.place, run.clone()), w.objects.of(run.name)))
	return nil
}

func (r *running) expires() time.Time { return r.installed.object.Status.ExpirationTime.Time }
