// SPDX-License-Identifier: Apache-2.0

package networkacl

import (
	"cmp"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// place gives every demand a free number that comes before the entry which allows it.
//
// Those that have to come before the smallest number choose first. What is free to one of them is
// free to all that follow, so no choice takes away the last number of another, and an error means
// that there is no way at all.
func (s survey) place(missing []demand) ([]v1alpha1.Rule, error) {
	slices.SortStableFunc(missing, func(a, b demand) int { return cmp.Compare(a.allow.Number, b.allow.Number) })
	var rules []v1alpha1.Rule
	for len(missing) > 0 {
		limit := missing[0].allow.Number
		n := slices.IndexFunc(missing, func(d demand) bool { return d.allow.Number != limit })
		if n < 0 {
			n = len(missing)
		}
		placed, err := s.placeBelow(limit, missing[:n])
		if err != nil {
			return nil, err
		}
		rules, missing = append(rules, placed...), missing[n:]
	}

	slices.SortFunc(rules, compareRules)
	return rules, nil
}

// placeBelow gives numbers below the limit: first those of the sessions' bands, then the highest,
// so that one session's many addresses don't take the other's band.
func (s survey) placeBelow(limit int32, demands []demand) ([]v1alpha1.Rule, error) {
	var rules []v1alpha1.Rule
	var rest []demand
	for _, d := range demands {
		if number, ok := s.freeInBand(d.Session, limit); ok {
			rules = append(rules, s.give(number, d))
		} else {
			rest = append(rest, d)
		}
	}

	for _, d := range rest {
		number, ok := s.highestFree(limit)
		if !ok {
			return nil, &NoRoomError{NetworkACLID: s.id, Destination: d.Destination, Allow: d.allow}
		}
		rules = append(rules, s.give(number, d))
	}
	return rules, nil
}

// give takes a number for a new line of the ledger.
func (s survey) give(number int32, d demand) v1alpha1.Rule {
	s.taken[number] = true
	return v1alpha1.Rule{
		NetworkACLID: s.id,
		RuleNumber:   number,
		CIDR:         d.CIDR.String(),
		Hostname:     d.Hostname,
		State:        v1alpha1.RuleCreating,
	}
}

// freeInBand gives the smallest free number of a session's band: the 80s for ACS and the 90s for
// TCS, where people who know the procedure by hand look for them.
func (s survey) freeInBand(session v1alpha1.EndpointSession, limit int32) (int32, bool) {
	var first int32
	switch session {
	case v1alpha1.EndpointACS:
		first = 80
	case v1alpha1.EndpointTCS:
		first = 90
	default:
		return 0, false
	}

	for number := first; number < min(first+10, limit); number++ {
		if !s.taken[number] {
			return number, true
		}
	}
	return 0, false
}

func (s survey) highestFree(limit int32) (int32, bool) {
	for number := limit - 1; number >= FirstNumber; number-- {
		if !s.taken[number] {
			return number, true
		}
	}
	return 0, false
}
