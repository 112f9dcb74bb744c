// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/points"
)

// row sums up what came of points.
type row struct {
	tried, unreached, leaks, foreign, late, strange, roundTrips int
}

func (r *row) add(result points.Result) {
	r.tried++
	if !result.Reached && result.Kind != plain {
		r.unreached++
	}
	r.leaks += one(result.Wrong.Leaks)
	r.foreign += one(result.Wrong.Foreign)
	r.late += one(result.Wrong.Late)
	r.strange += one(result.Wrong.Strange)
	r.roundTrips = max(r.roundTrips, result.RoundTrips)
}

// one counts a run once, however much is wrong with it.
func one(wrong []string) int { return min(len(wrong), 1) }

func (r *row) String() string {
	return fmt.Sprintf("%d\t%d\t%d\t%d\t%d\t%d\t%d\t", r.tried, r.unreached, r.leaks, r.foreign, r.late, r.strange, r.roundTrips)
}

const columns = "POINTS TRIED\tNOT REACHED\tLEAKS\tFOREIGN CHANGES\tLATE\tOTHER\tSLOWEST CLEAN-UP (ROUND TRIPS)\t"

// print prints the tables and the failures, and reports whether there are any.
func (c *campaign) print(out io.Writer) (failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cells, kinds, total := map[string]*row{}, map[string]*row{}, &row{}
	for _, result := range c.tried {
		for _, r := range []*row{rowOf(cells, result.Scenario+"\t"+result.Kind), rowOf(kinds, result.Kind), total} {
			r.add(result)
		}
	}
	for _, result := range c.tried {
		if result.Failed() {
			failed = true
			printFailure(out, result)
		}
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "SCENARIO\tKIND OF FAULT\t%s\n", columns)
	for _, name := range slices.Sorted(maps.Keys(cells)) {
		fmt.Fprintf(table, "%s\t%s\n", name, cells[name])
	}
	fmt.Fprintf(table, "\t\t\t\t\t\t\t\t\t\n")
	for _, k := range slices.SortedFunc(maps.Keys(kinds), func(a, b string) int { return cmp.Compare(order(a), order(b)) }) {
		fmt.Fprintf(table, "all\t%s\t%s\n", k, kinds[k])
	}
	fmt.Fprintf(table, "all\tall\t%s\n", total)
	_ = table.Flush()
	fmt.Fprintf(out, "\n%d points, %d of them tried before; %d of %d runs broke a promise.\n", total.tried, c.before, c.failures(), total.tried)
	return failed
}

func rowOf(rows map[string]*row, name string) *row {
	if rows[name] == nil {
		rows[name] = &row{}
	}
	return rows[name]
}

// order is where a kind stands among all.
func order(name string) int {
	return slices.IndexFunc(points.Kinds(), func(k points.Kind) bool { return k.Name == name })
}

// printFailure says what was wrong with a run, how to repeat it, and what the manager did.
func printFailure(out io.Writer, r points.Result) {
	fmt.Fprintf(out, "FAILED %s with %s at %q (%s)\n", r.Scenario, r.Kind, r.Point, r.Took.Round(time.Millisecond))
	fmt.Fprintf(out, "  repeat: %s\n", repeat(r))
	for _, l := range r.Wrong.All() {
		fmt.Fprintf(out, "  %s\n", strings.ReplaceAll(l, "\n", "\n  "))
	}
	fmt.Fprintf(out, "  what the managers did:\n    %s\n\n", strings.Join(r.Log, "\n    "))
}

// repeat is the command that tries one point again.
func repeat(r points.Result) string {
	switch r.Kind {
	case "history":
		return "make soak ARGS='--count 1 --seed " + strings.TrimPrefix(r.Point, "seed ") + "'"
	case "sigkill":
		return "make chaos ARGS='--sample 1 --histories 0 --fresh', with the same --seed and --kills"
	case plain:
		return fmt.Sprintf(`make chaos ARGS="--only '%s/' --sample 1 --fresh"`, r.Scenario)
	}
	return fmt.Sprintf(`make chaos ARGS="--only '%s/%s' --point '%s'"`, r.Scenario, r.Kind, r.Point)
}

// printPoints prints the points of each scenario, a line each.
func (c *campaign) printPoints(out io.Writer) {
	for _, name := range slices.Sorted(maps.Keys(c.points)) {
		for i, step := range c.points[name].Steps {
			shared := ""
			if i < c.points[name].Shared {
				shared = " (shared)"
			}
			fmt.Fprintf(out, "%s\t%s%s\n", name, step.Name, shared)
		}
	}
	fmt.Fprintf(out, "%d points to try\n", len(c.jobs))
}
