// SPDX-License-Identifier: Apache-2.0

package removal_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

func waitFor(d time.Duration) removal.Next {
	return removal.Next{Step: removal.StepWait, Until: now.Add(d)}
}

var (
	deleteIt = removal.Next{Step: removal.StepDelete}
	isGone   = removal.Next{Step: removal.StepGone}
)

// What one read says, and what all reads in a row for an hour do.
func TestNextStepOfALine(t *testing.T) {
	equal, other := With(DenyOut(80, cidr)), With(DenyOut(80, otherCIDR))
	for name, tc := range map[string]struct {
		line          v1alpha1.Rule
		observed      []networkacl.Entry
		first, hourOn removal.Next
	}{
		"acknowledged and there":                 {line(installed), equal, deleteIt, deleteIt},
		"never answered, but there":              {aged(line(creating), 0), equal, deleteIt, deleteIt},
		"being deleted and still there":          {aged(line(deleting), 0), equal, deleteIt, deleteIt},
		"acknowledged and not there":             {aged(line(installed), time.Hour), AllowAll, waitFor(5 * time.Second), deleteIt},
		"not there: AWS itself is to say so":     {aged(line(installed), 0), AllowAll, waitFor(5 * time.Second), deleteIt},
		"being deleted and not there":            {aged(line(deleting), time.Hour), AllowAll, waitFor(5 * time.Second), deleteIt},
		"another, and no read lags that long":    {aged(line(installed), time.Hour), other, waitFor(5 * time.Second), isGone},
		"another, and the read may lag":          {aged(line(installed), 2*time.Minute-time.Second), other, waitFor(5 * time.Second), waitFor(time.Second)},
		"another, a moment ago":                  {aged(line(installed), 0), other, waitFor(2 * time.Minute), waitFor(2 * time.Minute)},
		"another, at the time":                   {aged(line(installed), 2*time.Minute), other, waitFor(5 * time.Second), isGone},
		"another in place of a deleted one":      {aged(line(deleting), 2*time.Minute), other, waitFor(5 * time.Second), isGone},
		"another, without a time":                {line(installed), other, waitFor(5 * time.Second), isGone},
		"an allow in its place":                  {line(installed), With(AllowOut(80, cidr)), waitFor(5 * time.Second), isGone},
		"an inbound one of that number":          {line(installed), With(Ingress(DenyOut(80, cidr))), waitFor(5 * time.Second), deleteIt},
		"TCP alone in its place":                 {line(installed), With(TCP(DenyOut(80, cidr), 443, 443)), waitFor(5 * time.Second), isGone},
		"never answered, asked just now":         {aged(line(creating), 0), AllowAll, waitFor(5 * time.Minute), waitFor(5 * time.Minute)},
		"never answered, a moment short of long": {aged(line(creating), 5*time.Minute-time.Second), AllowAll, waitFor(30 * time.Second), waitFor(time.Second)},
		"never answered, for long enough":        {aged(line(creating), 5*time.Minute), AllowAll, waitFor(30 * time.Second), isGone},
		"never answered, another there":          {aged(line(creating), time.Minute), other, waitFor(4 * time.Minute), waitFor(4 * time.Minute)},
		"never answered, another there for long": {aged(line(creating), 5*time.Minute), other, waitFor(30 * time.Second), isGone},
		"never answered, without a time":         {line(creating), AllowAll, waitFor(30 * time.Second), isGone},
		"asked in what the clock calls to come":  {aged(line(creating), -time.Hour), AllowAll, waitFor(65 * time.Minute), waitFor(65 * time.Minute)},
		"an equal one under another number":      {line(installed), With(DenyOut(81, cidr)), waitFor(5 * time.Second), deleteIt},
		"given up, and an equal one there":       {line(released), equal, isGone, isGone},
		"given up":                               {aged(line(released), 0), AllowAll, isGone, isGone},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var e removal.Evidence
			g.Expect(e.Next(removal.OfLine(tc.line), tc.observed, now)).To(Equal(tc.first))
			e = removal.Evidence{}
			e.Next(removal.OfLine(tc.line), tc.observed, now.Add(-time.Hour))
			g.Expect(e.Next(removal.OfLine(tc.line), tc.observed, now)).To(Equal(tc.hourOn))
		})
	}
}

