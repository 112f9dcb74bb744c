// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"math"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// thin leaves out entries until the timeline fits its bound. The first and the last entry stay, and
// those of each type, as long as there are others.
func thin(entries []v1alpha1.TimelineEntry) []v1alpha1.TimelineEntry {
	for len(entries) > v1alpha1.MaxTimeline {
		entries = leaveOut(entries)
	}
	return entries
}

// leaveOut removes one entry and has the next of its type count it. That is one of the type with
// the most entries, and there the one after which the next counts least, the oldest of equals: so
// it is the old and the frequent that is thinned, evenly.
func leaveOut(entries []v1alpha1.TimelineEntry) []v1alpha1.TimelineEntry {
	victim, heir := len(entries)/2, len(entries)/2+1
	if at := mostFrequent(entries); len(at) > 2 {
		best := int32(math.MaxInt32)
		for i := 1; i < len(at)-1; i++ {
			if sum := add(standsFor(entries[at[i]]), standsFor(entries[at[i+1]])); sum < best || i == 1 {
				victim, heir, best = at[i], at[i+1], sum
			}
		}
	}

	thinned := slices.Clone(entries)
	thinned[heir].Count = add(standsFor(entries[victim]), standsFor(entries[heir]))
	return slices.Delete(thinned, victim, victim+1)
}

// mostFrequent are the places of the type that has the most entries; of equals, the one that comes
// first.
func mostFrequent(entries []v1alpha1.TimelineEntry) []int {
	places := map[v1alpha1.TimelineType][]int{}
	for i := range entries {
		places[entries[i].Type] = append(places[entries[i].Type], i)
	}

	var most []int
	for i := range entries {
		if at := places[entries[i].Type]; len(at) > len(most) {
			most = at
		}
	}
	return most
}

// standsFor is how many things an entry stands for.
func standsFor(entry v1alpha1.TimelineEntry) int32 { return max(entry.Count, 1) }

// countOf is the count of an entry that stands for n things: unset for one.
func countOf(n int32) int32 {
	if n < 2 {
		return 0
	}
	return n
}

// add adds counts, and stops at the largest.
func add(a, b int32) int32 {
	if a > math.MaxInt32-b {
		return math.MaxInt32
	}
	return a + b
}
