// SPDX-License-Identifier: Apache-2.0

package clones_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

func copiesOf(entries ...networkacl.Entry) []clones.Copy {
	var copies []clones.Copy
	for _, e := range entries {
		copies = append(copies, same(e))
	}
	return copies
}

func TestFollow(t *testing.T) {
	all, web := AllowOut(100, Everywhere), TCP(AllowOut(100, Everywhere), 80, 443)
	one, other := AllowOut(100, "198.51.100.0/24"), AllowOut(100, "203.0.113.0/24")
	beside := one
	beside.Number = 101
	more := AllowOut(120, "203.0.113.0/24")
	outer, last := AllowOut(200, "198.51.0.0/16"), AllowOut(300, "192.0.2.0/24")
	noneBeside := []v1alpha1.Rule{Rule(99, "10.0.0.1/32", installed), Rule(101, "10.0.0.2/32", installed)}
	echo := func(number, code int32) networkacl.Entry { return ICMP(AllowOut(number, Everywhere), 8, code) }
	for name, tc := range map[string]struct {
		baseline, wanted, atOnce []networkacl.Entry
		owned                    []v1alpha1.Rule
	}{
		"an allow added":                  {nil, []networkacl.Entry{all}, []networkacl.Entry{all}, nil},
		"an allow removed":                {[]networkacl.Entry{all}, nil, []networkacl.Entry{all}, nil},
		"a deny added":                    {[]networkacl.Entry{all}, []networkacl.Entry{DenyOut(90, "10.0.0.0/8"), all}, []networkacl.Entry{all}, nil},
		"a deny removed":                  {[]networkacl.Entry{DenyOut(90, "10.0.0.0/8"), all}, []networkacl.Entry{all}, []networkacl.Entry{all}, nil},
		"an allow narrowed":               {[]networkacl.Entry{all}, []networkacl.Entry{web}, []networkacl.Entry{all}, nil},
		"an allow widened":                {[]networkacl.Entry{web}, []networkacl.Entry{all}, []networkacl.Entry{all}, nil},
		"an allow made a deny":            {[]networkacl.Entry{one}, []networkacl.Entry{DenyOut(100, "198.51.100.0/24")}, []networkacl.Entry{one}, nil},
		"an allow moved":                  {[]networkacl.Entry{all}, []networkacl.Entry{AllowOut(200, Everywhere)}, []networkacl.Entry{all}, nil},
		"another range":                   {[]networkacl.Entry{one}, []networkacl.Entry{other}, []networkacl.Entry{other, beside}, nil},
		"another range, no number beside": {[]networkacl.Entry{one}, []networkacl.Entry{other}, []networkacl.Entry{one}, noneBeside},
		"another range, the first allowed elsewhere too, no number beside": {
			[]networkacl.Entry{one, outer, last}, []networkacl.Entry{other, outer}, []networkacl.Entry{other, outer, last}, noneBeside,
		},
		"one opened and one closed beside a rule of the run": {
			[]networkacl.Entry{one}, []networkacl.Entry{more}, []networkacl.Entry{one, more}, []v1alpha1.Rule{Rule(80, "10.0.0.1/32", installed)},
		},
		"one opened, and a deny added": {
			[]networkacl.Entry{one}, []networkacl.Entry{DenyOut(50, "198.51.100.1/32"), one, more}, []networkacl.Entry{one, more}, nil,
		},
		// The deny goes in front, where no allow keeps it from the addresses that neither state allows.
		"a deny that goes where an allow was": {
			[]networkacl.Entry{DenyOut(10, "198.51.100.0/24"), AllowOut(20, "198.51.0.0/16"), last},
			[]networkacl.Entry{AllowOut(10, "203.0.113.0/24"), DenyOut(20, "198.51.100.0/24"), AllowOut(30, "198.51.0.0/16")},
			[]networkacl.Entry{DenyOut(1, "198.51.100.0/24"), AllowOut(10, "203.0.113.0/24"), AllowOut(20, "198.51.0.0/16"), AllowOut(30, "198.51.0.0/16"), last}, nil,
		},
		"one opened and one closed":           {[]networkacl.Entry{one}, []networkacl.Entry{AllowOut(120, "203.0.113.0/24")}, []networkacl.Entry{one, AllowOut(120, "203.0.113.0/24")}, nil},
		"one opened, one closed, a deny kept": {[]networkacl.Entry{DenyOut(50, "198.51.100.1/32"), one}, []networkacl.Entry{DenyOut(60, "198.51.100.1/32"), one, AllowOut(120, "203.0.113.0/24")}, []networkacl.Entry{DenyOut(60, "198.51.100.1/32"), one, AllowOut(120, "203.0.113.0/24")}, nil},
		"another range with a deny in it":     {[]networkacl.Entry{one}, []networkacl.Entry{DenyOut(90, "203.0.113.7/32"), other}, []networkacl.Entry{DenyOut(90, "203.0.113.7/32"), other, beside}, nil},
		"narrowed, and one opened":            {[]networkacl.Entry{AllowOut(100, "198.51.100.0/23")}, []networkacl.Entry{one, more}, []networkacl.Entry{AllowOut(100, "198.51.100.0/23"), more}, nil},
		"fewer ports, and one opened":         {[]networkacl.Entry{TCP(one, 80, 443)}, []networkacl.Entry{TCP(one, 80, 442), more}, []networkacl.Entry{TCP(one, 80, 443), more}, nil},
		"fewer ports at the other end":        {[]networkacl.Entry{TCP(one, 80, 443)}, []networkacl.Entry{TCP(one, 81, 443), more}, []networkacl.Entry{TCP(one, 80, 443), more}, nil},
		"other ports further up":              {[]networkacl.Entry{TCP(one, 80, 443)}, []networkacl.Entry{TCP(one, 81, 444)}, []networkacl.Entry{TCP(one, 81, 444), TCP(beside, 80, 443)}, nil},
		"other ports further down":            {[]networkacl.Entry{TCP(one, 80, 443)}, []networkacl.Entry{TCP(one, 79, 442)}, []networkacl.Entry{TCP(one, 79, 442), TCP(beside, 80, 443)}, nil},
		"fewer codes of ICMP, and one opened": {[]networkacl.Entry{echo(100, -1)}, []networkacl.Entry{echo(100, 0), more}, []networkacl.Entry{echo(100, -1), more}, nil},
		"another code of ICMP":                {[]networkacl.Entry{echo(100, 1)}, []networkacl.Entry{echo(100, 0)}, []networkacl.Entry{echo(100, 0), echo(101, 1)}, nil},
		"another type of ICMP":                {[]networkacl.Entry{ICMP(all, 3, 0)}, []networkacl.Entry{ICMP(all, 8, 0)}, []networkacl.Entry{ICMP(all, 8, 0), ICMP(AllowOut(101, Everywhere), 3, 0)}, nil},
		"another protocol":                    {[]networkacl.Entry{TCP(one, 80, 443)}, []networkacl.Entry{ICMP(one, -1, -1)}, []networkacl.Entry{ICMP(one, -1, -1), TCP(beside, 80, 443)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			baseline, wanted := copiesOf(tc.baseline...), copiesOf(tc.wanted...)
			g.Expect(clones.FormatCopies(clones.Follow(baseline, wanted, false, tc.owned, nil, 0))).To(Equal(clones.FormatCopies(copiesOf(tc.atOnce...))))
			g.Expect(clones.FormatCopies(clones.Follow(copiesOf(tc.atOnce...), wanted, true, tc.owned, nil, 0))).To(Equal(clones.FormatCopies(wanted)))
		})
	}
}

