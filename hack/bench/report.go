// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// figures are all that one run of the bench measured. What belongs to a part that was left out is nil.
type figures struct {
	set     settings
	machine string
	took    time.Duration

	// installing and counted are of the single places, in their order.
	installing [2]*installing
	counted    [2]*counted
	refused    []refused
	// lookups are with one run, and with as many as expire together.
	lookups [2]lookups
	fleet   *fleet
	// together are with ever more runs.
	together []together
	mass     *mass
	crowd    *crowd
}

// print writes the figures for people.
func (f *figures) print(out *screen.Screen) {
	out.Print(screen.Plain, "agentdisconnect, measured on a simulated AWS Region in which every call takes %s.", f.set.latency)
	out.Print(screen.Plain, "%s; %s.", f.machine, screen.Seconds(f.took))
	if f.fleet != nil {
		f.printRuns(out)
		f.printFleet(out)
		f.printRestarts(out)
		f.printMemory(out)
		for i, p := range single {
			printCalls(out, p, f.counted[i])
		}
		f.printRefused(out)
		f.printLookups(out)
		f.printCounting(out)
	}
	if f.together != nil {
		f.printTogether(out)
	}
	if f.mass != nil {
		f.mass.print(out)
	}
	if f.crowd != nil {
		f.crowd.print(out)
	}
}

func (f *figures) printRuns(out *screen.Screen) {
	trips := roundTrips{f.set.latency}
	row := func(mode, name string, s samples, aim string, baseline samples) screen.Row {
		cells := []string{mode, name, trips.median(s), trips.span(s), aim, "", ""}
		if baseline != nil {
			cells[5], cells[6] = trips.median(baseline), ratio(trips.of(s.median()), trips.of(baseline.median()))
		}
		return screen.Row{Cells: cells}
	}
	inPlace, clone := f.installing[0], f.installing[1]
	alone, cloned := f.fleet.inPlace.deleted, f.fleet.clones.deleted
	out.Print(screen.Bold, "\nOne run with six addresses, in round trips of %s (median of %d)", f.set.latency, f.set.runs)
	out.Table([]string{"MODE", "", "MEDIAN", "MIN TO MAX", "AIM", "PLAIN LOOP", "RATIO"}, []screen.Row{
		row("InPlace", "created to RulesInstalled", inPlace.created, "10 or fewer", inPlace.plain.installed),
		row("", "deleted to last rule gone", alone.lifted, "", inPlace.plain.lifted),
		row("", "deleted to tags gone", alone.cleared, "", nil),
		row("", "deleted to object gone", alone.gone, "", nil),
		row("Clone", "created to RulesInstalled", clone.created, "14 or fewer", clone.plain.installed),
		row("", "deleted to subnet back on its original", cloned.lifted, "", clone.plain.lifted),
		row("", "deleted to clone gone", cloned.cleared, "4 or fewer", clone.plain.cleared),
		row("", "deleted to object gone", cloned.gone, "", nil),
	})
	out.Print(screen.Dim, "InPlace is a subnet alone on its network ACL, Clone one that shares it with another: its two entries and the six rules go into the clone. Plain loop: the SDK makes and reverts the same changes, one after another, without lookups, tags, records or reads. The figures leave out the wait between the two polls of the agents (also the wait between two reads of the network ACL to clone), but include its calls.")
}

func (f *figures) printFleet(out *screen.Screen) {
	table := func(e endings, names ...string) {
		var rows []screen.Row
		for i, s := range []samples{e.asked, e.lifted, e.cleared} {
			rows = append(rows, screen.Row{Cells: []string{
				"expirationTime to " + names[i], seconds(s.median()), seconds(s.percentile(99)), seconds(slices.Max(s)),
			}})
		}
		out.Table([]string{"", "P50", "P99", "MAX"}, rows)
	}
	m := f.fleet
	out.Print(screen.Bold, "\nThe end of %d runs at once, each on a network ACL of its own", f.set.objects)
	table(m.inPlace.expired, "first DeleteNetworkAclEntry", "last rule gone", "tags gone")
	out.Print(screen.Bold, "\nThe end of %d runs at once, each on a clone", f.set.clones)
	table(m.clones.expired, "ReplaceNetworkAclAssociation", "subnet back on its original", "clone gone")
	out.Print(screen.Dim, "Up to %d of the first and %d of the others had the same expirationTime: it is rounded down to whole seconds when the run begins, and the end is measured against the rounded time, so the rounding hides no delay. The first change follows a read of the network ACL, which takes %s. The simulated AWS does not throttle; the real one allows an account a burst of 50 changing calls, and 5 a second.",
		m.inPlace.sharing, m.clones.sharing, f.set.latency)
}

func (f *figures) printMemory(out *screen.Screen) {
	m := f.fleet
	out.Print(screen.Bold, "\nThe manager's resident memory")
	out.Table([]string{"", "MEMORY", "RATIO"}, []screen.Row{
		{Cells: []string{"before the first object", m.idle.String(), ""}},
		{Cells: []string{fmt.Sprintf("maximum while %d objects block", f.set.objects), m.full.String(), ratio(float64(m.full), float64(m.idle))}},
		{Cells: []string{"maximum over all time", m.peak.String(), ratio(float64(m.peak), float64(m.idle))}},
	})
}

// machine says what the figures were measured on.
func machine() string {
	text := fmt.Sprintf("%d CPUs, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if model := regexp.MustCompile(`(?m)^model name\s*:\s*(.+)$`).FindSubmatch(info); model != nil {
			text = string(model[1]) + ", " + text
		}
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		text += ", load average " + strings.Fields(string(load))[0] + " at the start"
	}
	return text
}