// The two reads that contradict an acknowledged line are some seconds apart.
func TestTheSecondReadDecides(t *testing.T) {
	acknowledged, unanswered := removal.OfLine(aged(line(installed), time.Hour)), removal.OfLine(aged(line(creating), time.Hour))
	for name, tc := range map[string]struct {
		claim removal.Claim
		taken bool
		after time.Duration
		want  removal.Next
	}{
		"acknowledged":                        {acknowledged, false, networkacl.ConfirmInterval, deleteIt},
		"replaced":                            {acknowledged, true, networkacl.ConfirmInterval, isGone},
		"unanswered":                          {unanswered, false, networkacl.LackingFor, isGone},
		"of tags":                             {tag(time.Hour), false, networkacl.AmbiguousFor, isGone},
		"of tags, and another has its number": {tag(time.Hour), true, networkacl.AmbiguousFor, isGone},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			observed := map[bool][]networkacl.Entry{false: AllowAll, true: With(DenyOut(80, otherCIDR))}[tc.taken]
			var e removal.Evidence
			e.Next(tc.claim, observed, now.Add(time.Second-tc.after))
			g.Expect(e.Next(tc.claim, observed, now)).To(Equal(waitFor(time.Second)))
			g.Expect(e.Next(tc.claim, observed, now.Add(time.Second))).To(Equal(tc.want))
		})
	}
}

// Nothing is created after the end of a run: reads from long after it need not lack an entry for long.
func TestNextStepOfATag(t *testing.T) {
	for name, tc := range map[string]struct {
		over time.Duration
		want removal.Next
	}{
		"of a run that is on":         {time.Hour, waitFor(5 * time.Minute)},
		"of one that is soon over":    {time.Minute, waitFor(time.Minute)},
		"of one that has been so now": {0, isGone},
		"of one that was":             {-time.Hour, isGone},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var e removal.Evidence
			g.Expect(e.Next(tag(tc.over), AllowAll, now)).To(Equal(tc.want))
			g.Expect(e.IsGone(tag(tc.over), now)).To(Equal(tc.want == isGone))
			g.Expect(e.Next(tag(tc.over), With(DenyOut(80, cidr)), now)).To(Equal(deleteIt))
			g.Expect(e.IsGone(tag(tc.over), now)).To(BeFalse(), "a read shows it")
		})
	}
}

// A read that shows what AWS deleted lags. Later, the entry is a third party's, unless it is claimed all the same.
func TestAnEntryThatShowsAfterItsDeletion(t *testing.T) {
	for name, tc := range map[string]struct {
		claim removal.Claim
		later removal.Next
	}{
		"of the ledger":      {removal.OfLine(aged(line(installed), 0)), isGone},
		"of tags that go":    {tag(time.Hour), isGone},
		"of tags that stay":  {keptTag(time.Hour), deleteIt},
		"of tags long after": {tag(-time.Hour), isGone},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var e removal.Evidence
			shown := With(DenyOut(80, cidr))
			e.Acknowledge(tc.claim, now)
			g.Expect(e.IsGone(tc.claim, now)).To(BeTrue())
			g.Expect(e.Next(tc.claim, AllowAll, now)).To(Equal(isGone))
			g.Expect(e.Next(tc.claim, shown, now)).To(Equal(waitFor(networkacl.SettleFor)))
			g.Expect(e.Next(tc.claim, shown, now.Add(networkacl.SettleFor-1))).To(Equal(waitFor(networkacl.SettleFor)))
			g.Expect(e.Next(tc.claim, shown, now.Add(networkacl.SettleFor))).To(Equal(tc.later))
		})
	}
}

// An entry that is not the claimed one, in every respect, is never deleted.
func TestNextNeverDeletesWhatIsNotOwned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := rapid.SampledFrom([]v1alpha1.RuleState{creating, installed, deleting, released}).Draw(t, "state")
		of := aged(line(state), time.Duration(rapid.IntRange(-10, 600).Draw(t, "seconds"))*time.Second)
		claim := rapid.SampledFrom([]removal.Claim{removal.OfLine(of), tag(time.Hour), tag(-time.Hour), keptTag(time.Hour)}).Draw(t, "claim")
		there := networkacl.Entry{
			Number: 80, Egress: true, Allow: rapid.Bool().Draw(t, "allow"),
			Protocol: rapid.SampledFrom([]string{"-1", "6", "17"}).Draw(t, "protocol"),
			CIDR:     rapid.SampledFrom([]networkacl.Entry{DenyOut(1, cidr), DenyOut(1, "52.119.223.0/24"), DenyOut(1, "0.0.0.0/0")}).Draw(t, "range").CIDR,
		}
		if there.Equal(networkacl.EntryOf(of)) {
			t.Skip("owned")
		}
		g := NewWithT(t)
		var e removal.Evidence
		if rapid.Bool().Draw(t, "deleted before") {
			e.Acknowledge(claim, now.Add(-time.Hour))
		}
		for _, at := range []time.Time{now, now.Add(time.Minute), now.Add(time.Hour)} {
			g.Expect(e.Next(claim, With(there), at).Step).NotTo(Equal(removal.StepDelete))
		}
		g.Expect(networkacl.AtWork(of, With(there))).To(BeFalse())
	})
}
