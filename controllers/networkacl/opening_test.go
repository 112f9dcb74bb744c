// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

const everywhere = "0.0.0.0/0"

func TestChangeOf(t *testing.T) {
	all := []networkacl.Entry{allowOut(100, everywhere)}
	for name, tc := range map[string]struct {
		before, after []networkacl.Entry
		want          networkacl.Change
	}{
		"nothing":                      {all, all, networkacl.Change{}},
		"an allow added":               {nil, all, networkacl.Change{Opens: true}},
		"an allow removed":             {all, nil, networkacl.Change{Closes: true}},
		"a deny added":                 {all, append(all, denyOut(90, "10.0.0.0/8")), networkacl.Change{Closes: true}},
		"a deny added behind":          {all, append(all, denyOut(110, "10.0.0.0/8")), networkacl.Change{}},
		"an allow narrowed":            {all, []networkacl.Entry{tcp(allowOut(100, everywhere), 443, 443)}, networkacl.Change{Closes: true}},
		"an allow of one more port":    {[]networkacl.Entry{tcp(allowOut(100, everywhere), 80, 442)}, []networkacl.Entry{tcp(allowOut(100, everywhere), 80, 443)}, networkacl.Change{Opens: true}},
		"another range":                {[]networkacl.Entry{allowOut(100, "10.0.0.0/9")}, []networkacl.Entry{allowOut(100, "10.128.0.0/9")}, networkacl.Change{Opens: true, Closes: true}},
		"two halves for a whole":       {all, []networkacl.Entry{allowOut(100, "0.0.0.0/1"), allowOut(110, "128.0.0.0/1")}, networkacl.Change{}},
		"a deny moved":                 {append(all, denyOut(80, "10.0.0.0/8")), append(all, denyOut(90, "10.0.0.0/8")), networkacl.Change{}},
		"the other direction":          {all, []networkacl.Entry{ingress(allowOut(100, everywhere))}, networkacl.Change{Opens: true, Closes: true}},
		"one type of ICMP":             {[]networkacl.Entry{icmp(allowOut(100, everywhere), -1, -1)}, []networkacl.Entry{icmp(allowOut(100, everywhere), 8, 0)}, networkacl.Change{Closes: true}},
		"a protocol that none names":   {[]networkacl.Entry{tcp(allowOut(100, everywhere), 0, 65535)}, all, networkacl.Change{Opens: true}},
		"the other family":             {all, append(all, allowOut(110, "::/0")), networkacl.Change{Opens: true}},
		"the last address of a range":  {[]networkacl.Entry{allowOut(1, "10.0.0.0/31")}, []networkacl.Entry{denyOut(1, "10.0.0.1/32"), allowOut(2, "10.0.0.0/31")}, networkacl.Change{Closes: true}},
		"all but the first address":    {[]networkacl.Entry{allowOut(1, "10.0.0.0/31")}, []networkacl.Entry{allowOut(1, "10.0.0.0/32")}, networkacl.Change{Closes: true}},
		"an address denied in between": {append(all, denyOut(90, "10.0.0.0/31")), append(all, denyOut(80, "10.0.0.0/32"), denyOut(81, "10.0.0.1/32")), networkacl.Change{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(networkacl.ChangeOf(tc.before, tc.after)).To(Equal(tc.want))
			g.Expect(networkacl.ChangeOf(tc.after, tc.before)).To(Equal(networkacl.Change{Opens: tc.want.Closes, Closes: tc.want.Opens}))
		})
	}
}

func copiesOf(entries ...networkacl.Entry) []networkacl.Copy {
	var copies []networkacl.Copy
	for _, e := range entries {
		copies = append(copies, same(e))
	}
	return copies
}

