// SPDX-License-Identifier: Apache-2.0

package networkacl

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// DefaultQuota is how many entries a network ACL holds in a direction and family unless AWS granted
// more, the default entry included.
const DefaultQuota = 20

// PlanInput is all that a plan depends on.
type PlanInput struct {
	// NetworkACLID is the network ACL that carries the rules.
	NetworkACLID string
	// Desired is what is to be denied. Empty: nothing, so all that is owned goes.
	Desired []Destination
	// Observed are all entries of the network ACL, both directions.
	Observed []Entry
	// Owned is the ledger. Lines of other network ACLs are ignored.
	Owned []v1alpha1.Rule
	// Quota is how many entries fit a direction and family, the default entry included; at least as
	// many as are observed. 0: DefaultQuota.
	Quota int
}

// Plan says what to do with the ledger's lines so that all that is desired is denied. Every line of
// the network ACL is in exactly one of Keep, Delete and Displaced, but for released ones, whose
// numbers are not given out; every list is sorted. Deletions come after creations.
type Plan struct {
	// Create are new lines, in state Creating.
	Create []v1alpha1.Rule
	// Delete are lines that nothing desired needs, that an allow overrides, or whose deletion is
	// under way.
	Delete []v1alpha1.Rule
	// Keep are lines that stay. Where their entry isn't observed it is to be created (again), or
	// the read lags.
	Keep []v1alpha1.Rule
	// Displaced are lines that are of use, but a different entry stands at their number; Create has
	// the replacement. Lines whose range can't be read are here too. None of them stands for an
	// entry that may be deleted.
	Displaced []v1alpha1.Rule
	// AlreadyDenied are destinations that foreign entries deny (or the default entry does): they
	// need no rule.
	AlreadyDenied []Destination
}

// NewPlan decides which entries to create and which to delete. The error is a *NoRoomError or a
// *QuotaError, or says that a destination is not valid; there is no partial plan. With nothing
// desired there is no error.
func NewPlan(in PlanInput) (Plan, error) {
	wanted, err := Widest(in.Desired)
	if err != nil {
		return Plan{}, err
	}

	s := newSurvey(in)
	plan, missing := s.match(wanted)
	if plan.Create, err = s.place(missing); err != nil {
		return Plan{}, err
	}

	if err := s.fit(plan, EffectiveQuota(in.Quota, in.Observed)); err != nil {
		return Plan{}, err
	}
	return plan, nil
}

// Widest gives the destinations without those that another one covers, in order.
func Widest(desired []Destination) ([]Destination, error) {
	sorted := slices.Clone(desired)
	for i, d := range sorted {
		// An IPv4 address in IPv6 form would match no entry, and so pass for denied.
		if !d.CIDR.IsValid() || d.CIDR.Addr().Is4In6() {
			return nil, fmt.Errorf("destination %s is not an IPv4 or IPv6 range", d)
		}
		sorted[i].CIDR = d.CIDR.Masked()
	}

	// The wider range first, so that whatever covers a destination comes before it.
	slices.SortFunc(sorted, func(a, b Destination) int {
		return cmp.Or(cmp.Compare(a.CIDR.Bits(), b.CIDR.Bits()), a.compare(b))
	})
	var widest []Destination
	for _, d := range sorted {
		wider := slices.IndexFunc(widest, func(w Destination) bool { return w.CIDR.Overlaps(d.CIDR) })
		if wider < 0 {
			widest = append(widest, d)
			continue
		}
		widest[wider].Traffic = widest[wider].Traffic.widest(d.Traffic)
	}

	slices.SortFunc(widest, Destination.compare)
	return widest, nil
}

// line is a line of the ledger, and what was observed at its number.
type line struct {
	v1alpha1.Rule
	prefix   netip.Prefix // not valid: the line's range can't be read
	atWork   bool         // the entry at its number is the one that the line stands for
	replaced bool         // the entry at its number is a different one
	kept     bool         // the plan keeps it
}

// survey is the network ACL as a plan finds it.
type survey struct {
	id      string
	lines   []line         // sorted by number
	foreign []Entry        // outbound entries that no line of the ledger stands for
	taken   map[int32]bool // numbers that can't be given out
	have    map[Family]int // outbound entries observed, the default one included
}

