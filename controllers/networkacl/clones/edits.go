// SPDX-License-Identifier: Apache-2.0

package clones

import (
	"cmp"
	"maps"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// Edit is something that a third party did to a clone.
type Edit struct {
	// Entry is the third party's, or, where Missing is true, the one that was removed.
	Entry   networkacl.Entry
	Missing bool
	// Replaced says that the third party's entry is where another belongs.
	Replaced bool
}

// String describes the edit for messages: "rule 120: allow TCP port 22 out to 0.0.0.0/0 was added".
func (e Edit) String() string {
	switch {
	case e.Missing:
		return e.Entry.String() + " was removed"
	case e.Replaced:
		return e.Entry.String() + " replaced another entry"
	default:
		return e.Entry.String() + " was added"
	}
}

// Edits lists what third parties did to a clone, in order. Acceptable are all sets of copies that
// the clone may be on its way from or to; owned are its lines of the ledger. That the entry of a
// line is missing is drift, and not told here.
func Edits(acceptable [][]Copy, owned []v1alpha1.Rule, clone []networkacl.Entry) []Edit {
	expected := map[networkacl.Place][]networkacl.Entry{}
	for _, copies := range acceptable {
		for _, e := range InClone(copies) {
			expected[e.Place()] = append(expected[e.Place()], e)
		}
	}

	lines := map[networkacl.Place][]networkacl.Entry{}
	for _, r := range owned {
		e := networkacl.EntryOf(r)
		lines[e.Place()] = append(lines[e.Place()], e)
	}

	var edits []Edit
	there := map[networkacl.Place]bool{}
	for _, e := range clone {
		if e.IsDefault() {
			continue
		}
		there[e.Place()] = true
		rightful, reserved := lines[e.Place()]
		if !reserved {
			rightful = expected[e.Place()]
		}
		if !slices.ContainsFunc(rightful, e.Equal) {
			edits = append(edits, Edit{Entry: e, Replaced: len(rightful) > 0})
		}
	}

	for at, entries := range expected {
		_, reserved := lines[at]
		if !there[at] && !reserved && len(entries) == len(acceptable) {
			edits = append(edits, Edit{Entry: leastOf(entries), Missing: true})
		}
	}

	slices.SortFunc(edits, func(a, b Edit) int { return a.Entry.Place().Compare(b.Entry.Place()) })
	return edits
}

// leastOf gives the same of several entries at one place, whatever their order.
func leastOf(entries []networkacl.Entry) networkacl.Entry {
	return slices.MinFunc(entries, func(a, b networkacl.Entry) int { return cmp.Compare(a.Line(), b.Line()) })
}

// CopySteps gives what brings the copied entries of a clone in line, in order. It never touches the
// numbers of the ledger's lines. What it removes may be a third party's, which Edits tells.
func CopySteps(copies []Copy, owned []v1alpha1.Rule, clone []networkacl.Entry) (create, replace, remove []networkacl.Entry) {
	reserved := networkacl.NumbersOf(owned)
	ours := func(e networkacl.Entry) bool { return e.IsDefault() || e.Egress && reserved[e.Number] }
	leftOver := map[networkacl.Place]networkacl.Entry{}
	for _, e := range clone {
		if !ours(e) {
			leftOver[e.Place()] = e
		}
	}

	for _, want := range InClone(copies) {
		found, there := leftOver[want.Place()]
		delete(leftOver, want.Place())
		switch {
		case ours(want):
		case !there:
			create = append(create, want)
		case !found.Equal(want):
			replace = append(replace, want)
		}
	}

	remove = slices.Collect(maps.Values(leftOver))
	for _, list := range [][]networkacl.Entry{create, replace, remove} {
		slices.SortFunc(list, func(a, b networkacl.Entry) int { return a.Place().Compare(b.Place()) })
	}
	return create, replace, remove
}

// Complete reports whether a clone has exactly the copies, beside its lines of the ledger and the
// default entries.
func Complete(copies []Copy, owned []v1alpha1.Rule, clone []networkacl.Entry) bool {
	create, replace, remove := CopySteps(copies, owned, clone)
	return len(create)+len(replace)+len(remove) == 0
}
