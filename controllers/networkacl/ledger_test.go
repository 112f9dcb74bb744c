// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// aged is a line that AWS was last asked about some time ago.
func aged(line v1alpha1.Rule, ago time.Duration) v1alpha1.Rule {
	line.LastAttemptTime = &metav1.Time{Time: now.Add(-ago)}
	return line
}

func TestSound(t *testing.T) {
	ranges := []string{"192.0.2.0/24", "198.51.100.0/22"}
	for name, tc := range map[string]struct {
		line v1alpha1.Rule
		want string // part of the complaint; empty: sound
	}{
		"one address":                  {line: Rule(80, "52.119.223.69/32", installed)},
		"one IPv6 address":             {line: Rule(80, "2001:db8::1/128", creating)},
		"the smallest number":          {line: Rule(1, "52.119.223.69/32", deleting)},
		"the largest number":           {line: Rule(32766, "52.119.223.69/32", installed)},
		"a range of the run":           {line: Rule(80, "192.0.2.0/24", installed)},
		"a range of no run":            {line: Rule(80, "203.0.113.0/24", installed), want: "neither one address nor a range of the run"},
		"a part of a range of the run": {line: Rule(80, "192.0.2.0/25", installed), want: "neither one address nor a range of the run"},
		"everything":                   {line: Rule(80, "0.0.0.0/0", installed), want: "neither one address nor a range of the run"},
		"host bits":                    {line: Rule(80, "192.0.2.1/24", installed), want: `has "192.0.2.1/24" for a range`},
		"an address without length":    {line: Rule(80, "192.0.2.1", installed), want: "for a range"},
		"no range":                     {line: Rule(80, "", installed), want: "for a range"},
		"the default entry":            {line: Rule(32767, "52.119.223.69/32", installed), want: "outside 1 to 32766"},
		"no number":                    {line: Rule(0, "52.119.223.69/32", installed), want: "outside 1 to 32766"},
		"another network ACL": {
			line: v1alpha1.Rule{NetworkACLID: "acl-0fedcba9876543210", RuleNumber: 80, CIDR: "52.119.223.69/32", State: installed},
			want: "is of network ACL acl-0fedcba9876543210",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := networkacl.Sound(tc.line, ACLID, ranges)
			if tc.want == "" {
				NewWithT(t).Expect(err).NotTo(HaveOccurred())
			} else {
				NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.want)))
			}
		})
	}
	NewWithT(t).Expect(networkacl.Sound(Rule(80, "192.0.2.0/24", installed), ACLID, nil)).NotTo(Succeed(), "a run without ranges has none")
}

func TestUndo(t *testing.T) {
	const cidr = "52.119.223.69/32"
	equal, other := With(DenyOut(80, cidr)), With(DenyOut(80, "52.119.223.70/32"))
	for name, tc := range map[string]struct {
		line     v1alpha1.Rule
		observed []networkacl.Entry
		want     networkacl.Step
	}{
		"acknowledged and there":                 {Rule(80, cidr, installed), equal, networkacl.StepDelete},
		"never answered, but there":              {aged(Rule(80, cidr, creating), 0), equal, networkacl.StepDelete},
		"being deleted and still there":          {aged(Rule(80, cidr, deleting), 0), equal, networkacl.StepDelete},
		"acknowledged and not there":             {aged(Rule(80, cidr, installed), time.Hour), AllowAll, networkacl.StepLookAgain},
		"being deleted and not there":            {aged(Rule(80, cidr, deleting), time.Hour), AllowAll, networkacl.StepLookAgain},
		"acknowledged, another there":            {aged(Rule(80, cidr, installed), time.Hour), other, networkacl.StepLookAgain},
		"an allow in its place":                  {Rule(80, cidr, installed), With(AllowOut(80, cidr)), networkacl.StepLookAgain},
		"an inbound one of that number":          {Rule(80, cidr, installed), With(Ingress(DenyOut(80, cidr))), networkacl.StepLookAgain},
		"TCP alone in its place":                 {Rule(80, cidr, installed), With(TCP(DenyOut(80, cidr), 443, 443)), networkacl.StepLookAgain},
		"never answered, asked just now":         {aged(Rule(80, cidr, creating), 0), AllowAll, networkacl.StepWait},
		"never answered, a moment short of long": {aged(Rule(80, cidr, creating), 5*time.Minute-time.Second), AllowAll, networkacl.StepWait},
		"never answered, for long enough":        {aged(Rule(80, cidr, creating), 5*time.Minute), AllowAll, networkacl.StepGone},
		"never answered, another there":          {aged(Rule(80, cidr, creating), time.Minute), other, networkacl.StepWait},
		"never answered, another there for long": {aged(Rule(80, cidr, creating), 5*time.Minute), other, networkacl.StepGone},
		"never answered, without a time":         {Rule(80, cidr, creating), AllowAll, networkacl.StepGone},
		"asked in what the clock calls to come":  {aged(Rule(80, cidr, creating), -time.Hour), AllowAll, networkacl.StepWait},
		"an equal one under another number":      {Rule(80, cidr, installed), With(DenyOut(81, cidr)), networkacl.StepLookAgain},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(networkacl.Undo(tc.line, tc.observed, now)).To(Equal(tc.want))
		})
	}
}

