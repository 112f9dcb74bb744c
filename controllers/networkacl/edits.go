// SPDX-License-Identifier: Apache-2.0

package networkacl

import (
	"cmp"
	"maps"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// Edit is something that a third party did to a clone.
type Edit struct {
	// Entry is the third party's, or, where Missing is true, the one that was removed.
	Entry   Entry
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
func Edits(acceptable [][]Copy, owned []v1alpha1.Rule, clone []Entry) []Edit {
	expected := map[place][]Entry{}
	for _, copies := range acceptable {
		for _, e := range InClone(copies) {
			expected[e.place()] = append(expected[e.place()], e)
		}
	}
	lines := map[place][]Entry{}
	for _, r := range owned {
		e := EntryOf(r)
		lines[e.place()] = append(lines[e.place()], e)
	}
	var edits []Edit
	there := map[place]bool{}
	for _, e := range clone {
		if e.IsDefault() {
			continue
		}
		there[e.place()] = true
		rightful, reserved := lines[e.place()]
		if !reserved {
			rightful = expected[e.place()]
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
	slices.SortFunc(edits, func(a, b Edit) int { return a.Entry.place().compare(b.Entry.place()) })
	return edits
}

// leastOf gives the same of several entries at one place, whatever their order.
func leastOf(entries []Entry) Entry {
	return slices.MinFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Line(), b.Line()) })
}

// CopySteps gives what brings the copied entries of a clone in line, in order. It never touches the
// numbers of the ledger's lines. What it removes may be a third party's, which Edits tells.
func CopySteps(copies []Copy, owned []v1alpha1.Rule, clone []Entry) (create, replace, remove []Entry) {
	reserved := NumbersOf(owned)
	ours := func(e Entry) bool { return e.IsDefault() || e.Egress && reserved[e.Number] }
	leftOver := map[place]Entry{}
	for _, e := range clone {
		if !ours(e) {
			leftOver[e.place()] = e
		}
	}
	for _, want := range InClone(copies) {
		found, there := leftOver[want.place()]
		delete(leftOver, want.place())
		switch {
		case ours(want):
		case !there:
			create = append(create, want)
		case !found.Equal(want):
			replace = append(replace, want)
		}
	}
	remove = slices.Collect(maps.Values(leftOver))
	for _, list := range [][]Entry{create, replace, remove} {
		slices.SortFunc(list, func(a, b Entry) int { return a.place().compare(b.place()) })
	}
	return create, replace, remove
}

// Complete reports whether a clone has exactly the copies, beside its lines of the ledger and the
// default entries.
func Complete(copies []Copy, owned []v1alpha1.Rule, clone []Entry) bool {
	create, replace, remove := CopySteps(copies, owned, clone)
	return len(create)+len(replace)+len(remove) == 0
}
