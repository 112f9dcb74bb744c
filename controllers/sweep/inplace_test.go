// SPDX-License-Identifier: Apache-2.0

package sweep_test

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

func TestRulesInPlace(t *testing.T) {
	w := newWorld(t)
	w.add(ownACL, foreign(50, true), foreign(80, false))
	w.tag(ownACL, map[string]string{"Name": "main"})
	before := w.snapshot()
	w.inPlace(80, 81, 90)

	f := w.one()
	w.Expect(f).To(And(
		HaveField("Kind", sweep.KindRules), HaveField("AccountID", account), HaveField("Region", regionName),
		HaveField("NetworkACLID", ownACL), HaveField("SubnetIDs", []string{ownSubnet}),
		HaveField("UID", uid), HaveField("Owner", owner), HaveField("ClusterID", clusterID),
		HaveField("Started", began), HaveField("Expires", ends),
		HaveField("Rules", HaveLen(3)), HaveField("Present", HaveLen(3)), HaveField("Problem", ""),
	))
	w.Expect(w.undo(w.confirm(f))).To(Equal(sweep.Result{Done: true, Did: []string{
		"deleted rule 80 (52.119.0.80/32) of network ACL " + ownACL,
		"deleted rule 81 (52.119.0.81/32) of network ACL " + ownACL,
		"deleted rule 90 (52.119.0.90/32) of network ACL " + ownACL,
		"removed the tags of run " + uid + " from network ACL " + ownACL,
	}}))
	w.Expect(w.snapshot()).To(Equal(before))
	w.Expect(w.find()).To(BeEmpty())
	w.Expect(w.undo(f)).To(Equal(sweep.Result{Done: true}), "again")
	w.Expect(w.snapshot()).To(Equal(before))
}

// Whatever else stands on the network ACL stays as it was, and nothing of the run does.
func TestWhateverIsForeignStays(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		made, err := w.region().CreateNetworkACL(vpc, "", "", nil)
		g.Expect(err).NotTo(HaveOccurred())
		defer func() { g.Expect(w.region().DeleteNetworkACL(made.ID)).To(Succeed()) }()

		numbers := rapid.SliceOfNDistinct(rapid.Int32Range(76, 96), 0, 8, rapid.ID).Draw(t, "claimed")
		var standing, entries []acl.Entry
		for _, n := range numbers {
			if rapid.Bool().Draw(t, "stands") {
				standing = append(standing, deny(n))
			}
		}
		for _, e := range rapid.SliceOfNDistinct(foreignGen(), 0, 12, region.DescribeEntry).Draw(t, "foreign") {
			taken := func(o acl.Entry) bool { return o.RuleNumber == e.RuleNumber && o.Egress == e.Egress }
			mine := slices.Contains(numbers, int32(e.RuleNumber)) && e == deny(int32(e.RuleNumber))
			if !mine && !slices.ContainsFunc(standing, taken) && !slices.ContainsFunc(entries, taken) {
				entries = append(entries, e)
			}
		}
		g.Expect(w.region().SetEntries(made.ID, slices.Concat(entries, standing)...)).To(Succeed())
		tags := rapid.MapOf(rapid.StringMatching(`[A-Za-z][A-Za-z0-9/:.]{0,20}`), rapid.StringMatching(`[a-z ]{0,9}`)).Draw(t, "tags")
		g.Expect(w.region().SetTags(made.ID, merged(tags, ownershipOf(numbers...).Tags()))).To(Succeed())
		late := rapid.Bool().Draw(t, "past the end")
		w.clock.SetTime(map[bool]time.Time{false: began.Add(time.Minute), true: ends.Add(5 * time.Minute)}[late])

		undo := func(stays ...acl.Entry) sweep.Result {
			found, err := sweep.Find(w.ctx, w.clients)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found).To(HaveLen(1))
			result, err := w.undoer.Undo(w.ctx, w.clients, found[0])
			g.Expect(err).NotTo(HaveOccurred())
			now, _ := w.region().NetworkACL(made.ID)
			g.Expect(withoutDefaults(now.Entries)).To(ConsistOf(describe(stays)))
			return result
		}
		result := undo(slices.Concat(entries, standing)...)
		g.Expect(result.Done).To(BeFalse(), "one read proves no claim")
		w.clock.SetTime(result.Again)
		result = undo(entries...)
		if !late && len(standing) < len(numbers) {
			g.Expect(result.Done).To(BeFalse(), "a rule that was asked for may yet show")
			g.Expect(result.Left).To(ContainSubstring("Sweep again at 2026-01-02T03:10:05Z"))
			w.clock.SetTime(result.Again)
			result = undo(entries...)
		}
		g.Expect(result.Done).To(BeTrue(), result.Left)
		now, _ := w.region().NetworkACL(made.ID)
		g.Expect(merged(now.Tags)).To(Equal(tags))
	})
}

