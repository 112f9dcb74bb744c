// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// installing are the times from an object's creation until its rules are in place, without the wait between its two passes, and
// those of a plain loop.
type installing struct {
	created samples
	plain   plain
	trace   string
}

// pollEvery is the wait between two polls of the agents. Two reads of a network ACL that is to be cloned are at least 5 seconds
// apart: they fall into the same two passes.
const pollEvery = 6 * time.Second

// longestPause is the longest time in which no call was under way and nothing was written.
func longestPause(begin, end time.Time, all []timedCall, versions []version) time.Duration {
	type span struct{ from, to time.Time }
	spans := []span{{end, end}}
	for _, c := range all {
		spans = append(spans, span{c.begin, c.end})
	}
	for _, v := range versions {
		spans = append(spans, span{v.at, v.at})
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })

	longest, busy := time.Duration(0), begin
	for _, each := range spans {
		longest = max(longest, each.from.Sub(busy))
		if each.to.After(busy) {
			busy = each.to
		}
	}
	return longest
}

// measureInstalling has the manager install the rules in one place several times. The first time is for warming up: a
// manager says that it is ready while it is still filling its cache.
func measureInstalling(ctx context.Context, s *stack.Stack, p place, set settings) (*installing, error) {
	objects, err := follow(ctx, s)
	if err != nil {
		return nil, err
	}
	defer objects.Close()
	m := &installing{}
	for i := range set.runs + 1 {
		if err := m.plain.measure(ctx, s.Sim, p); err != nil {
			return nil, fmt.Errorf("plain loop: %w", err)
		}
		if i == 0 {
			m.plain = plain{}
		}
		name := objectName("install", p.mode, i)
		recorded := recordCalls(s.Sim)
		asked, err := objects.create(ctx, name, p, time.Hour)
		if err != nil {
			return nil, err
		}
		done, err := objects.until(ctx, name, installed)
		recorded.stop()
		if err != nil {
			return nil, err
		}
		if err := asMeant(done.object, p); err != nil {
			return nil, err
		}
		if i > 0 {
			pause := longestPause(asked, done.at, recorded.ended(), objects.of(name))
			m.created = append(m.created, done.at.Sub(asked)-pause)
			m.trace = trace(fmt.Sprintf("%s, from creation to RulesInstalled", p.mode), asked, recorded.ended(), objects.of(name))
		}
		if _, err := objects.delete(ctx, name); err != nil {
			return nil, err
		}
		if _, err := objects.until(ctx, name, gone); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// asMeant makes sure that a run is what is to be measured.
func asMeant(obj *v1alpha1.AgentDisconnect, p place) error {
	status := &obj.Status
	if n := len(status.Rules); n != len(theRules) {
		return fmt.Errorf("%s has %d rules in place, not %d", obj.Name, n, len(theRules))
	}
	if status.NetworkACL.Mode != p.mode {
		return fmt.Errorf("%s has the mode %s, not %s", obj.Name, status.NetworkACL.Mode, p.mode)
	}
	return nil
}
