// SPDX-License-Identifier: Apache-2.0

package networkacl

import (
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// Force is what the entries of a network ACL do with the destinations of a run.
type Force struct {
	// Own is how many entries of the run's ledger deny a destination: each is there as a whole, and
	// is the first match.
	Own int
	// Foreign is how many other entries deny a destination, the default entry among them.
	Foreign int
	// Open are the destinations that are not denied as a whole.
	Open []Destination
}

// InForce reports whether every destination is denied, and at least one of them by an entry of the
// run.
func (f Force) InForce() bool { return f.Own > 0 && len(f.Open) == 0 }

// Enforcement tells by which entries of a network ACL the destinations are denied, given the run's
// sound ledger lines.
func Enforcement(lines []v1alpha1.Rule, observed []Entry, destinations []Destination) Force {
	var force Force
	own, foreign := map[int32]bool{}, map[int32]bool{}
	for _, destination := range destinations {
		by, denied := Denied(observed, destination)
		switch {
		case !denied:
			force.Open = append(force.Open, destination)
		case slices.ContainsFunc(lines, func(l v1alpha1.Rule) bool { return l.RuleNumber == by && AtWork(l, observed) }):
			own[by] = true
		default:
			foreign[by] = true
		}
	}

	force.Own, force.Foreign = len(own), len(foreign)
	return force
}