func TestUndoAgain(t *testing.T) {
	const cidr = "52.119.223.69/32"
	other := With(DenyOut(80, "52.119.223.70/32"))
	for name, tc := range map[string]struct {
		line     v1alpha1.Rule
		observed []networkacl.Entry
		want     networkacl.Step
	}{
		"not there again: AWS itself is to say so":     {aged(Rule(80, cidr, installed), 0), AllowAll, networkacl.StepDelete},
		"there after all":                              {aged(Rule(80, cidr, installed), 0), With(DenyOut(80, cidr)), networkacl.StepDelete},
		"another, and the read may lag":                {aged(Rule(80, cidr, installed), 2*time.Minute-time.Second), other, networkacl.StepWait},
		"another, and no read lags that long":          {aged(Rule(80, cidr, installed), 2*time.Minute), other, networkacl.StepGone},
		"another in the place of one that was deleted": {aged(Rule(80, cidr, deleting), 2*time.Minute), other, networkacl.StepGone},
		"another, without a time":                      {Rule(80, cidr, installed), other, networkacl.StepGone},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(networkacl.UndoAgain(tc.line, tc.observed, now)).To(Equal(tc.want))
		})
	}
}

// An entry that is not the line's, in every respect, is never deleted.
func TestUndoNeverDeletesWhatIsNotOurs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := Rule(80, "52.119.223.69/32", rapid.SampledFrom([]v1alpha1.RuleState{creating, installed, deleting}).Draw(t, "state"))
		line = aged(line, time.Duration(rapid.IntRange(-10, 600).Draw(t, "seconds"))*time.Second)
		there := networkacl.Entry{
			Number: 80, Egress: true, Allow: rapid.Bool().Draw(t, "allow"),
			Protocol: rapid.SampledFrom([]string{"-1", "6", "17"}).Draw(t, "protocol"),
			CIDR:     rapid.SampledFrom([]networkacl.Entry{DenyOut(1, "52.119.223.69/32"), DenyOut(1, "52.119.223.0/24"), DenyOut(1, "0.0.0.0/0")}).Draw(t, "range").CIDR,
		}
		if there.Equal(networkacl.EntryOf(line)) {
			t.Skip("ours")
		}
		g := NewWithT(t)
		g.Expect(networkacl.Undo(line, With(there), now)).NotTo(Equal(networkacl.StepDelete))
		g.Expect(networkacl.UndoAgain(line, With(there), now)).NotTo(Equal(networkacl.StepDelete))
		g.Expect(networkacl.AtWork(line, With(there))).To(BeFalse())
	})
}

