// SPDX-License-Identifier: Apache-2.0

package nacl_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/nacl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

const everywhere = "0.0.0.0/0"

func TestChangeOf(t *testing.T) {
	all := []nacl.Entry{allowOut(100, everywhere)}
	for name, tc := range map[string]struct {
		before, after []nacl.Entry
		want          nacl.Change
	}{
		"nothing":                      {all, all, nacl.Change{}},
		"an allow added":               {nil, all, nacl.Change{Opens: true}},
		"an allow removed":             {all, nil, nacl.Change{Closes: true}},
		"a deny added":                 {all, append(all, denyOut(90, "10.0.0.0/8")), nacl.Change{Closes: true}},
		"a deny added behind":          {all, append(all, denyOut(110, "10.0.0.0/8")), nacl.Change{}},
		"an allow narrowed":            {all, []nacl.Entry{tcp(allowOut(100, everywhere), 443, 443)}, nacl.Change{Closes: true}},
		"an allow of one more port":    {[]nacl.Entry{tcp(allowOut(100, everywhere), 80, 442)}, []nacl.Entry{tcp(allowOut(100, everywhere), 80, 443)}, nacl.Change{Opens: true}},
		"another range":                {[]nacl.Entry{allowOut(100, "10.0.0.0/9")}, []nacl.Entry{allowOut(100, "10.128.0.0/9")}, nacl.Change{Opens: true, Closes: true}},
		"two halves for a whole":       {all, []nacl.Entry{allowOut(100, "0.0.0.0/1"), allowOut(110, "128.0.0.0/1")}, nacl.Change{}},
		"a deny moved":                 {append(all, denyOut(80, "10.0.0.0/8")), append(all, denyOut(90, "10.0.0.0/8")), nacl.Change{}},
		"the other direction":          {all, []nacl.Entry{ingress(allowOut(100, everywhere))}, nacl.Change{Opens: true, Closes: true}},
		"one type of ICMP":             {[]nacl.Entry{icmp(allowOut(100, everywhere), -1, -1)}, []nacl.Entry{icmp(allowOut(100, everywhere), 8, 0)}, nacl.Change{Closes: true}},
		"a protocol that none names":   {[]nacl.Entry{tcp(allowOut(100, everywhere), 0, 65535)}, all, nacl.Change{Opens: true}},
		"the other family":             {all, append(all, allowOut(110, "::/0")), nacl.Change{Opens: true}},
		"the last address of a range":  {[]nacl.Entry{allowOut(1, "10.0.0.0/31")}, []nacl.Entry{denyOut(1, "10.0.0.1/32"), allowOut(2, "10.0.0.0/31")}, nacl.Change{Closes: true}},
		"an address denied in between": {append(all, denyOut(90, "10.0.0.0/31")), append(all, denyOut(80, "10.0.0.0/32"), denyOut(81, "10.0.0.1/32")), nacl.Change{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(nacl.ChangeOf(tc.before, tc.after)).To(Equal(tc.want))
			g.Expect(nacl.ChangeOf(tc.after, tc.before)).To(Equal(nacl.Change{Opens: tc.want.Closes, Closes: tc.want.Opens}))
		})
	}
}

func copiesOf(entries ...nacl.Entry) []nacl.Copy {
	var copies []nacl.Copy
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
	for name, tc := range map[string]struct {
		baseline, wanted, atOnce []nacl.Entry
		owned                    []v1alpha1.Rule
	}{
		"an allow added":                      {nil, []nacl.Entry{all}, []nacl.Entry{all}, nil},
		"an allow removed":                    {[]nacl.Entry{all}, nil, []nacl.Entry{all}, nil},
		"a deny added":                        {[]nacl.Entry{all}, []nacl.Entry{denyOut(90, "10.0.0.0/8"), all}, []nacl.Entry{all}, nil},
		"a deny removed":                      {[]nacl.Entry{denyOut(90, "10.0.0.0/8"), all}, []nacl.Entry{all}, []nacl.Entry{all}, nil},
		"an allow narrowed":                   {[]nacl.Entry{all}, []nacl.Entry{web}, []nacl.Entry{all}, nil},
		"an allow widened":                    {[]nacl.Entry{web}, []nacl.Entry{all}, []nacl.Entry{all}, nil},
		"an allow made a deny":                {[]nacl.Entry{one}, []nacl.Entry{denyOut(100, "198.51.100.0/24")}, []nacl.Entry{one}, nil},
		"an allow moved":                      {[]nacl.Entry{all}, []nacl.Entry{allowOut(200, everywhere)}, []nacl.Entry{all}, nil},
		"another range":                       {[]nacl.Entry{one}, []nacl.Entry{other}, []nacl.Entry{other, beside}, nil},
		"another range, no number beside":     {[]nacl.Entry{one}, []nacl.Entry{other}, []nacl.Entry{one}, []v1alpha1.Rule{rule(99, "10.0.0.1/32", installed), rule(101, "10.0.0.2/32", installed)}},
		"one opened and one closed":           {[]nacl.Entry{one}, []nacl.Entry{allowOut(120, "203.0.113.0/24")}, []nacl.Entry{one, allowOut(120, "203.0.113.0/24")}, nil},
		"one opened, one closed, a deny kept": {[]nacl.Entry{denyOut(50, "198.51.100.1/32"), one}, []nacl.Entry{denyOut(60, "198.51.100.1/32"), one, allowOut(120, "203.0.113.0/24")}, []nacl.Entry{denyOut(60, "198.51.100.1/32"), one, allowOut(120, "203.0.113.0/24")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			baseline, wanted := copiesOf(tc.baseline...), copiesOf(tc.wanted...)
			g.Expect(nacl.FormatCopies(nacl.Follow(baseline, wanted, false, tc.owned, nil, 0))).To(Equal(nacl.FormatCopies(copiesOf(tc.atOnce...))))
			g.Expect(nacl.FormatCopies(nacl.Follow(copiesOf(tc.atOnce...), wanted, true, tc.owned, nil, 0))).To(Equal(nacl.FormatCopies(wanted)))
		})
	}
}