// foreignGen gives entries of all shapes, denies like ours among them, at numbers where rules are.
func foreignGen() *rapid.Generator[acl.Entry] {
	return rapid.Custom(func(t *rapid.T) acl.Entry {
		n := rapid.Int32Range(74, 100).Draw(t, "number")
		e := deny(rapid.OneOf(rapid.Just(n), rapid.Int32Range(74, 100)).Draw(t, "address"))
		e.RuleNumber, e.Egress, e.Allow = int(n), rapid.Bool().Draw(t, "egress"), rapid.Bool().Draw(t, "allow")
		if rapid.Bool().Draw(t, "narrow") {
			e.Protocol, e.From, e.To = acl.TCP, 443, 443
		}
		return e
	})
}

func withoutDefaults(entries []acl.Entry) []string {
	return describe(slices.DeleteFunc(slices.Clone(entries), acl.Entry.Default))
}

// A late creation of a process that stood still meets the tag, and goes with it.
func TestARuleThatShowsLate(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	w.tag(ownACL, ownershipOf(80, 81).Tags())
	w.add(ownACL, deny(80))
	f := w.one()
	w.Expect(f.Present).To(HaveLen(1))
	sure := w.clock.Now().Add(5 * time.Minute)
	result := w.undo(w.confirm(f))
	w.Expect(result.Done).To(BeFalse())
	w.Expect(result.Again).To(Equal(sure))

	w.add(ownACL, deny(81))
	w.clock.SetTime(result.Again)
	result = w.undo(w.one())
	w.Expect(result.Done).To(BeTrue(), result.Left)
	w.Expect(w.snapshot()).To(Equal(before))
}

func TestAnotherProcessBeginsAnew(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	w.tag(ownACL, ownershipOf(80).Tags())
	w.Expect(w.undo(w.one()).Done).To(BeFalse())
	w.clock.Step(4 * time.Minute)
	w.restart()
	w.Expect(w.undo(w.one()).Done).To(BeFalse())
	w.clock.Step(4 * time.Minute)
	w.Expect(w.undo(w.one()).Done).To(BeFalse(), "this process has looked for 4 minutes")
	w.restart()
	w.clock.SetTime(ends.Add(5 * time.Minute))
	w.Expect(w.undo(w.confirm(w.one())).Done).To(BeTrue(), "nothing is made after the end")
	w.Expect(w.snapshot()).To(Equal(before))
}

// A run that began anew, or whose end was moved, is not the one that was found.
func TestWhatChangedSinceItWasFoundIsLeft(t *testing.T) {
	for name, change := range map[string]func(*ownership.Ownership){
		"another run":  func(o *ownership.Ownership) { o.Started = o.Started.Add(time.Second) },
		"another end":  func(o *ownership.Ownership) { o.Expires = o.Expires.Add(time.Hour) },
		"an earlier 1": func(o *ownership.Ownership) { o.Expires = o.Expires.Add(-time.Minute) },
	} {
		w := newWorld(t)
		w.inPlace(80)
		f := w.one()
		o := ownershipOf(80)
		change(&o)
		w.tag(ownACL, o.Tags())
		before := w.snapshot()
		w.clock.SetTime(ends.Add(time.Hour))
		result := w.undo(f)
		w.Expect(result.Done).To(BeFalse(), name)
		w.Expect(result.Left).To(ContainSubstring("search again"), name)
		w.Expect(w.snapshot()).To(Equal(before), name)
		w.Expect(w.undo(w.confirm(w.one())).Done).To(BeTrue(), name)
	}
}

