// SPDX-License-Identifier: Apache-2.0

package history

import (
	"net/netip"
	"slices"
	"time"
)

// Simpler gives operations that are a step plainer than one, plainest first. Going on from any of them comes to an end.
func Simpler(op Op) []Op {
	var out []Op
	with := func(change func(*Op)) {
		simpler := op
		change(&simpler)
		out = append(out, simpler)
	}
	for _, shorter := range rounder(op.For) {
		with(func(o *Op) { o.For = shorter })
	}
	for _, shorter := range rounder(op.Window) {
		with(func(o *Op) { o.Window = shorter })
	}
	if op.There {
		with(func(o *Op) { o.There = false })
	}
	if op.Start != 0 {
		with(func(o *Op) { o.Start = 0 })
	}
	if op.OnDrift != "" {
		with(func(o *Op) { o.OnDrift = "" })
	}
	if op.Probe {
		with(func(o *Op) { o.Probe = false })
	}
	if op.Stop {
		with(func(o *Op) { o.Stop = false })
	}
	if op.Recover != 0 {
		with(func(o *Op) { o.Recover, o.Require = 0, false })
	}
	if op.Require {
		with(func(o *Op) { o.Require = false })
	}
	if op.Mode != "" {
		with(func(o *Op) { o.Mode = "" })
	}
	if op.Pick != 0 {
		with(func(o *Op) { o.Pick = 0 })
	}
	if op.Nth > 1 {
		with(func(o *Op) { o.Nth = 1 })
		with(func(o *Op) { o.Nth-- })
	}
	if op.At != "" && op.Do != Crash && op.Do != Freeze {
		with(func(o *Op) { o.At, o.Nth = "", 0 })
	}
	if len(op.Addresses) > 1 {
		with(func(o *Op) { o.Addresses = slices.Clone(op.Addresses[:1]) })
	}
	if op.Entry != nil {
		for _, entry := range plainerEntries(*op.Entry) {
			with(func(o *Op) { o.Entry = &entry })
		}
	}
	return out
}

// rounder are shorter spans that a person would write, shortest first, and the half where nothing else is shorter. A minute
// is the least that a run may last: less than that is tried for what is no run alone.
func rounder(s Span) []Span {
	if s < 0 {
		return []Span{-s}
	}
	var out []Span
	for _, rung := range []time.Duration{
		time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
	} {
		if rung < s.d() {
			out = append(out, Span(rung))
		}
	}
	return out
}

func plainerEntries(e Entry) []Entry {
	var out []Entry
	everywhere := netip.MustParsePrefix("0.0.0.0/0")
	if e.Port != 0 {
		plainer := e
		plainer.Port = 0
		out = append(out, plainer)
	}
	if e.CIDR != everywhere {
		plainer := e
		plainer.CIDR = everywhere
		out = append(out, plainer)
	}
	return out
}
