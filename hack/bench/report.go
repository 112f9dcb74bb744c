// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/hack/demo/screen"
)

// figures are all that one run of the bench measured.
type figures struct {
	set     settings
	machine string
	took    time.Duration

	installing *installing
	counted    *counted
	fleet      *fleet
}

// print writes the figures for people.
func (f *figures) print(out *screen.Screen) {
	out.Print(screen.Plain, "agentdisconnect, measured on a simulated AWS Region in which every call takes %s.", f.set.latency)
	out.Print(screen.Plain, "%s; %s.", f.machine, screen.Seconds(f.took))
	f.printRuns(out)
	f.printFleet(out)
	f.printMemory(out)
	f.printCalls(out)
}

func (f *figures) printRuns(out *screen.Screen) {
	m, trips := f.installing, roundTrips{f.set.latency}
	row := func(name string, s samples, aim string, baseline samples) screen.Row {
		cells := []string{name, trips.median(s), trips.span(s), aim, "", ""}
		if baseline != nil {
			cells[4], cells[5] = trips.median(baseline), ratio(trips.of(s.median()), trips.of(baseline.median()))
		}
		return screen.Row{Cells: cells}
	}
	out.Print(screen.Bold, "\nOne run with six addresses, in round trips of %s (median of %d)", f.set.latency, f.set.runs)
	out.Table([]string{"", "MEDIAN", "MIN TO MAX", "AIM", "PLAIN LOOP", "RATIO"}, []screen.Row{
		row("created to RulesInstalled", m.created, "10 or fewer", m.plainCreations),
		row("deleted to last rule gone", f.fleet.unblocked, "", m.plainDeletions),
		row("deleted to object gone", f.fleet.deleted, "", nil),
	})
	out.Print(screen.Dim, "Plain loop: the same six rules created, and deleted, one after another by the SDK, with nothing looked up, recorded or read back. The wait between the two polls of the agents is left out, the calls that they make are not.")
}

func (f *figures) printFleet(out *screen.Screen) {
	m := f.fleet
	row := func(name string, s samples) screen.Row {
		return screen.Row{Cells: []string{name, seconds(s.median()), seconds(s.percentile(99)), seconds(slices.Max(s))}}
	}
	out.Print(screen.Bold, "\nThe end of %d runs at once, each on a network ACL of its own", f.set.objects)
	out.Table([]string{"", "P50", "P99", "MAX"}, []screen.Row{
		row("expirationTime to first DeleteNetworkAclEntry", m.acted),
		row("expirationTime to last rule gone", m.restored),
	})
	out.Print(screen.Dim, "Up to %d of them had the same expirationTime: it has whole seconds, rounded down when the run began, and is itself what the end is held against, so the rounding hides nothing. The first delete follows a read of the network ACL, which takes %s. The simulated AWS throttled nobody; the real one allows an account 50 changing calls at once, and 5 a second.",
		m.sharing, f.set.latency)
}

func (f *figures) printMemory(out *screen.Screen) {
	m := f.fleet
	out.Print(screen.Bold, "\nThe manager's resident memory")
	out.Table([]string{"", "MEMORY", "RATIO"}, []screen.Row{
		{Cells: []string{"before the first object", m.idle.String(), ""}},
		{Cells: []string{fmt.Sprintf("while %d objects block, at the most", f.set.objects), m.full.String(), ratio(float64(m.full), float64(m.idle))}},
		{Cells: []string{"ever, at the most", m.peak.String(), ratio(float64(m.peak), float64(m.idle))}},
	})
}

func (f *figures) printCalls(out *screen.Screen) {
	m := f.counted
	perMinute := func(calls int) float64 { return float64(calls) / m.blocked.Minutes() }
	actions := map[string]bool{}
	var all [3]int
	for i, phase := range []map[string]int{m.installing, m.blocking, m.restoring} {
		for name, n := range phase {
			actions[name] = true
			all[i] += n
		}
	}
	cell := func(text string, n int) string {
		if n == 0 {
			return "-"
		}
		return text
	}
	row := func(name string, installing, blocking, restoring int) screen.Row {
		return screen.Row{Cells: []string{
			name, cell(fmt.Sprint(installing), installing), cell(fmt.Sprintf("%.1f", perMinute(blocking)), blocking), cell(fmt.Sprint(restoring), restoring),
		}}
	}
	var rows []screen.Row
	for _, name := range slices.Sorted(maps.Keys(actions)) {
		rows = append(rows, row(name, m.installing[name], m.blocking[name], m.restoring[name]))
	}
	rules := len(theRules)
	rows = append(rows, row("all", all[0], all[1], all[2]), row("plain loop", rules, 0, rules),
		screen.Row{Cells: []string{"ratio", ratio(float64(all[0]), float64(rules)), "-", ratio(float64(all[2]), float64(rules))}})
	o := agentdisconnect.Defaults()
	out.Print(screen.Bold, "\nAWS calls of one run with two agents")
	out.Table([]string{"", "UNTIL INSTALLED", "A MINUTE WHILE BLOCKING", "TO RESTORE"}, rows)
	out.Print(screen.Dim, "Counted over %.0f minutes on a clock that is set forward, with the manager's own intervals: agents every %s, the network ACL every %s, lookups (which are no AWS calls) every %s.",
		m.blocked.Minutes(), o.AgentPollInterval, o.ACLPollInterval, o.LookupInterval)
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