func newSurvey(in PlanInput) survey {
	s := survey{
		id:    in.NetworkACLID,
		taken: map[int32]bool{},
		have:  map[Family]int{IPv4: 1, IPv6: 1},
	}

	observed, own := map[int32]Entry{}, map[int32]bool{}
	for _, e := range outbound(in.Observed) {
		observed[e.Number] = e
		s.taken[e.Number] = true
		s.have[FamilyOf(e.CIDR)]++
	}

	for _, rule := range in.Owned {
		if rule.NetworkACLID != in.NetworkACLID {
			continue
		}
		if rule.State == v1alpha1.RuleReleased {
			s.taken[rule.RuleNumber] = true // whatever stands there is a third party's
			continue
		}
		l := newLine(rule, observed)
		s.lines = append(s.lines, l)
		s.taken[rule.RuleNumber] = true
		own[rule.RuleNumber] = own[rule.RuleNumber] || l.atWork
	}

	slices.SortFunc(s.lines, func(a, b line) int { return compareRules(a.Rule, b.Rule) })
	for _, e := range outbound(in.Observed) {
		if !own[e.Number] {
			s.foreign = append(s.foreign, e)
		}
	}
	return s
}

func newLine(rule v1alpha1.Rule, observed map[int32]Entry) line {
	l := line{Rule: rule}
	if prefix, err := netip.ParsePrefix(rule.CIDR); err == nil && prefix == prefix.Masked() {
		l.prefix = prefix
	}
	if e, ok := observed[rule.RuleNumber]; ok {
		l.atWork = l.prefix.IsValid() && e.Equal(Deny(rule.RuleNumber, l.prefix))
		l.replaced = !l.atWork
	}
	return l
}

func compareRules(a, b v1alpha1.Rule) int {
	return cmp.Or(
		cmp.Compare(a.RuleNumber, b.RuleNumber),
		cmp.Compare(a.CIDR, b.CIDR),
		cmp.Compare(a.Hostname, b.Hostname),
		cmp.Compare(a.State, b.State),
	)
}

// demand is a destination without a rule, and the entry that its rule has to come before.
type demand struct {
	Destination
	allow Entry
}

// match sorts the ledger's lines into the plan, and gives the destinations that need a new one.
func (s survey) match(wanted []Destination) (Plan, []demand) {
	var plan Plan
	var missing []demand
	ofUse := map[netip.Prefix]bool{}
	for _, d := range wanted {
		ofUse[d.CIDR] = true
		// Foreign entries alone decide: our own come and go.
		verdict := Evaluate(s.foreign, d)
		switch l := s.serving(d.CIDR, verdict); {
		case l != nil:
			// Also where a foreign entry denies the same: that one may go at any time.
			l.kept = true
		case verdict.Denied:
			plan.AlreadyDenied = append(plan.AlreadyDenied, d)
		default:
			missing = append(missing, demand{Destination: d, allow: verdict.Entry})
		}
	}

	for _, l := range s.lines {
		switch {
		case l.kept:
			plan.Keep = append(plan.Keep, l.Rule)
		case !l.prefix.IsValid(), l.replaced && ofUse[l.prefix] && l.State != v1alpha1.RuleDeleting:
			plan.Displaced = append(plan.Displaced, l.Rule)
		default:
			plan.Delete = append(plan.Delete, l.Rule)
		}
	}
	return plan, missing
}

// serving gives the line to keep for a range, nil for none: one whose entry was seen before one
// that AWS acknowledged before one that may never have come to be, and then the smallest number.
func (s survey) serving(prefix netip.Prefix, verdict Verdict) *line {
	var best *line
	for i := range s.lines {
		l := &s.lines[i]
		inTime := verdict.Denied || l.RuleNumber < verdict.Entry.Number
		if l.prefix != prefix || l.replaced || l.State == v1alpha1.RuleDeleting || !inTime {
			continue
		}
		if best == nil || l.certainty() > best.certainty() {
			best = l
		}
	}
	return best
}

func (l line) certainty() int {
	switch {
	case l.atWork:
		return 2
	case l.State == v1alpha1.RuleInstalled:
		return 1
	default:
		return 0
	}
}

// fit checks the plan against the quota. What it deletes doesn't count as free: deletions come
// after creations.
func (s survey) fit(plan Plan, quota int) error {
	need := map[Family]int{}
	for _, l := range s.lines {
		if l.kept && !l.atWork {
			need[FamilyOf(l.prefix)]++
		}
	}

	for _, rule := range plan.Create {
		need[FamilyOf(netip.MustParsePrefix(rule.CIDR))]++
	}

	for _, family := range []Family{IPv4, IPv6} {
		if need[family] > 0 && s.have[family]+need[family] > quota {
			return &QuotaError{NetworkACLID: s.id, Family: family, Have: s.have[family], Need: need[family], Quota: quota}
		}
	}
	return nil
}
