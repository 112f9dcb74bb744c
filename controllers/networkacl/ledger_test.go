// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
