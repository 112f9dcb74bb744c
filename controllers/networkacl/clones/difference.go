// SPDX-License-Identifier: Apache-2.0

package clones

import (
	"slices"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// Differences describes how one set of copies differs from another, an entry each, in order: "rule
// 100: allow all traffic out to 0.0.0.0/0 was removed". Numbers are those of the original.
func Differences(before, after []Copy) []string {
	type step struct {
		at    networkacl.Place
		words string
	}

	at := func(copies []Copy, p networkacl.Place) *networkacl.Entry {
		i := slices.IndexFunc(copies, func(c Copy) bool { return c.Entry.Place() == p })
		if i < 0 {
			return nil
		}
		return &copies[i].Entry
	}

	var steps []step
	for _, c := range after {
		switch old := at(before, c.Entry.Place()); {
		case old == nil:
			steps = append(steps, step{c.Entry.Place(), c.Entry.String() + " was added"})
		case !old.Equal(c.Entry):
			steps = append(steps, step{c.Entry.Place(), old.String() + " was replaced by " + c.Entry.String()})
		}
	}

	for _, c := range before {
		if at(after, c.Entry.Place()) == nil {
			steps = append(steps, step{c.Entry.Place(), c.Entry.String() + " was removed"})
		}
	}

	slices.SortFunc(steps, func(a, b step) int { return a.at.Compare(b.at) })
	var words []string
	for _, s := range steps {
		words = append(words, s.words)
	}
	return words
}