func TestDrift(t *testing.T) {
	const a, b = "52.119.223.69/32", "52.119.223.70/32"
	old := func(number int32, cidr string, state v1alpha1.RuleState) v1alpha1.Rule {
		return aged(Rule(number, cidr, state), 2*time.Minute)
	}
	both := []v1alpha1.Rule{old(81, b, installed), old(80, a, installed)}
	sessions := []networkacl.Destination{Dest(acs, "a", a), Dest(acs, "a", b)}
	for i := range sessions {
		sessions[i].Traffic = networkacl.HTTPS
	}
	for name, tc := range map[string]struct {
		lines    []v1alpha1.Rule
		observed []networkacl.Entry
		want     []string
	}{
		"all there":              {both, With(DenyOut(80, a), DenyOut(81, b)), nil},
		"no lines":               {nil, AllowAll, nil},
		"one removed":            {both, With(DenyOut(81, b)), []string{"rule 80 (" + a + ") was removed"}},
		"all removed, in order":  {both, AllowAll, []string{"rule 80 (" + a + ") was removed", "rule 81 (" + b + ") was removed"}},
		"one replaced":           {both, With(AllowOut(80, a), DenyOut(81, b)), []string{"rule 80 (" + a + ") was replaced"}},
		"narrowed to TCP":        {both, With(TCP(DenyOut(80, a), 443, 443), DenyOut(81, b)), []string{"rule 80 (" + a + ") was replaced"}},
		"overridden":             {both, With(DenyOut(80, a), DenyOut(81, b), AllowOut(7, "0.0.0.0/0")), []string{"rule 80 (" + a + ") is overridden by rule 7", "rule 81 (" + b + ") is overridden by rule 7"}},
		"one overridden":         {both, With(DenyOut(80, a), DenyOut(81, b), AllowOut(7, b)), []string{"rule 81 (" + b + ") is overridden by rule 7"}},
		"overridden for TCP":     {both, With(DenyOut(80, a), DenyOut(81, b), TCP(AllowOut(7, a), 443, 443)), []string{"rule 80 (" + a + ") is overridden by rule 7"}},
		"an allow that is inert": {both, With(DenyOut(80, a), DenyOut(81, b), DenyOut(6, a), AllowOut(7, a)), nil},
		"an allow of SSH":        {both, With(DenyOut(80, a), DenyOut(81, b), TCP(AllowOut(7, a), 22, 22)), nil},
		"an inbound allow":       {both, With(DenyOut(80, a), DenyOut(81, b), Ingress(AllowOut(7, "0.0.0.0/0"))), nil},
		"an allow that is later": {both, With(DenyOut(80, a), DenyOut(81, b), AllowOut(90, "0.0.0.0/0")), nil},
		"never acknowledged":     {[]v1alpha1.Rule{old(80, a, creating)}, AllowAll, nil},
		"being deleted":          {[]v1alpha1.Rule{old(80, a, deleting)}, AllowAll, nil},
		"a read that may lag behind our last write of a line": {
			[]v1alpha1.Rule{old(80, a, installed), aged(Rule(81, b, installed), 2*time.Minute-time.Second)}, AllowAll,
			[]string{"rule 80 (" + a + ") was removed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(networkacl.Drift(tc.lines, tc.observed, sessions, now)).To(Equal(tc.want))
		})
	}
}

func TestLostIsOnlyWhatAWSHadAcknowledged(t *testing.T) {
	const cidr = "52.119.223.69/32"
	g := NewWithT(t)
	g.Expect(networkacl.Lost(Rule(80, cidr, installed), AllowAll)).To(BeTrue())
	g.Expect(networkacl.Lost(Rule(80, cidr, installed), With(DenyOut(80, "52.119.223.70/32")))).To(BeTrue())
	g.Expect(networkacl.Lost(Rule(80, cidr, installed), With(DenyOut(80, cidr)))).To(BeFalse())
	g.Expect(networkacl.Lost(Rule(80, cidr, creating), AllowAll)).To(BeFalse())
	g.Expect(networkacl.Lost(Rule(80, cidr, deleting), AllowAll)).To(BeFalse())
}

func TestEntryOfIsTheOneShape(t *testing.T) {
	g := NewWithT(t)
	g.Expect(networkacl.EntryOf(Rule(80, "52.119.223.69/32", creating))).To(Equal(DenyOut(80, "52.119.223.69/32")))
	g.Expect(networkacl.EntryOf(Rule(80, "not a range", creating)).CIDR.IsValid()).To(BeFalse())
	_, there := networkacl.At(With(Ingress(DenyOut(80, "52.119.223.69/32"))), 80)
	g.Expect(there).To(BeFalse(), "inbound and outbound have numbers of their own")
}
