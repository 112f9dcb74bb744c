// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"

	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

func printCalls(out *screen.Screen, p place, m *counted) {
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
	install, restore := plainCalls(p.mode)
	rows = append(rows, row("all", all[0], all[1], all[2]), row("plain loop", install, 0, restore),
		screen.Row{Cells: []string{"ratio", ratio(float64(all[0]), float64(install)), "-", ratio(float64(all[2]), float64(restore))}})
	out.Print(screen.Bold, "\nAWS calls of one run with two agents, %s", p.mode)
	out.Table([]string{"", "UNTIL INSTALLED", "A MINUTE WHILE BLOCKING", "TO RESTORE"}, rows)
}

func (f *figures) printCounting(out *screen.Screen) {
	o := options.Defaults()
	out.Print(screen.Dim, "Counted over %.0f minutes on a clock that is set forward, with the manager's own intervals: agents every %s, the network ACL every %s, lookups (which are no AWS calls) every %s.",
		f.counted[0].blocked.Minutes(), o.AgentPollInterval, o.ACLPollInterval, o.LookupInterval)
}