// Two entries that can't be replaced one after the other without cutting off what both states allow stand at the lowest
// numbers, beside each other: one of each goes to a free number first, or gives its number up to the other.
func TestFollowFindsRoomPastOtherEntries(t *testing.T) {
	low, high := []networkacl.Entry{AllowOut(1, Everywhere), AllowOut(2, "::/0")}, []networkacl.Entry{TCP(AllowOut(1, "::/0"), 80, 443), ICMP(AllowOut(2, Everywhere), -1, -1)}
	for name, tc := range map[string]struct {
		common, between []networkacl.Entry
	}{
		"free numbers": {
			[]networkacl.Entry{DenyOut(6, "10.0.0.0/8")}, []networkacl.Entry{high[0], high[1], AllowOut(3, Everywhere), AllowOut(4, "::/0"), DenyOut(6, "10.0.0.0/8")},
		},
		"a deny of the second's addresses before them": {
			[]networkacl.Entry{DenyOut(3, "2001:db8::/32"), DenyOut(6, "10.0.0.0/8")},
			[]networkacl.Entry{high[0], low[1], DenyOut(3, "2001:db8::/32"), AllowOut(4, Everywhere), ICMP(AllowOut(5, Everywhere), -1, -1), DenyOut(6, "10.0.0.0/8")},
		},
		"denies of the addresses of both: it is made all the same": {
			[]networkacl.Entry{DenyOut(3, "2001:db8::/32"), DenyOut(4, "10.0.0.0/8")}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			baseline, wanted := copiesOf(slices.Concat(low, tc.common)...), copiesOf(slices.Concat(high, tc.common)...)
			g.Expect(clones.HasRoomForBoth(baseline, wanted, nil, nil, 0)).To(Equal(tc.between != nil))
			if tc.between != nil {
				between := copiesOf(tc.between...)
				g.Expect(clones.FormatCopies(clones.Follow(baseline, wanted, true, nil, nil, 0))).To(Equal(clones.FormatCopies(between)))
				baseline = between
			}
			g.Expect(clones.FormatCopies(clones.Follow(baseline, wanted, true, nil, nil, 0))).To(Equal(clones.FormatCopies(wanted)))
		})
	}
}

