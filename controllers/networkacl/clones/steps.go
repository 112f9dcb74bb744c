// SPDX-License-Identifier: Apache-2.0

package clones

import (
	"slices"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// CopyVerb is what a step does to an entry.
type CopyVerb string

// The verbs, as CopySteps lists the entries.
const (
	StepCreate  CopyVerb = "create"
	StepReplace CopyVerb = "replace"
	StepRemove  CopyVerb = "remove"
)

// CopyStep is one change to a network ACL that is in service.
type CopyStep struct {
	Verb  CopyVerb
	Entry networkacl.Entry
}

// apply gives the entries after the step.
func (s CopyStep) apply(entries []networkacl.Entry) []networkacl.Entry {
	left := slices.DeleteFunc(slices.Clone(entries), func(e networkacl.Entry) bool { return e.Place() == s.Entry.Place() })
	if s.Verb == StepRemove {
		return left
	}
	return append(left, s.Entry)
}

// InOrder gives the steps that CopySteps lists one after the other such that, as far as there is
// such an order, every packet meets after each of them what it meets before the first or after the
// last, and the quota holds all the time. Where there is none, no packet is denied that is allowed
// before and after, if there is an order for that.
func InOrder(entries, create, replace, remove []networkacl.Entry, quota int) []CopyStep {
	ordered, _ := inOrder(entries, create, replace, remove, quota)
	return ordered
}

// inOrder also gives the rank of the worst state on the way.
func inOrder(entries, create, replace, remove []networkacl.Entry, quota int) (ordered []CopyStep, poorest int) {
	quota = networkacl.EffectiveQuota(quota, entries)
	steps := stepsOf(create, replace, remove)
	target := entries
	for _, step := range steps {
		target = step.apply(target)
	}

	judge := between(entries, target)
	for state := entries; len(steps) > 0; {
		best, least := 0, worst+1
		for i, step := range steps {
			after := step.apply(state)
			rank := judge(after)
			if step.Verb == StepCreate && !hasRoom(after, step.Entry, quota) {
				rank = worst
			}
			if rank < least {
				best, least = i, rank
			}
			if rank == keepsAll {
				break
			}
		}
		state, poorest = steps[best].apply(state), max(poorest, least)
		ordered = append(ordered, steps[best])
		steps = slices.Delete(steps, best, best+1)
	}
	return ordered, poorest
}

// stepsOf lists what is new by number, and what goes the other way round: so most changes need no
// other order.
func stepsOf(create, replace, remove []networkacl.Entry) []CopyStep {
	var steps []CopyStep
	for _, e := range create {
		steps = append(steps, CopyStep{StepCreate, e})
	}
	for _, e := range replace {
		steps = append(steps, CopyStep{StepReplace, e})
	}
	for _, e := range slices.Backward(remove) {
		steps = append(steps, CopyStep{StepRemove, e})
	}
	return steps
}

// The ranks of a state between two others, the best first.
const (
	keepsAll = iota // every packet meets what it meets before or after
	opens           // one is allowed that is denied before and after
	cutsOff         // one is denied that is allowed before and after
	worst           // the quota does not hold it
)

// between ranks a state on the way from one set of entries to another.
func between(from, to []networkacl.Entry) func(entries []networkacl.Entry) int {
	before, after := networkacl.TableOf(from), networkacl.TableOf(to)
	var packets []networkacl.Packet
	var allowed []bool
	for _, p := range networkacl.PacketsOf(from, to) {
		if was := before.Allows(p); was == after.Allows(p) {
			packets, allowed = append(packets, p), append(allowed, was)
		}
	}

	return func(entries []networkacl.Entry) int {
		judged, rank := networkacl.TableOf(entries), keepsAll
		for i, p := range packets {
			switch allows := judged.Allows(p); {
			case allowed[i] && !allows:
				return cutsOff
			case allows && !allowed[i]:
				rank = opens
			}
		}
		return rank
	}
}

// hasRoom reports whether a direction and family of entries is within the quota, with the default
// entry.
func hasRoom(entries []networkacl.Entry, of networkacl.Entry, quota int) bool {
	have := 1
	for _, e := range entries {
		if !e.IsDefault() && e.Egress == of.Egress && networkacl.FamilyOf(e.CIDR) == networkacl.FamilyOf(of.CIDR) {
			have++
		}
	}
	return have <= quota
}