// Of two runs that claim one entry, it is the later one's: the earlier may be long over.
func TestTwoClaimsOnOneNetworkACL(t *testing.T) {
	w := newWorld(t)
	untouched := w.snapshot()
	w.inPlace(80, 81)
	later := ownershipOf(81, 90)
	later.UID, later.Started = otherUID, began.Add(30*time.Second)
	w.tag(ownACL, later.Tags())
	w.add(ownACL, deny(90))

	found := w.find()
	w.Expect(found).To(HaveLen(2))
	w.Expect([]string{found[0].UID, found[1].UID}).To(Equal([]string{otherUID, uid}))
	w.Expect(w.undo(w.confirm(found[1]))).To(HaveField("Done", true))
	now, _ := w.region().NetworkACL(ownACL)
	w.Expect(describe(now.Entries)).To(ContainElements(region.DescribeEntry(deny(81)), region.DescribeEntry(deny(90))))
	w.Expect(describe(now.Entries)).NotTo(ContainElement(region.DescribeEntry(deny(80))))
	f := w.one()
	w.Expect(f.UID).To(Equal(otherUID))
	w.Expect(w.undo(w.confirm(f))).To(HaveField("Done", true))
	w.Expect(w.snapshot()).To(Equal(untouched))
}

func TestReadsThatLag(t *testing.T) {
	for _, lag := range []time.Duration{5 * time.Second, time.Minute} {
		w := newWorld(t)
		before := w.snapshot()
		w.inPlace(80, 81)
		w.clock.SetTime(ends)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:Describe*", Stale: faults.Duration(lag)})
		f := w.confirm(w.one())
		result := w.undo(f)
		w.Expect(result.Done).To(BeFalse(), "reads still show the rules")
		w.Expect(result.Did).To(HaveLen(2))
		now, _ := w.region().NetworkACL(ownACL)
		w.Expect(now.Tags).To(HaveKey(ownership.TagDomain + uid))

		// What a third party puts there meanwhile is not deleted for what reads show.
		w.add(ownACL, foreign(80, true))
		w.clock.Step(lag / 2)
		w.undo(f)
		now, _ = w.region().NetworkACL(ownACL)
		w.Expect(describe(now.Entries)).To(ContainElement(region.DescribeEntry(foreign(80, true))))
		w.Expect(w.region().DeleteNetworkACLEntry(ownACL, 80, true)).To(Succeed())

		w.clock.Step(2 * networkacl.SettleFor)
		result = w.undo(f)
		w.Expect(result.Done).To(BeTrue(), result.Left)
		w.Expect(w.snapshot()).To(Equal(before))
	}
}

// Lift takes away what acts on traffic. The tags are the object's.
func TestLift(t *testing.T) {
	w := newWorld(t)
	w.tag(ownACL, ownershipOf(80, 81).Tags())
	before := w.snapshot()
	w.add(ownACL, deny(80), deny(81))
	f := w.one()
	w.Expect(w.lift(f).Did).To(BeEmpty(), "one read proves no claim")
	w.clock.Step(networkacl.SettleFor)
	w.Expect(w.lift(f).Did).To(HaveLen(2))
	w.Expect(w.snapshot()).To(Equal(before))
}

func (w *world) lift(f sweep.Found) sweep.Result {
	result, err := w.undoer.Lift(w.ctx, w.clients, f)
	w.Expect(err).NotTo(HaveOccurred())
	return result
}

func TestAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.inPlace(80)
	f := w.one()
	f.AccountID = "210987654321"
	before := w.snapshot()
	_, err := w.undoer.Undo(w.ctx, w.clients, f)
	w.Expect(err).To(MatchError(ContainSubstring("in account 210987654321, and the credentials are of account " + account)))
	f = w.one()
	f.Region = "eu-west-1"
	_, err = w.undoer.Undo(w.ctx, w.clients, f)
	w.Expect(err).To(MatchError(ContainSubstring("in Region eu-west-1")))
	w.Expect(w.snapshot()).To(Equal(before))
}

// cutOffs are what an undoing can meet at one of its calls.
var cutOffs = map[string]faults.Fault{
	"an error before": {Error: "InternalError"},
	"a lost answer":   {Lost: true},
	"throttling":      {Error: "RequestLimitExceeded"},
	"no permission":   {Denied: true},
}

// cutOffEverywhere has a sweep meet each fault at each of its calls in turn; then it is repeated by another process, and has
// to come to the same end.
func cutOffEverywhere(t *testing.T, prepare func(*world)) {
	t.Helper()
	points := 0
	for name, fault := range cutOffs {
		for n := 0; ; n++ {
			w := newWorld(t)
			before := w.snapshot()
			prepare(w)
			w.clock.SetTime(ends.Add(5 * time.Minute))
			calls := len(w.sim.Calls())
			fault.Action, fault.Skip, fault.Times = "*", n, 1
			w.sim.Faults().Add(fault)
			w.sweep()
			if len(w.sim.Calls())-calls <= n {
				break
			}
			points++
			w.sim.Faults().Clear()
			w.restart()
			w.Expect(w.sweep()).To(BeEmpty(), "%s at call %d", name, n)
			w.Expect(w.snapshot()).To(Equal(before), "%s at call %d", name, n)
			w.Expect(w.find()).To(BeEmpty())
		}
	}
	NewWithT(t).Expect(points).To(BeNumerically(">", 5*len(cutOffs)))
	t.Logf("%d points", points)
}

func TestRulesInPlaceCutOffEverywhere(t *testing.T) {
	cutOffEverywhere(t, func(w *world) { w.inPlace(80, 81) })
}

// AWS's word that something is not there proves nothing while reads show it.
func TestWhatAWSDoesNotKnowButShows(t *testing.T) {
	for name, fault := range map[string]faults.Fault{
		"a rule": {Action: "ec2:DeleteNetworkAclEntry", Error: "InvalidNetworkAclEntry.NotFound", Times: 1},
		"a tag":  {Action: "ec2:DeleteTags", Error: "InvalidNetworkAclID.NotFound", Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			before := w.snapshot()
			w.inPlace(80)
			w.clock.Step(5 * time.Minute)
			f := w.confirm(w.one())
			w.sim.Faults().Add(fault)
			result, _ := w.undoer.Undo(w.ctx, w.clients, f)
			w.Expect(result.Done).To(BeFalse(), "something is left")
			w.clock.Step(10 * time.Second)
			result = w.undo(f)
			w.Expect(result.Done).To(BeTrue(), result.Left)
			w.Expect(w.snapshot()).To(Equal(before))
		})
	}
}

// What AWS acknowledged as deleted is not deleted a second time: by now it is a third party's.
func TestWhatWasDeletedIsNotDeletedAgain(t *testing.T) {
	w := newWorld(t)
	w.inPlace(80)
	w.clock.Step(5 * time.Minute)
	f := w.confirm(w.one())
	w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteTags", Error: "InternalError", Times: 1})
	_, err := w.undoer.Undo(w.ctx, w.clients, f)
	w.Expect(err).To(HaveOccurred())
	w.add(ownACL, deny(80))
	for range 2 {
		w.clock.Step(2 * networkacl.SettleFor)
		w.undo(f)
	}
	now, _ := w.region().NetworkACL(ownACL)
	w.Expect(describe(now.Entries)).To(ContainElement(region.DescribeEntry(deny(80))))
	w.Expect(now.Tags).NotTo(HaveKey(ownership.TagDomain + uid))
}