// A clone that has more entries than the quota which is assumed shows that its account's is larger.
func TestFollowGoesByTheEntriesThatTheCloneHas(t *testing.T) {
	g := NewWithT(t)
	common := ForeignRun(300, 316)
	narrow, wide := AllowOut(100, "198.51.100.0/24"), AllowOut(110, "203.0.112.0/23")
	wider, narrower := AllowOut(100, "198.51.100.0/23"), AllowOut(110, "203.0.112.0/24")
	owned := []v1alpha1.Rule{Rule(80, "10.0.0.1/32", installed), Rule(81, "10.0.0.2/32", installed), Rule(82, "10.0.0.3/32", installed)}
	of := func(entries ...networkacl.Entry) []clones.Copy { return copiesOf(slices.Concat(entries, common)...) }
	next := clones.Follow(of(narrow, wide), of(wider, narrower), false, owned, nil, networkacl.DefaultQuota)
	g.Expect(clones.FormatCopies(next)).To(Equal(clones.FormatCopies(of(wider, wide))), "what opens, at once")
}

// Whatever two states of the original reads show, in any order and with the wrong one said to have stood: between any two
// calls the clone allows what both states allow, but for the run's denies, and nothing that neither allows, as long as the
// numbers and the quota have room for the entries of both. Once reads agree on one of them it is what the clone has.
func TestFollowingCutsNothingOffThatTheOriginalAllows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		original, desired, quota, plan := cloneFor(t)
		clone := build(plan)
		states := [][]networkacl.Entry{original, change(t, original, quota)}
		packets := rapid.SliceOfN(packetGen(), 60, 60).Draw(t, "packets")
		packets = slices.DeleteFunc(packets, func(p acl.Packet) bool {
			return p.Egress && slices.ContainsFunc(desired, func(d networkacl.Destination) bool { return d.CIDR.Contains(p.Remote) })
		})
		follow := func(state []networkacl.Entry, stood bool) {
			wanted, err := clones.Recopy(clone.copies, state, clone.rules, desired, quota)
			if err != nil {
				t.Skip(err) // the run ends
			}
			next := clones.Follow(clone.copies, wanted, stood, clone.rules, desired, quota)
			room := clones.HasRoomForBoth(clone.copies, wanted, clone.rules, desired, quota)
			create, replace, remove := clones.CopySteps(next, clone.rules, clone.entries)
			for _, step := range clones.InOrder(clone.entries, create, replace, remove, quota) {
				if clone.entries = without(clone.entries, step.Entry); step.Verb != clones.StepRemove {
					clone.entries = put(clone.entries, step.Entry, true)
				}
				for _, p := range packets {
					if old := verdict(states[0], p); room && old == verdict(states[1], p) {
						g.Expect(verdict(clone.entries, p)).To(Equal(old), "%v after %v, on the way from %v to %v, at last %v", p, step, clone.copies, next, wanted)
					}
				}
			}
			g.Expect(clones.Complete(next, clone.rules, clone.entries)).To(BeTrue())
			clone.copies = next
		}
		for range rapid.IntRange(0, 6).Draw(t, "reads") {
			follow(states[rapid.IntRange(0, 1).Draw(t, "state")], rapid.Bool().Draw(t, "stood"))
		}
		before := clone.copies
		follow(states[1], false)
		// What closes keeps what opens waiting where the numbers, or the quota, have no room for both.
		waits := networkacl.ChangeOf(states[0], states[1]).Closes && slices.Equal(clones.FormatCopies(before), clones.FormatCopies(clone.copies))
		for _, p := range packets {
			if verdict(states[1], p) && !verdict(states[0], p) && !waits && len(original) < quota/2 {
				g.Expect(verdict(clone.entries, p)).To(BeTrue(), "%v is not opened at once, on the way from %v to %v", p, before, clone.copies)
			}
		}
		for range 3 {
			follow(states[1], true)
		}
		more, err := networkacl.NewPlan(networkacl.PlanInput{NetworkACLID: ACLID, Desired: desired, Observed: clone.entries, Owned: clone.rules, Quota: quota})
		g.Expect(err).NotTo(HaveOccurred())
		for _, r := range more.Create {
			clone.install(r)
		}
		expectOnlyDenied(t, g, states[1], clone.entries, desired)
	})
}