func TestFollow(t *testing.T) {
	all, web := allowOut(100, everywhere), tcp(allowOut(100, everywhere), 80, 443)
	one, other := allowOut(100, "198.51.100.0/24"), allowOut(100, "203.0.113.0/24")
	beside := one
	beside.Number = 101
	more := allowOut(120, "203.0.113.0/24")
	echo := func(number, code int32) networkacl.Entry { return icmp(allowOut(number, everywhere), 8, code) }
	for name, tc := range map[string]struct {
		baseline, wanted, atOnce []networkacl.Entry
		owned                    []v1alpha1.Rule
	}{
		"an allow added":                      {nil, []networkacl.Entry{all}, []networkacl.Entry{all}, nil},
		"an allow removed":                    {[]networkacl.Entry{all}, nil, []networkacl.Entry{all}, nil},
		"a deny added":                        {[]networkacl.Entry{all}, []networkacl.Entry{denyOut(90, "10.0.0.0/8"), all}, []networkacl.Entry{all}, nil},
		"a deny removed":                      {[]networkacl.Entry{denyOut(90, "10.0.0.0/8"), all}, []networkacl.Entry{all}, []networkacl.Entry{all}, nil},
		"an allow narrowed":                   {[]networkacl.Entry{all}, []networkacl.Entry{web}, []networkacl.Entry{all}, nil},
		"an allow widened":                    {[]networkacl.Entry{web}, []networkacl.Entry{all}, []networkacl.Entry{all}, nil},
		"an allow made a deny":                {[]networkacl.Entry{one}, []networkacl.Entry{denyOut(100, "198.51.100.0/24")}, []networkacl.Entry{one}, nil},
		"an allow moved":                      {[]networkacl.Entry{all}, []networkacl.Entry{allowOut(200, everywhere)}, []networkacl.Entry{all}, nil},
		"another range":                       {[]networkacl.Entry{one}, []networkacl.Entry{other}, []networkacl.Entry{other, beside}, nil},
		"another range, no number beside":     {[]networkacl.Entry{one}, []networkacl.Entry{other}, []networkacl.Entry{one}, []v1alpha1.Rule{rule(99, "10.0.0.1/32", installed), rule(101, "10.0.0.2/32", installed)}},
		"one opened and one closed":           {[]networkacl.Entry{one}, []networkacl.Entry{allowOut(120, "203.0.113.0/24")}, []networkacl.Entry{one, allowOut(120, "203.0.113.0/24")}, nil},
		"one opened, one closed, a deny kept": {[]networkacl.Entry{denyOut(50, "198.51.100.1/32"), one}, []networkacl.Entry{denyOut(60, "198.51.100.1/32"), one, allowOut(120, "203.0.113.0/24")}, []networkacl.Entry{denyOut(60, "198.51.100.1/32"), one, allowOut(120, "203.0.113.0/24")}, nil},
		"another range with a deny in it":     {[]networkacl.Entry{one}, []networkacl.Entry{denyOut(90, "203.0.113.7/32"), other}, []networkacl.Entry{denyOut(90, "203.0.113.7/32"), other, beside}, nil},
		"narrowed, and one opened":            {[]networkacl.Entry{allowOut(100, "198.51.100.0/23")}, []networkacl.Entry{one, more}, []networkacl.Entry{allowOut(100, "198.51.100.0/23"), more}, nil},
		"fewer ports, and one opened":         {[]networkacl.Entry{tcp(one, 80, 443)}, []networkacl.Entry{tcp(one, 80, 442), more}, []networkacl.Entry{tcp(one, 80, 443), more}, nil},
		"fewer ports at the other end":        {[]networkacl.Entry{tcp(one, 80, 443)}, []networkacl.Entry{tcp(one, 81, 443), more}, []networkacl.Entry{tcp(one, 80, 443), more}, nil},
		"other ports further up":              {[]networkacl.Entry{tcp(one, 80, 443)}, []networkacl.Entry{tcp(one, 81, 444)}, []networkacl.Entry{tcp(one, 81, 444), tcp(beside, 80, 443)}, nil},
		"other ports further down":            {[]networkacl.Entry{tcp(one, 80, 443)}, []networkacl.Entry{tcp(one, 79, 442)}, []networkacl.Entry{tcp(one, 79, 442), tcp(beside, 80, 443)}, nil},
		"fewer codes of ICMP, and one opened": {[]networkacl.Entry{echo(100, -1)}, []networkacl.Entry{echo(100, 0), more}, []networkacl.Entry{echo(100, -1), more}, nil},
		"another code of ICMP":                {[]networkacl.Entry{echo(100, 1)}, []networkacl.Entry{echo(100, 0)}, []networkacl.Entry{echo(100, 0), echo(101, 1)}, nil},
		"another type of ICMP":                {[]networkacl.Entry{icmp(all, 3, 0)}, []networkacl.Entry{icmp(all, 8, 0)}, []networkacl.Entry{icmp(all, 8, 0), icmp(allowOut(101, everywhere), 3, 0)}, nil},
		"another protocol":                    {[]networkacl.Entry{tcp(one, 80, 443)}, []networkacl.Entry{icmp(one, -1, -1)}, []networkacl.Entry{icmp(one, -1, -1), tcp(beside, 80, 443)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			baseline, wanted := copiesOf(tc.baseline...), copiesOf(tc.wanted...)
			g.Expect(networkacl.FormatCopies(networkacl.Follow(baseline, wanted, false, tc.owned, nil, 0))).To(Equal(networkacl.FormatCopies(copiesOf(tc.atOnce...))))
			g.Expect(networkacl.FormatCopies(networkacl.Follow(copiesOf(tc.atOnce...), wanted, true, tc.owned, nil, 0))).To(Equal(networkacl.FormatCopies(wanted)))
		})
	}
}