func TestLetsOut(t *testing.T) {
	g := NewWithT(t)
	host, anything := dest(v1alpha1.EndpointACS, "a.example", "10.0.0.1/32"), dest(v1alpha1.EndpointAdditional, "", "10.0.0.0/24")
	for _, tc := range []struct {
		entries         []nacl.Entry
		toHost, toRange bool
	}{
		{nil, false, false},
		{[]nacl.Entry{allowOut(100, everywhere)}, true, true},
		{[]nacl.Entry{tcp(allowOut(100, everywhere), 80, 442)}, false, true},
		{[]nacl.Entry{tcp(allowOut(100, everywhere), 443, 443)}, true, true},
		{[]nacl.Entry{tcp(denyOut(90, "10.0.0.1/32"), 443, 443), allowOut(100, everywhere)}, false, true},
		{[]nacl.Entry{denyOut(90, "10.0.0.0/8"), allowOut(100, everywhere)}, false, false},
		{[]nacl.Entry{ingress(allowOut(100, everywhere))}, false, false},
	} {
		g.Expect(nacl.LetsOut(tc.entries, host)).To(Equal(tc.toHost), "%v", tc.entries)
		g.Expect(nacl.LetsOut(tc.entries, anything)).To(Equal(tc.toRange), "%v", tc.entries)
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
		states := [][]nacl.Entry{original, change(t, original, quota)}
		packets := rapid.SliceOfN(packetGen(), 60, 60).Draw(t, "packets")
		packets = slices.DeleteFunc(packets, func(p acl.Packet) bool {
			return p.Egress && slices.ContainsFunc(desired, func(d nacl.Destination) bool { return d.CIDR.Contains(p.Remote) })
		})
		follow := func(state []nacl.Entry, stood bool) {
			wanted, err := nacl.Recopy(clone.copies, state, clone.rules, desired, quota)
			if err != nil {
				t.Skip(err) // the run ends
			}
			next := nacl.Follow(clone.copies, wanted, stood, clone.rules, desired, quota)
			create, replace, remove := nacl.CopySteps(next, clone.rules, clone.entries)
			for _, step := range nacl.InOrder(clone.entries, create, replace, remove, quota) {
				if clone.entries = without(clone.entries, step.Entry); step.Verb != nacl.StepRemove {
					clone.entries = put(clone.entries, step.Entry, true)
				}
				for _, p := range packets {
					if old := verdict(states[0], p); old == verdict(states[1], p) {
						g.Expect(verdict(clone.entries, p)).To(Equal(old), "%v after %v, on the way from %v to %v, at last %v", p, step, clone.copies, next, wanted)
					}
				}
			}
			g.Expect(nacl.Complete(next, clone.rules, clone.entries)).To(BeTrue())
			clone.copies = next
		}
		for range rapid.IntRange(0, 6).Draw(t, "reads") {
			follow(states[rapid.IntRange(0, 1).Draw(t, "state")], rapid.Bool().Draw(t, "stood"))
		}
		before := clone.copies
		follow(states[1], false)
		for _, p := range packets {
			if verdict(states[1], p) && !verdict(states[0], p) && len(original) < quota/2 { // room for both
				g.Expect(verdict(clone.entries, p)).To(BeTrue(), "%v is not opened at once, on the way from %v to %v", p, before, clone.copies)
			}
		}
		for range 3 {
			follow(states[1], true)
		}
		more, err := nacl.NewPlan(nacl.PlanInput{NetworkACLID: aclID, Desired: desired, Observed: clone.entries, Owned: clone.rules, Quota: quota})
		g.Expect(err).NotTo(HaveOccurred())
		for _, r := range more.Create {
			clone.install(r)
		}
		expectOnlyDenied(t, g, states[1], clone.entries, desired)
	})
}