func TestLetsOut(t *testing.T) {
	g := NewWithT(t)
	host, anything := dest(v1alpha1.EndpointACS, "a.example", "10.0.0.1/32"), dest(v1alpha1.EndpointAdditional, "", "10.0.0.0/24")
	for _, tc := range []struct {
		entries         []networkacl.Entry
		toHost, toRange bool
	}{
		{nil, false, false},
		{[]networkacl.Entry{allowOut(100, everywhere)}, true, true},
		{[]networkacl.Entry{tcp(allowOut(100, everywhere), 80, 442)}, false, true},
		{[]networkacl.Entry{tcp(allowOut(100, everywhere), 443, 443)}, true, true},
		{[]networkacl.Entry{tcp(denyOut(90, "10.0.0.1/32"), 443, 443), allowOut(100, everywhere)}, false, true},
		{[]networkacl.Entry{denyOut(90, "10.0.0.0/8"), allowOut(100, everywhere)}, false, false},
		{[]networkacl.Entry{ingress(allowOut(100, everywhere))}, false, false},
	} {
		g.Expect(networkacl.LetsOut(tc.entries, host)).To(Equal(tc.toHost), "%v", tc.entries)
		g.Expect(networkacl.LetsOut(tc.entries, anything)).To(Equal(tc.toRange), "%v", tc.entries)
	}
}

// Whatever two states of the original reads show, in any order and with the wrong one said to have stood: between any two
// calls the clone allows what both states allow, but for the run's denies, and nothing that neither allows. Once reads agree
// on one of them it is what the clone has.
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
			wanted, err := networkacl.Recopy(clone.copies, state, clone.rules, desired, quota)
			if err != nil {
				t.Skip(err) // the run ends
			}
			next := networkacl.Follow(clone.copies, wanted, stood, clone.rules, desired, quota)
			create, replace, remove := networkacl.CopySteps(next, clone.rules, clone.entries)
			for _, step := range networkacl.InOrder(clone.entries, create, replace, remove, quota) {
				if clone.entries = without(clone.entries, step.Entry); step.Verb != networkacl.StepRemove {
					clone.entries = put(clone.entries, step.Entry, true)
				}
				for _, p := range packets {
					if old := verdict(states[0], p); old == verdict(states[1], p) {
						g.Expect(verdict(clone.entries, p)).To(Equal(old), "%v after %v, on the way from %v to %v, at last %v", p, step, clone.copies, next, wanted)
					}
				}
			}
			g.Expect(networkacl.Complete(next, clone.rules, clone.entries)).To(BeTrue())
			clone.copies = next
		}
		for range rapid.IntRange(0, 6).Draw(t, "reads") {
			follow(states[rapid.IntRange(0, 1).Draw(t, "state")], rapid.Bool().Draw(t, "stood"))
		}
		before := clone.copies
		follow(states[1], false)
		// What closes keeps what opens waiting where the numbers, or the quota, have no room for both.
		waits := networkacl.ChangeOf(states[0], states[1]).Closes && slices.Equal(networkacl.FormatCopies(before), networkacl.FormatCopies(clone.copies))
		for _, p := range packets {
			if verdict(states[1], p) && !verdict(states[0], p) && !waits && len(original) < quota/2 {
				g.Expect(verdict(clone.entries, p)).To(BeTrue(), "%v is not opened at once, on the way from %v to %v", p, before, clone.copies)
			}
		}
		for range 3 {
			follow(states[1], true)
		}
		more, err := networkacl.NewPlan(networkacl.PlanInput{NetworkACLID: aclID, Desired: desired, Observed: clone.entries, Owned: clone.rules, Quota: quota})
		g.Expect(err).NotTo(HaveOccurred())
		for _, r := range more.Create {
			clone.install(r)
		}
		expectOnlyDenied(t, g, states[1], clone.entries, desired)
	})
}
